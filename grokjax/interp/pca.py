"""Principal components of embeddings or any matrix, how circular they are, and frames of a training run
turned so that none flips.

Rows are the values of a symbol (digits, residues) or whatever is to be compared; their mean is taken off.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float


class Components(NamedTuple):
    """The rows along each of the first K directions, those directions (unit norm), and the share of the
    variance along each.
    """

    scores: Float[Array, "V K"]
    directions: Float[Array, "K D"]
    explained: Float[Array, " K"]


def components(weight: Float[Array, "V D"], *, count: int = 2) -> Components:
    """The first `count` principal components. Signs: the largest score of each is positive. ValueError where
    there are not so many.
    """
    if not 1 <= count <= min(weight.shape):
        raise ValueError(
            f"count={count} must be from 1 to {min(weight.shape)}, the smaller side of the matrix"
        )
    with jax.default_matmul_precision("float32"):
        left, size, right = jnp.linalg.svd(weight - weight.mean(0), full_matrices=False)
    scores = left[:, :count] * size[:count]
    sign = jnp.sign(jnp.take_along_axis(scores, jnp.abs(scores).argmax(0)[None], 0)[0])
    sign, total = jnp.where(sign == 0, 1, sign), (size**2).sum()
    return Components(
        scores * sign, right[:count] * sign[:, None], size[:count] ** 2 / jnp.where(total > 0, total, 1)
    )


def circularity(weight: Float[Array, "V D"], *, count: int = 4) -> Float[Array, ""]:
    """How near the first components v are to waves over the n rows: the mean of max_k 2 |Σ_t v_t
    e^(2πikt/n)|² / (n ‖v‖²), at most 1.

    Zhong et al. 2023 (arXiv:2306.17844). Few rows look circular by chance: compare with
    `permutation.compared`.
    """
    scores = components(weight, count=count).scores
    angle = 2 * np.pi * np.outer(np.arange(1, len(weight) // 2 + 1), np.arange(len(weight))) / len(weight)
    with jax.default_matmul_precision("float32"):
        cosine, sine = (jnp.asarray(wave(angle), scores.dtype) @ scores for wave in (np.cos, np.sin))
    waves = 2 * (cosine**2 + sine**2)
    size = len(weight) * (scores**2).sum(0)
    return jnp.minimum(waves.max(0) / jnp.where(size > 0, size, 1), 1).mean()


def aligned(frames: Float[Array, "E V K"]) -> Float[Array, "E V K"]:
    """Each frame turned or mirrored to lie as near as it can to the next one (Procrustes); the last stays as
    it is.
    """

    def onto(following: Array, frame: Array) -> tuple[Array, Array]:
        left, _, right = jnp.linalg.svd(frame.T @ following)
        turned = frame @ left @ right
        return turned, turned

    with jax.default_matmul_precision("float32"):
        before = lax.scan(onto, frames[-1], frames[:-1], reverse=True)[1]
    return jnp.concatenate([before, frames[-1:]])


class Orbits(NamedTuple):
    """The rows of each saved epoch along its own components, aligned over epochs, and the share of the
    variance along each of these.
    """

    scores: Float[Array, "E V K"]
    explained: Float[Array, "E K"]


def orbits(weights: Float[Array, "E V D"], *, count: int = 2) -> Orbits:
    """The way of every row over training, [E, V, count]: the principal components of each epoch, `aligned`."""
    found = jax.vmap(lambda weight: components(weight, count=count))(weights)
    return Orbits(aligned(found.scores), found.explained)
