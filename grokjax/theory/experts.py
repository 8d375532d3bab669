"""The least loss of additive logits `Σ_i f_i(x_i, z)`: a product of experts, one per token. Frozen attention
without an MLP is one.

Proposition (seed note 004). If the outcome Z is uniform on V values given every single token, the least loss
is exactly ln V: additive logits know nothing, however many tokens there are, however they depend on each
other, and however noisy Z is given all of them.

Proof. Let F(x, z) = Σ_i f_i(x_i, z). By Jensen ln Σ_z e^F(x,z) ≥ ln V + (1/V) Σ_z F(x, z), so the loss is at
least
`ln V + Σ_i E[(1/V) Σ_z f_i(x_i, z) − f_i(x_i, Z)]`, and each term of the sum is 0 as Z is uniform given x_i.
f = 0 reaches it. ∎

It holds for `P(z | x, y) = q(z − x − y mod b)` with x, y independent and uniform, hence for every answer
digit but the leading one in single mode, and least significant first, where the lower answer digits are
tokens too. It says nothing most significant first: see `thresholds`. With uneven inputs additive logits can
beat every single token (mod 3, (.5, .3, .2)²: .960743 against 1.029653), and their log-odds of the right
answer then differ from cell to cell. Attention that sees content is no product of experts: see `heads`.

In general the problem is convex. Its dual is to maximise the entropy of Z given the tokens over all laws that
keep the pair margins P(x_i, z) (Berger, Della Pietra, Della Pietra 1996), solved by iterative proportional
fitting (Deming, Stephan 1940; Csiszár 1975). The optimum's probabilities are unique, as the entropy is
strictly concave; the logits are so up to what a sum of tables leaves free.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.optimize import minimize
from scipy.special import log_softmax

from grokjax.theory import certificates

MOST_CELLS = 5_000
"""Up to this many cells (inputs × outcomes) a linear programme finds those that logits shut off at infinity.
"""
IMPOSSIBLE = 1e-30
"""What a chance of 0 counts as where its logarithm is taken."""


class Bound(NamedTuple):
    """The least loss (nats): it lies in [dual, loss]; `law` is the optimum's P(z | tokens), the limit where
    logits run to infinity.
    """

    loss: float
    dual: float
    law: Float[ndarray, "*X V"]
    iterations: int

    @property
    def gap(self) -> float:
        """The certified error: how far `loss` can be above the least one (up to float64 rounding)."""
        return self.loss - self.dual


def additive(joint: Float[ndarray, "*X V"], *, tolerance: float = 1e-14, iterations: int = 10_000) -> Bound:
    """The least loss of additive logits under a joint law P(x_1, …, x_m, z), by iterative proportional
    fitting.

    Cells that the optimum leaves empty are found first, for towards them the fitting would crawl; beyond
    MOST_CELLS it has to. `iterations` sweeps over the tokens at most, until every margin is right to
    `tolerance`. Raises ValueError if it is no law.
    """
    joint = _checked(joint)
    features, flat = certificates.one_hot(joint.shape[:-1]), joint.reshape(-1, joint.shape[-1])
    law, swept = _fit(joint, _filled(features, flat).reshape(joint.shape), tolerance, iterations)
    return _bound(features, flat, law.reshape(flat.shape), swept)._replace(law=law)


def linear(features: Float[ndarray, "N F"], joint: Float[ndarray, "N V"], *, iterations: int = 100) -> Bound:
    """The least loss of logits `features @ f` under a joint law P(n, z), by Newton's method: for weights that
    several tokens share.
    """
    joint = _checked(joint)
    filled, chance = _filled(features, joint), joint.sum(1)
    chances = lambda weights: log_softmax(np.where(filled, features @ weights.T, -np.inf), axis=1)
    loss = lambda weights: -float(np.sum(joint * np.where(joint > 0, chances(weights), 0)))
    weights = np.zeros((joint.shape[1], features.shape[1]))
    for step in range(1, iterations + 1):  # noqa: B007
        law = np.exp(chances(weights))
        slope = (features.T @ (chance[:, None] * law - joint)).T
        move = np.linalg.lstsq(certificates.hessian(features, chance, law), slope.ravel(), rcond=None)[
            0
        ].reshape(slope.shape)
        if (slope * move).sum() < 1e-16:
            break
        before = loss(weights)
        size = next((size for size in 0.5 ** np.arange(20) if loss(weights - size * move) < before), None)
        if size is None:
            break
        weights = weights - size * move
    return _bound(features, joint, np.exp(chances(weights)), step)


def single(joint: Float[ndarray, "*X V"]) -> tuple[float, ...]:
    """The least loss (nats) of each token alone, `H(Z | x_i)`."""
    joint = _checked(joint)
    margins = [_margin(joint, token) for token in range(joint.ndim - 1)]
    return tuple(_loss(margin, _given_input(margin)) for margin in margins)


def product(joint: Float[ndarray, "*X V"]) -> float:
    """The loss (nats) of the product of the single tokens' odds, `P(z | x_1) ⋯ P(z | x_m)` normalised:
    additive, but not the best.
    """
    joint = _checked(joint)
    odds = np.ones(joint.shape)
    for token in range(joint.ndim - 1):
        odds = odds * _given_input(_margin(joint, token))
    return _loss(joint, _given_input(odds))


class Powers(NamedTuple):
    """The least loss (nats) of the single tokens' odds raised to powers, and the powers."""

    loss: float
    powers: Float[ndarray, " m"]


