"""Attention whose softmax sees the content: what one head, two heads and more can say of two tokens without
an MLP.

Proposition (one head cannot do XOR). One head over tokens x, y and any constant ones, plus a constant, gives
log-odds `(α(x) + β(y)) / D(x, y)` with `D(x, y) = e^s(x) + e^t(y) + const > 0`. On XOR, x and y uniform, its
loss is at least ½ ln 2. Two reach 0.

Proof. Let m_c be the log-odds of the right answer in cell c = (x, y). N = α + β is additive, so N(0,0) +
N(1,1) = N(0,1) + N(1,0), that is Σ_c D_c m_c = 0. D is additive too, so Σ_c D_c = 2 (D_00 + D_11) = 2 (D_01 +
D_10) ≥ 2 max D. The loss of a cell, ln(1 + e^−m), is convex with tangent ln 2 − m/2 at 0, and positive: it is
at least λ (ln 2 − m/2) for every λ in [0, 1]. With λ_c = D_c / max D the four add up to at least `ln 2 · ΣD /
max D − Σ D_c m_c / (2 max D)` ≥ 2 ln 2, and their mean to ½ ln 2. It is approached by D_00 = D_01 = 1, D_10 =
D_11 = ε, m_10 = m_11 = K, m_00 = εK, m_01 = −3εK as K → ∞ and εK → 0: three of four cells right. Two heads:
`exclusive_or`. ∎

So "α does not matter" (seed note 004) holds for a fixed pattern, which the values absorb, and fails for one
that sees the content.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import minimize
from scipy.special import log_softmax


class Heads(NamedTuple):
    """H heads at the last position: scores of both tokens (the position itself scores 0), values as logits,
    and a constant.
    """

    score_x: Float[ndarray, "H X"]
    score_y: Float[ndarray, "H Y"]
    value_x: Float[ndarray, "H X V"]
    value_y: Float[ndarray, "H Y V"]
    value_own: Float[ndarray, "H V"]
    bias: Float[ndarray, " V"]


def pattern(heads: Heads) -> Float[ndarray, "3 H X Y"]:
    """The attention of each head on x, y and the position itself, for every pair of tokens."""
    x, y = np.broadcast_arrays(heads.score_x[:, :, None], heads.score_y[:, None, :])
    return np.exp(log_softmax(np.stack([x, y, np.zeros(x.shape)]), axis=0))


def logits(heads: Heads) -> Float[ndarray, "X Y V"]:
    """The logits for every pair of tokens."""
    on_x, on_y, on_own = pattern(heads)
    return (
        heads.bias
        + np.einsum("hxy,hxv->xyv", on_x, heads.value_x)
        + np.einsum("hxy,hyv->xyv", on_y, heads.value_y)
        + np.einsum("hxy,hv->xyv", on_own, heads.value_own)
    )


def loss(heads: Heads, joint: Float[ndarray, "X Y V"]) -> float:
    """The cross-entropy (nats) of the heads under a joint law of two tokens and an outcome."""
    return float(-(joint * log_softmax(logits(heads), axis=-1)).sum())


def exclusive_or(sharpness: float, scale: float) -> Heads:
    """Two heads whose loss on XOR goes to 0 as both arguments grow: one looks for a 1 and one for a 0.

    The first reads the value −3 where there is no 1 and +1 where there is one, the second −3 where there is
    no 0, else +1: mixed tokens have log-odds 2 × scale for "different", equal ones −2 × scale, up to
    e^−sharpness. They work without positions.
    """
    score = sharpness * np.array([[1.0, 2.0], [2.0, 1.0]])
    odds = scale * np.array([[-3.0, 1.0], [1.0, -3.0]])
    value = np.stack([np.zeros((2, 2)), odds], axis=-1)
    return Heads(score, score, value, value, np.zeros((2, 2)), np.zeros(2))


def least(
    joint: Float[ndarray, "X Y V"], num_heads: int, *, starts: int = 30, seed: int = 0
) -> tuple[float, Heads]:
    """The lowest loss (nats) that L-BFGS finds from random starts, with its heads: an upper bound on what
    `num_heads` can reach.
    """
    draw = np.random.default_rng(seed)
    shapes = _shapes(joint.shape, num_heads)
    size = sum(int(np.prod(shape)) for shape in shapes)
    runs = [
        minimize(
            _loss_and_gradient,
            draw.normal(size=size),
            (joint, shapes),
            "L-BFGS-B",
            jac=True,
            options={"maxiter": 2000},
        )
        for _ in range(starts)
    ]
    best = min(runs, key=lambda run: run.fun)
    return float(best.fun), _unpack(best.x, shapes)


def _shapes(shape: tuple[int, ...], heads: int) -> tuple[tuple[int, ...], ...]:
    x, y, outcomes = shape
    return (heads, x), (heads, y), (heads, x, outcomes), (heads, y, outcomes), (heads, outcomes), (outcomes,)


def _unpack(flat: Float[ndarray, " Z"], shapes: tuple[tuple[int, ...], ...]) -> Heads:
    ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
    return Heads(*(part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True)))


def _loss_and_gradient(
    flat: Float[ndarray, " Z"], joint: Float[ndarray, "X Y V"], shapes: tuple
) -> tuple[float, Float[ndarray, " Z"]]:
    """The loss and its gradient by the flattened heads."""
    heads = _unpack(flat, shapes)
    on_x, on_y, on_own = weights = pattern(heads)
    chances = log_softmax(logits(heads), axis=-1)
    error = np.exp(chances) * joint.sum(-1, keepdims=True) - joint
    pull = np.stack(
        [
            np.einsum("xyv,hxv->hxy", error, heads.value_x),
            np.einsum("xyv,hyv->hxy", error, heads.value_y),
            np.einsum("xyv,hv->hxy", error, heads.value_own),
        ]
    )
    scores = weights * (pull - (weights * pull).sum(0))
    parts = (
        scores[0].sum(2),
        scores[1].sum(1),
        np.einsum("hxy,xyv->hxv", on_x, error),
        np.einsum("hxy,xyv->hyv", on_y, error),
        np.einsum("hxy,xyv->hv", on_own, error),
        error.sum((0, 1)),
    )
    return float(-(joint * chances).sum()), np.concatenate([part.ravel() for part in parts])
