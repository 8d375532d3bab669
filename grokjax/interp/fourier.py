"""Fourier analysis over the values 0 … n−1 of a symbol, n a base or a modulus: of weights, and of tables over
pairs of symbols.

The basis is that of Nanda et al. 2023 (arXiv:2301.05217): rows of unit norm, the constant, cos 1, sin 1, cos
2, … A spectrum has an entry for each of the F frequencies 1 … n // 2 and leaves out the constant. The last
frequency of an even n has one row, not two. Where there is nothing to share out, shares are 0.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from grokjax.interp import circuits, permutation
from grokjax.run import Run


def basis(modulus: int) -> Float[np.ndarray, "n n"]:
    """Returns the rows: constant, then cos k and sin k for k = 1 … n // 2, without the sine that is 0."""
    angle = 2 * np.pi * np.arange(modulus) / modulus
    rows = [np.ones(modulus)] + [
        wave(k * angle) for k in range(1, modulus // 2 + 1) for wave in (np.cos, np.sin)
    ]
    rows = rows[:modulus]
    return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


def frequencies(modulus: int) -> Int[np.ndarray, " n"]:
    """Returns the frequency of each row of the basis: 0, 1, 1, 2, 2, …"""
    return (np.arange(modulus) + 1) // 2


def coefficients(weight: Float[Array, "*X"], modulus: int, *, axis: int = 0) -> Float[Array, "*X"]:
    """Returns the weight with its axis of n values turned into n coefficients along the rows of the basis.

    Raises ValueError where the axis does not have `modulus` entries.
    """
    if weight.shape[axis] != modulus:
        raise ValueError(
            f"axis {axis} has {weight.shape[axis]} entries, but modulus={modulus}: give exactly the rows of "
            'the values 0 … n − 1, without `=`, as circuits.basis(run, "symbol") does'
        )
    rows = jnp.tensordot(basis(modulus), weight, (1, axis), precision="float32")
    return jnp.moveaxis(rows, 0, axis)


def row_norms(weight: Float[Array, "*X"], modulus: int, *, axis: int = 0) -> Float[Array, " n"]:
    """Returns the norm of the coefficients along each row of the basis, over all other axes.

    These are the "Fourier norms" of W_E in arXiv:2301.05217.
    """
    return jnp.sqrt(_energy(weight, modulus, axis))


def norms(weight: Float[Array, "*X"], modulus: int, *, axis: int = 0) -> Float[Array, " F"]:
    """Returns the norm of the coefficients of each frequency, cosine and sine together."""
    return jnp.sqrt(_by_frequency(_energy(weight, modulus, axis)))


def power(weight: Float[Array, "*X"], modulus: int, *, axis: int = 0) -> Float[Array, " F"]:
    """Returns the share of each frequency in the weight's squared norm, its mean over the axis taken off.

    The shares sum to 1.
    """
    energy = _by_frequency(_energy(weight, modulus, axis))
    return _share(energy, energy.sum())


def of_embedding(run: Run) -> Float[Array, " F"]:
    """Returns `power` of W_E over the task's digits or residues, in the order of their values.

    Other tokens, such as `=`, are left out. Raises ValueError for a task whose tokens are not numbers.
    """
    rows = circuits.basis(run, "symbol")
    return power(rows, len(rows))


def stands_out(
    key: Key[Array, ""], weight: Float[Array, "*X"], modulus: int, *, axis: int = 0, draws: int = 999
) -> permutation.Permuted:
    """Returns `power` against its values when the n symbols are permuted: does any frequency stand out?

    Orders of the symbols that turn one wave into another, 2 n for each of the steps that are coprime to n,
    count as larger or equal: with few symbols no p-value is below their share of the n! orders. `p_any` is by
    max T, since shares of one sum spread alike, and since the p-values of so few orders are coarse.
    """
    rows = jnp.moveaxis(weight, axis, 0)
    spectrum = functools.partial(power, modulus=modulus)
    return permutation.compared(spectrum, key, rows, draws=draws, together=permutation.max_t)


def coefficients_2d(table: Float[Array, "n n *X"]) -> Float[Array, "n n *X"]:
    """Returns the coefficients of a table over pairs of symbols along the products of two rows of the basis.

    Raises ValueError where the table is not square.
    """
    return coefficients(coefficients(table, len(table)), len(table), axis=1)


def explained(table: Float[Array, "n n *X"]) -> Float[Array, " F *X"]:
    """Returns the share of a table's variance in the terms of each frequency.

    The eight terms are cos kx, sin kx, cos ky, sin ky and their four products: the 3×3 block {const, cos k,
    sin k}² of the 2D spectrum without its constant. The shares need not sum to 1. The largest is the
    "fraction of variance explained" of a neuron (arXiv:2301.05217).
    """
    energy = coefficients_2d(table) ** 2
    own = jnp.asarray(_members(len(table)) | (np.arange(len(table)) == 0), energy.dtype)
    block = jnp.einsum("fi,fj,ij...->f...", own, own, energy) - energy[0, 0]
    return _share(block, energy.sum((0, 1)) - energy[0, 0])


def along_sum(table: Float[Array, "n n *X"]) -> Float[Array, " F *X"]:
    """Returns the share of a table's variance along cos k(a+b) and sin k(a+b), for each k.

    Their sum is the share of what is a function of (a + b) mod n.
    """
    symbols = np.arange(len(table))
    by_sum = table[symbols[:, None], (symbols - symbols[:, None]) % len(table)].sum(0) / np.sqrt(len(table))
    energy = _by_frequency(coefficients(by_sum, len(table)) ** 2)
    return _share(energy, ((table - table.mean((0, 1))) ** 2).sum((0, 1)))


def gini(values: Float[Array, " N"]) -> Float[Array, ""]:
    """Returns how unequal values of at least 0 are: 0 where all are alike, 1 − 1/N where one is alone.

    Σ (2i − N − 1) x_i / (N Σ x) over rising x_i (arXiv:0811.4706).
    """
    x = jnp.sort(values)
    return _share((2 * jnp.arange(1, len(x) + 1) - len(x) - 1) @ x, len(x) * x.sum())


def _energy(weight, modulus, axis):
    others = tuple(other for other in range(weight.ndim) if other != axis % weight.ndim)
    return (coefficients(weight, modulus, axis=axis) ** 2).sum(others)


@functools.lru_cache(maxsize=16)
def _members(modulus):
    """[F, n]: which rows of the basis have each frequency."""
    return frequencies(modulus) == np.arange(1, modulus // 2 + 1)[:, None]


def _by_frequency(by_row):
    return jnp.tensordot(jnp.asarray(_members(len(by_row)), by_row.dtype), by_row, 1)


def _share(part, whole):
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), 0.0)
