"""Principal components of embeddings or of any matrix, how circular they are, and their course over training.

Rows are what is to be compared, such as the values of a symbol: `circuits.basis(run, "symbol")` has the
embeddings of the digits or residues. Their mean is taken off.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from grokjax.interp import factorizations, fourier


class Components(NamedTuple):
    """The rows along each of K directions, these directions (unit norm), and the share of the variance."""

    scores: Float[Array, "V K"]
    directions: Float[Array, "K D"]
    explained: Float[Array, " K"]


def components(weight: Float[Array, "V D"], *, count: int = 2) -> Components:
    """Returns the first `count` principal components, signed so that the largest score of each is positive.

    Raises ValueError where there are not so many.
    """
    if not 1 <= count <= min(weight.shape):
        raise ValueError(
            f"count={count} must be from 1 to {min(weight.shape)}, the smaller side of the matrix"
        )
    left, size, right = factorizations.svd(weight - weight.mean(0))
    scores = left[:, :count] * size[:count]
    sign = jnp.sign(jnp.take_along_axis(scores, jnp.abs(scores).argmax(0)[None], 0)[0])
    sign, total = jnp.where(sign == 0, 1, sign), (size**2).sum()
    explained = size[:count] ** 2 / jnp.where(total > 0, total, 1)
    return Components(scores * sign, right[:count] * sign[:, None], explained)


def circularity(weight: Float[Array, "V D"], *, count: int = 4) -> Float[Array, ""]:
    """Returns how near the first components are to waves over the n rows: the mean of their largest `power`.

    For an odd n it is that of Zhong et al. 2023 (arXiv:2306.17844), the mean over components v of
    max_k 2 |Σ_t v_t e^(2πikt/n)|² / (n ‖v‖²). The alternating wave k = n/2 of an even n has one term and no
    factor 2. It is at most 1; a component without variance counts 0. Few rows look circular by chance:
    compare with `permutation.compared`.
    """
    found = components(weight, count=count)
    shares = jax.vmap(lambda scores: fourier.power(scores, len(weight)).max())(found.scores.T)
    return jnp.where(found.explained > 1e-10, shares, 0).mean()  # below are only roundings of float32


def aligned(frames: Float[Array, "E V K"]) -> Float[Array, "E V K"]:
    """Returns each frame turned or mirrored to lie as near as it can to the next; the last stays.

    It is the orthogonal Procrustes problem, frame by frame from the last one back.
    """

    def onto(following: Array, frame: Array) -> tuple[Array, Array]:
        left, _, right = factorizations.svd(frame.T @ following)
        turned = frame @ left @ right
        return turned, turned

    with jax.default_matmul_precision("float32"):
        before = lax.scan(onto, frames[-1], frames[:-1], reverse=True)[1]
    return jnp.concatenate([before, frames[-1:]])


class Orbits(NamedTuple):
    """The rows of each epoch along its own components, aligned over epochs, and the shares of variance."""

    scores: Float[Array, "E V K"]
    explained: Float[Array, "E K"]


def orbits(weights: Float[Array, "E V D"], *, count: int = 2) -> Orbits:
    """Returns the way of every row over training: the principal components of each epoch, `aligned`."""
    found = jax.vmap(lambda weight: components(weight, count=count))(weights)
    return Orbits(aligned(found.scores), found.explained)
