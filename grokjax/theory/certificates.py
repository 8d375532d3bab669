"""Lower bounds on the loss of logits that are linear in features, by convex duality, and the cells such
logits can shut off.
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.optimize import linprog
from scipy.sparse import block_array, csr_array
from scipy.special import entr

EXACT = 1e-15
"""Moments of features up to 1 that miss by no more than this are right up to float64 rounding."""
MOST_WEIGHTS = 2_000
"""The largest linear system that is solved for a correction."""


def one_hot(shape: tuple[int, ...]) -> Float[ndarray, "N F"]:
    """Features of additive logits: for each cell of a table of tokens, which value each token has."""
    return np.concatenate(
        [np.eye(size)[index.ravel()] for size, index in zip(shape, np.indices(shape), strict=True)], axis=1
    )


def dual(
    features: Float[ndarray, "N F"], joint: Float[ndarray, "N V"], guess: Float[ndarray, "N V"]
) -> float:
    """A lower bound (nats) on the loss of every predictor with logits `features @ f` under the joint law of
    (input, outcome).

    Any q(z|n) with the moments of the joint law, `Σ_n p(n) φ(n) q(z|n) = Σ_n φ(n) P(n, z)` for every z,
    bounds it by Σ_n p(n) H(q(·|n)): such logits F have E_P F = E_q F, so their loss under P is their loss
    under q, at least the entropy of q. The q used here is the guess after first-order corrections `q(1 + φμ_z
    − Σ_z q φμ_z)` that mend its moments; where they leave the simplex or fail, P itself.
    """
    chance = joint.sum(1)
    trivial = _entropy(chance, joint / np.where(chance > 0, chance, 1)[:, None])
    miss = lambda law: (features.T @ (joint - chance[:, None] * law)).T
    for _ in range(3):
        error = miss(guess)
        if np.abs(error).max() < EXACT * max(1.0, np.abs(features).max()):
            return max(trivial, _entropy(chance, guess))
        if error.size > MOST_WEIGHTS:
            return trivial
        slope = (
            features
            @ np.linalg.lstsq(hessian(features, chance, guess), error.ravel(), rcond=None)[0]
            .reshape(error.shape)
            .T
        )
        guess = guess * (1 + slope - (guess * slope).sum(1, keepdims=True))
        if guess.min() < 0:
            return trivial
    return trivial


def hessian(
    features: Float[ndarray, "N F"], chance: Float[ndarray, " N"], law: Float[ndarray, "N V"]
) -> Float[ndarray, "G G"]:
    """The second derivative of the loss by the F × V weights f[z, f], flattened: `Σ_n p φφᵀ ⊗ (diag q −
    qqᵀ)`.
    """
    outcomes = range(law.shape[1])
    block = lambda y, z: (features * (chance * law[:, y] * ((y == z) - law[:, z]))[:, None]).T @ features
    return np.block([[block(y, z) for z in outcomes] for y in outcomes])


def reachable(features: Float[ndarray, "N F"], joint: Float[ndarray, "N V"]) -> Bool[ndarray, "N V"]:
    """The cells (input, outcome) that keep a positive chance at the optimum; logits that run to infinity shut
    off all others.

    By duality these are the cells that some q ≥ 0 with the joint law's moments fills. One linear programme
    finds them all: the largest Σ u with 0 ≤ u ≤ 1, u + s = t·q, s, t ≥ 0, q of the right moments; u is 1
    where a cell can be filled (t is free), else 0. Where the solver gives up every cell is kept, which is
    right too, but slow to fit.
    """
    chance = joint.sum(1)
    cells, outcomes = joint.size, joint.shape[1]
    moments = np.einsum("nf,n,zy->fzny", features, chance, np.eye(outcomes)).reshape(-1, cells)
    sums = np.einsum("nm,y->nmy", np.eye(len(joint)), np.ones(outcomes)).reshape(-1, cells)
    matrix = csr_array(np.concatenate([moments, sums]))
    target = np.concatenate([(features.T @ joint).ravel(), np.ones(len(joint))])[:, None]
    equations = block_array([[matrix, matrix, csr_array(-target)]])
    goal = np.concatenate([-np.ones(cells), np.zeros(cells + 1)])
    bounds = [(0, 1)] * cells + [(0, None)] * (cells + 1)
    found = linprog(goal, A_eq=equations, b_eq=np.zeros(len(target)), bounds=bounds, method="highs")
    if found.x is None:
        return np.ones(joint.shape, bool)
    return (found.x[:cells] > 0.5).reshape(joint.shape) | (joint > 0)


def _entropy(chance: Float[ndarray, " N"], law: Float[ndarray, "N V"]) -> float:
    return float(chance @ entr(np.maximum(law, 0)).sum(1))
