"""How alike two runs are on the same problems: their activations up to rotation, their units one by one.

`cka`, `svcca` and `procrustes` compare whole activations; `correlations` and `match` find each unit's
partner.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.optimize import linear_sum_assignment

from grokjax.interp import factorizations
from grokjax.run import Run


def cka(activation: Float[Array, "B D"], other: Float[Array, "B D2"]) -> Float[Array, ""]:
    """Returns linear centred kernel alignment, 0 to 1: |YᵀX|² / (|XᵀX| |YᵀY|).

    Kornblith et al. 2019 (arXiv:1905.00414). Rotations and a common scale of either side change nothing. Of
    few examples of wide activations it is high by chance: see `debiased_cka`.
    """
    return _ratio(_dependence, activation, other)


def debiased_cka(activation: Float[Array, "B D"], other: Float[Array, "B D2"]) -> Float[Array, ""]:
    """Returns `cka` with unbiased estimates of its three terms (Nguyen et al. 2021, arXiv:2010.15327).

    It is about 0 for unrelated activations, and may be below.
    """
    return _ratio(_unbiased_dependence, activation, other)


def svcca(
    activation: Float[Array, "B D"], other: Float[Array, "B D2"], *, kept: float = 0.99
) -> Float[Array, ""]:
    """Returns the mean canonical correlation of the leading principal components, 0 to 1.

    kept: the share of the variance that the components of each side hold at least
    Raghu et al. 2017 (arXiv:1706.05806). Linear maps within the components change nothing. The mean is over
    as many correlations as the smaller side has components. Of few examples it is high by chance.
    """
    (x, size_x), (y, size_y) = _leading(activation, kept), _leading(other, kept)
    correlations = factorizations.svd(jnp.matmul(x.T, y, precision="float32"))[1]
    return jnp.minimum(correlations, 1).sum() / jnp.maximum(jnp.minimum(size_x, size_y), 1)


def procrustes(activation: Float[Array, "B D"], other: Float[Array, "B D2"]) -> Float[Array, ""]:
    """Returns the squared distance of two activations, each of norm 1, after the best rotation: 0 to 2.

    It is 2 − 2 |XᵀY|_* with the nuclear norm, X and Y centred (Ding et al. 2021, arXiv:2108.01661).
    """
    x, y = (_scaled(each) / np.sqrt(len(each)) for each in (activation, other))
    nuclear = factorizations.svd(jnp.matmul(x.T, y, precision="float32"))[1].sum()
    return jnp.maximum(2 - 2 * nuclear, 0)


def correlations(activation: Float[Array, "B M"], other: Float[Array, "B M2"]) -> Float[Array, "M M2"]:
    """Returns the correlation over examples of every unit of one run with every unit of another.

    A unit that never varies has 0.
    """
    return jnp.matmul(_standard(activation).T, _standard(other), precision="float32")


def head_features(run: Run, tokens: Int[Array, "B P"], layer: int = 0) -> Float[Array, "BqP H"]:
    """Returns where each head looks, as one column: its pattern at every query and key of every problem.

    Its mean over the problems is taken off, so that two heads are compared by what their patterns depend on.
    """
    pattern = run.cache(tokens)[f"blocks.{layer}.attn.pattern"]
    return jnp.moveaxis(pattern - pattern.mean(0), 1, -1).reshape(-1, run.config.num_heads)


def rotated(activation: Float[Array, "B M"], key: Array) -> Float[Array, "B M"]:
    """Returns the same activations in a random basis.

    What they hold together is kept; which unit holds what is lost.
    """
    width = activation.shape[1]
    basis, scale = jnp.linalg.qr(jax.random.normal(key, (width, width)))
    return jnp.matmul(activation, basis * jnp.sign(jnp.diagonal(scale)), precision="float32")


class Match(NamedTuple):
    """For every unit of the first run its partner in the second, and how alike the two are.

    A unit without a partner has −1 and NaN.
    """

    partner: Int[np.ndarray, " M"]
    likeness: Float[np.ndarray, " M"]


def match(likeness: Float[np.ndarray, "M M2"]) -> Match:
    """Returns the assignment, one to one, of the greatest total likeness.

    It is the Hungarian method, as Li et al. 2016 (arXiv:1511.07543).
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


def _leading(x, kept):
    """The first principal components as orthonormal columns, 0 for the others, and how many they are."""
    left, size, _ = factorizations.svd(_scaled(x))
    before = jnp.cumsum(size**2) - size**2
    leads = (before < kept * (size**2).sum()) & (size > 1e-5 * size[0])
    return left * leads, leads.sum()


def _dependence(x, y):
    """The Hilbert-Schmidt independence criterion of linear kernels."""
    return ((x.T @ y) ** 2).sum() / len(x) ** 2


def _unbiased_dependence(x, y):
    """The estimate of Song et al. (2012), from sums over features: no matrix [B, B] is formed."""
    n, own_x, own_y = len(x), (x**2).sum(1), (y**2).sum(1)
    # sums of the kernels' rows, their diagonals left out
    rows_x, rows_y = x @ x.sum(0) - own_x, y @ y.sum(0) - own_y
    together = ((x.T @ y) ** 2).sum() - own_x @ own_y
    across = rows_x.sum() * rows_y.sum() / ((n - 1) * (n - 2))
    return (together + across - 2 * (rows_x @ rows_y) / (n - 2)) / (n * (n - 3))


def _standard(x):
    x = x - x.mean(0)
    return x / jnp.maximum(jnp.sqrt((x**2).sum(0)), 1e-12)
