"""How alike two runs are on the same problems: their activations up to rotation (CKA), their units one by one
(matching).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree
from scipy.optimize import linear_sum_assignment

from grokjax.config import ModelConfig
from grokjax.interp import activations


def cka(activation: Float[Array, "B D"], other: Float[Array, "B D2"]) -> Float[Array, ""]:
    """Linear centred kernel alignment, 0 to 1: |YᵀX|² / (|XᵀX| |YᵀY|) (Kornblith et al. 2019,
    arXiv:1905.00414).

    Rotations and a common scale of either side change nothing. Of few examples of wide activations it is high
    by chance: `debiased_cka`.
    """
    return _ratio(_dependence, activation, other)


def debiased_cka(activation: Float[Array, "B D"], other: Float[Array, "B D2"]) -> Float[Array, ""]:
    """The same with unbiased estimates of the three terms (Nguyen et al. 2021, arXiv:2010.15327): about 0 for
    unrelated activations, and it may be below."""
    return _ratio(_unbiased_dependence, activation, other)


def correlations(activation: Float[Array, "B M"], other: Float[Array, "B M2"]) -> Float[Array, "M M2"]:
    """Correlation over examples of every unit of one run with every unit of another; 0 for a unit that never
    varies.
    """
    with jax.default_matmul_precision("float32"):
        return _standard(activation).T @ _standard(other)


def head_features(
    config: ModelConfig, params: PyTree, tokens: Int[Array, "B P"], layer: int
) -> Float[Array, "BqP H"]:
    """Where each head looks, as one column: its pattern at every query and key of every problem, without its
    mean over the problems.
    """
    pattern = activations.cached(config, params, tokens)[1][f"blocks.{layer}.attn.pattern"]
    return jnp.moveaxis(pattern - pattern.mean(0), 1, -1).reshape(-1, config.num_heads)


def rotated(activation: Float[Array, "B M"], key: Array) -> Float[Array, "B M"]:
    """The same activations in a random basis: what they hold together is kept, which unit holds what is lost."""
    width = activation.shape[1]
    with jax.default_matmul_precision("float32"):
        basis, scale = jnp.linalg.qr(jax.random.normal(key, (width, width)))
        return activation @ (basis * jnp.sign(jnp.diagonal(scale)))


class Match(NamedTuple):
    """For every unit of the first run its partner in the second, and how alike the two are; −1 and NaN for a
    unit without one.
    """

    partner: Int[np.ndarray, " M"]
    likeness: Float[np.ndarray, " M"]


def match(likeness: Float[np.ndarray, "M M2"]) -> Match:
    """The assignment, one to one, of the greatest total likeness (the Hungarian method, as Li et al. 2016,
    arXiv:1511.07543).
    """
    likeness = np.asarray(likeness, float)
    rows, partners = linear_sum_assignment(likeness, maximize=True)
    found = Match(np.full(len(likeness), -1), np.full(len(likeness), np.nan))
    found.partner[rows], found.likeness[rows] = partners, likeness[rows, partners]
    return found


def _ratio(dependence, x, y):
    with jax.default_matmul_precision("float32"):
        x, y = _scaled(x), _scaled(y)
        own = jnp.maximum(dependence(x, x), 1e-12) * jnp.maximum(dependence(y, y), 1e-12)
        return dependence(x, y) / jnp.sqrt(own)


def _scaled(x):
    """Centred, of mean squared length 1."""
    x = x - x.mean(0)
    return x / jnp.sqrt(jnp.maximum((x**2).sum(1).mean(), 1e-30))


def _dependence(x, y):
    """The Hilbert-Schmidt independence criterion of linear kernels."""
    return ((x.T @ y) ** 2).sum() / len(x) ** 2


def _unbiased_dependence(x, y):
    """That of Song et al. (2012), from sums over features, so that no matrix of examples by examples is
    formed.
    """
    n, own_x, own_y = len(x), (x**2).sum(1), (y**2).sum(1)
    rows_x, rows_y = (
        x @ x.sum(0) - own_x,
        y @ y.sum(0) - own_y,
    )  # sums of the kernels' rows, their diagonals left out
    together = ((x.T @ y) ** 2).sum() - own_x @ own_y
    return (
        together + rows_x.sum() * rows_y.sum() / ((n - 1) * (n - 2)) - 2 * (rows_x @ rows_y) / (n - 2)
    ) / (n * (n - 3))


def _standard(x):
    x = x - x.mean(0)
    return x / jnp.maximum(jnp.sqrt((x**2).sum(0)), 1e-12)