def powers(joint: Float[ndarray, "*X V"]) -> Powers:
    """The least loss of `Σ_i w_i ln P(z | x_i)`, w_i ≥ 0: the best weighted product of the single tokens'
    odds, a convex problem.
    """
    joint = _checked(joint)
    margins = [_given_input(_margin(joint, token)) for token in range(joint.ndim - 1)]
    logs = np.stack(
        [np.broadcast_to(np.log(np.maximum(margin, IMPOSSIBLE)), joint.shape) for margin in margins]
    )
    loss = lambda weights: -float((joint * log_softmax(np.tensordot(weights, logs, 1), axis=-1)).sum())
    best = minimize(loss, np.ones(len(logs)), bounds=[(0, None)] * len(logs), method="L-BFGS-B")
    return Powers(float(best.fun), best.x)


def _filled(features: Float[ndarray, "N F"], joint: Float[ndarray, "N V"]) -> Bool[ndarray, "N V"]:
    """The cells that the optimum can fill, or all where they are too many to tell."""
    if joint.size > MOST_CELLS or joint.min() > 0:
        return np.ones(joint.shape, bool)
    return certificates.reachable(features, joint)


def _fit(
    joint: Float[ndarray, "*X V"], filled: Bool[ndarray, "*X V"], tolerance: float, iterations: int
) -> tuple[ndarray, int]:
    chance = joint.sum(-1, keepdims=True)
    margins = [_margin(joint, token) for token in range(joint.ndim - 1)]
    law = _given_input(filled.astype(float))
    for swept in range(1, iterations + 1):  # noqa: B007
        worst = 0.0
        for token, margin in enumerate(margins):
            fitted = _margin(chance * law, token)
            worst = max(worst, float(np.abs(fitted - margin).max()))
            law = _given_input(law * np.divide(margin, fitted, out=np.zeros(margin.shape), where=fitted > 0))
        if worst <= tolerance:
            break
    return law, swept


def _margin(joint: Float[ndarray, "*X V"], token: int) -> Float[ndarray, "*M V"]:
    """P(x_i, z), with axes of length 1 for the other tokens."""
    return joint.sum(tuple(axis for axis in range(joint.ndim - 1) if axis != token), keepdims=True)


def _given_input(weights: Float[ndarray, "*X V"]) -> Float[ndarray, "*X V"]:
    """Each row over outcomes divided by its sum, rows of zeros left alone."""
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total > 0, total, 1)


def _bound(
    features: Float[ndarray, "N F"], joint: Float[ndarray, "N V"], law: Float[ndarray, "N V"], iterations: int
) -> Bound:
    return Bound(_loss(joint, law), certificates.dual(features, joint, law), law, iterations)


def _loss(joint: Float[ndarray, "*X V"], law: Float[ndarray, "*X V"]) -> float:
    """`−Σ P ln q`, infinite where q shuts off what happens."""
    happens = joint > 0
    with np.errstate(divide="ignore"):
        return float(-(joint[happens] * np.log(law[happens])).sum()) + 0.0


def _checked(joint: Float[ndarray, "*X V"]) -> Float[ndarray, "*X V"]:
    joint = np.asarray(joint, float)
    if joint.ndim < 2 or not np.isfinite(joint).all() or joint.min() < 0 or abs(joint.sum() - 1) > 1e-9:
        raise ValueError(
            f"joint of shape {joint.shape} and sum {joint.sum():.6g} must be a law P(tokens, outcome): ≥ 0, "
            "of sum 1"
        )
    return joint
