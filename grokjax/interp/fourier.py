"""Fourier analysis over the values 0 … n−1 of a symbol, n a base or a modulus: spectra of weights, and of
tables over pairs of symbols.

The basis is that of Nanda et al. 2023 (arXiv:2301.05217): rows of unit norm, the constant, cos 1, sin 1, cos
2, … A spectrum has an entry for each frequency 1 … n // 2 (F of them) and leaves out the constant. Where
there is nothing to share out, shares are 0.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from grokjax.interp import permutation


def basis(modulus: int) -> Float[np.ndarray, "n n"]:
    """The rows: constant, cos k, sin k for k = 1 … n // 2; of an even n the last sine is zero and is left
    out.
    """
    angle = 2 * np.pi * np.arange(modulus) / modulus
    rows = [np.ones(modulus)] + [
        wave(k * angle) for k in range(1, modulus // 2 + 1) for wave in (np.cos, np.sin)
    ]
    rows = rows[:modulus]
    return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


def frequencies(modulus: int) -> Int[np.ndarray, " n"]:
    """The frequency of each row of the basis: 0, 1, 1, 2, 2, …"""
    return (np.arange(modulus) + 1) // 2


def coefficients(weight: Float[Array, "*X"], *, axis: int = 0) -> Float[Array, "*X"]:
    """The weight with its axis of n values turned into the n coefficients along the rows of the basis."""
    with jax.default_matmul_precision("float32"):
        return jnp.moveaxis(jnp.tensordot(basis(weight.shape[axis]), weight, (1, axis)), 0, axis)


def row_norms(weight: Float[Array, "*X"], *, axis: int = 0) -> Float[Array, " n"]:
    """The norm of the coefficients along each row of the basis, over all other axes: the papers' "Fourier
    norms" of W_E.
    """
    return jnp.sqrt(_energy(weight, axis))


def norms(weight: Float[Array, "*X"], *, axis: int = 0) -> Float[Array, " F"]:
    """The norm of the coefficients of each frequency, cosine and sine together."""
    return jnp.sqrt(_by_frequency(_energy(weight, axis)))


def power(weight: Float[Array, "*X"], *, axis: int = 0) -> Float[Array, " F"]:
    """The share of each frequency in the squared norm of the weight, its mean over the axis taken off; the
    shares sum to 1.
    """
    energy = _by_frequency(_energy(weight, axis))
    return _share(energy, energy.sum())


def stands_out(
    key: Key[Array, ""], weight: Float[Array, "*X"], *, axis: int = 0, draws: int = 999
) -> permutation.Permuted:
    """`power` against its values when the n symbols are permuted: whether any frequency stands out (`p_any`),
    and which.

    Orders of the symbols that turn one wave into another, 2 n for each of the steps that are coprime to n,
    count as larger or equal: with few symbols no p-value is below their share of the n! orders.
    """
    return permutation.compared(power, key, jnp.moveaxis(weight, axis, 0), draws=draws)


def coefficients_2d(table: Float[Array, "n n *X"]) -> Float[Array, "n n *X"]:
    """The coefficients of a table over pairs of symbols along the products of two rows of the basis."""
    return coefficients(coefficients(table, axis=0), axis=1)


def explained(table: Float[Array, "n n *X"]) -> Float[Array, "F *X"]:
    """The share of a table's variance in the eight terms of each frequency: cos kx, sin kx, cos ky, sin ky
    and their four products.

    The 3×3 block {const, cos k, sin k}² of the 2D spectrum without its constant; of a table that no frequency
    explains alone the shares do not sum to 1. The largest is the "fraction of variance explained" of a neuron
    (arXiv:2301.05217).
    """
    energy = coefficients_2d(table) ** 2
    own = jnp.asarray(_members(len(table)) | (np.arange(len(table)) == 0), energy.dtype)
    block = jnp.einsum("fi,fj,ij...->f...", own, own, energy) - energy[0, 0]
    return _share(block, energy.sum((0, 1)) - energy[0, 0])


def along_sum(table: Float[Array, "n n *X"]) -> Float[Array, "F *X"]:
    """The share of a table's variance along cos k(a+b) and sin k(a+b); summed over k: what is a function of
    (a + b) mod n.
    """
    symbols = np.arange(len(table))
    by_sum = table[symbols[:, None], (symbols - symbols[:, None]) % len(table)].sum(0) / np.sqrt(len(table))
    return _share(_by_frequency(coefficients(by_sum) ** 2), ((table - table.mean((0, 1))) ** 2).sum((0, 1)))


def gini(values: Float[Array, " N"]) -> Float[Array, ""]:
    """How unequal values of at least 0 are: Σ (2i − N − 1) x_i / (N Σ x), ascending: 0 all alike, 1 − 1/N one
    alone (arXiv:0811.4706).
    """
    x = jnp.sort(values)
    return _share((2 * jnp.arange(1, len(x) + 1) - len(x) - 1) @ x, len(x) * x.sum())


def _energy(weight, axis):
    others = tuple(other for other in range(weight.ndim) if other != axis % weight.ndim)
    return (coefficients(weight, axis=axis) ** 2).sum(others)


@functools.lru_cache(maxsize=16)
def _members(modulus):
    """[F, n]: which rows of the basis have each frequency."""
    return frequencies(modulus) == np.arange(1, modulus // 2 + 1)[:, None]


def _by_frequency(by_row):
    return jnp.tensordot(jnp.asarray(_members(len(by_row)), by_row.dtype), by_row, 1)


def _share(part, whole):
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), 0.0)
