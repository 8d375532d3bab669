"""How the rows of the digits lie, in the embeddings and in what the heads write: line, circles, spectrum."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float

from grokjax.curves import statistics
from grokjax.interp import circuits, fourier, number_line, pca, permutation
from grokjax.run import Run

LEVEL = 0.05
"""The p-value below which structure exceeds chance."""
MATRICES = ("W_E", "OV")


class Shapes(NamedTuple):
    """How the rows of the digits lie, for each of MATRICES: R² of the line and of each circle, the spectrum,
    the circularity, each against permutations; and the variance along the first components."""

    structure: permutation.Permuted
    power: permutation.Permuted
    circularity: permutation.Permuted
    variance: Float[np.ndarray, "*M K"]

    def of(self, matrix: int) -> "Shapes":
        """Those of one matrix, leaves [E, S, ...]."""
        return jax.tree.map(lambda leaf: np.asarray(leaf)[:, :, matrix], self)


def both(run: Run) -> Float[Array, "M base base"]:
    """The embeddings, and what all heads of the first layer write for each digit, each in the coordinates of
    the span of its rows: lengths and angles are kept, and nothing here depends on more."""
    heads = jnp.moveaxis(circuits.ov_to_stream(run, of="symbol"), 1, 0)
    spans = [
        jnp.linalg.qr(rows.T, mode="r").T
        for rows in (circuits.basis(run, "symbol"), heads.reshape(len(heads), -1))
    ]
    return jnp.stack([jnp.pad(rows, ((0, 0), (0, len(rows) - rows.shape[1]))) for rows in spans])


def shape(draws: int, rows: Float[Array, "base base"]) -> dict[str, Any]:
    """The fields of `Shapes`, of one matrix."""
    kinds = lambda rows: dict(
        structure=number_line.structure(rows),
        power=fourier.power(rows, len(rows)),
        circularity=pca.circularity(rows)[None],
    )
    return {
        **permutation.compared(kinds, random.key(0), rows, draws=draws),
        "variance": pca.components(rows, count=4).explained,
    }


def shapes(draws: int, rows: Float[np.ndarray, "E S M base base"]) -> Shapes:
    """All of them, one after another on one device: on two, several calls of LAPACK at once can wait for each
    other for ever.
    """
    found = jax.jit(lambda rows: jax.lax.map(functools.partial(shape, draws), rows))(
        rows.reshape(-1, *rows.shape[3:])
    )
    return Shapes(
        **jax.tree.map(lambda leaf: np.asarray(leaf).reshape(*rows.shape[:3], *leaf.shape[1:]), found)
    )


def stands_out(tested: permutation.Permuted, epoch: int) -> int:
    """In how many runs it does at a saved epoch."""
    return int((tested.p_any[epoch] <= LEVEL).sum())


def onset(tested: permutation.Permuted, steps: np.ndarray) -> statistics.Times:
    """The first saved step of each run from which on it stands out; censored where it does not."""
    stays = np.logical_and.accumulate(np.asarray(tested.p_any <= LEVEL)[::-1])[::-1]
    ends = np.asarray(stays.any(0))
    return statistics.Times(np.where(ends, steps[stays.argmax(0)], steps[-1]).astype(float), ends)
