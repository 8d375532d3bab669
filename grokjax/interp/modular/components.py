"""The parts of a function of the answer: frequencies mod p, irreducible representations of a group.

A function of an answer (a residue or a group element) is a sum of isotypic parts, one for each real
irreducible representation. For a cyclic group of n elements these are the frequencies 1 … n // 2. Each part
has a projection, the [n, n] matrix (d/n) χ(g h^-1), d the dimension and χ the character of the representation
(Chughtai, Chan & Nanda 2023, arXiv:2302.03025).
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from grokjax.tasks import characters, permutations


class Components(NamedTuple):
    """The parts of functions of an answer, the constant left out; F of them.

    names: freq_1, freq_2, … (sign for the alternating wave of an even cyclic group), or those of the
      representations
    projections: [F, n, n], symmetric;  ranks: [F] the dimension of each part
    basis: [n - 1, n] orthonormal functions that span the parts;  owner: [n - 1] the part of each
    """

    names: tuple[str, ...]
    projections: Float[np.ndarray, "F n n"]
    ranks: Int[np.ndarray, " F"]
    basis: Float[np.ndarray, "B n"]
    owner: Int[np.ndarray, " B"]


def of_task(task: Any) -> Components:
    """Returns the components of a task: modular addition or subtraction, or composition in a group.

    Raises ValueError for tasks whose answers are not the products of a group.
    """
    if hasattr(task, "elements"):
        return of_group(task.group)
    operation = getattr(task, "operation", None)
    if operation not in ("add", "subtract"):
        raise ValueError(
            f"{type(task).__name__} with operation={operation!r} has no components: only a+b, a-b and "
            "composition in a group have"
        )
    return of_group(f"C{task.modulus}")


def of_logits(
    known: Components, logits: Float[Array, "N n"], labels: Int[Array, " N"]
) -> tuple[Float[Array, "F n n"], Float[Array, " F"], Float[Array, "F n n"]]:
    """Returns of each component, for every answer (first n): its part of the logits, how far that lies along
    its character χ(x y c^-1), and the part along that character alone.

    logits: of all n² pairs, N = n²;  labels: their answers
    """
    projections = jnp.asarray(known.projections, logits.dtype)
    n = projections.shape[-1]
    # what is a function of the answer alone: the mean over the n pairs that have it
    by_answer = jnp.zeros((n, n), logits.dtype).at[labels].add(logits)
    with jax.default_matmul_precision("float32"):
        parts = jnp.einsum("fgh,hc->fgc", projections, by_answer / n)
    # <P, L> / <P, P>, and <P, P> is the rank
    along = jnp.einsum("fgg->f", parts) / jnp.asarray(known.ranks, logits.dtype)
    return parts, along, along[:, None, None] * projections


def generator_powers(modulus: int) -> Int[np.ndarray, " p-1"]:
    """Returns the residues 1 … p − 1 as powers of the least primitive root: 1, g, g², … modulo a prime.

    In this order multiplication is addition of places, so that W_E[generator_powers(p)] has the spectrum of
    the multiplicative group. Raises ValueError where the modulus is no odd prime.
    """
    for root in range(2, modulus):
        powers = [1]
        while (power := powers[-1] * root % modulus) not in (0, 1) and len(powers) < modulus:
            powers.append(power)
        if len(powers) == modulus - 1:
            return np.array(powers)
    raise ValueError(f"modulus={modulus} must be an odd prime")


@functools.lru_cache(maxsize=8)
def of_group(name: str) -> Components:
    """Returns the components of a group, such as C113 or S5; those of a cyclic group by rising frequency."""
    if name[0] == "C":
        return _cyclic(int(name[1:]))
    group = permutations.group(name)
    parts = characters.real(group)
    quotient = group.table[:, group.inverses]  # [g, h]: g h^-1
    kept = [i for i, part in enumerate(parts.names) if part != "trivial"]
    projections = np.stack([parts.dimensions[i] / group.order * parts.values[i][quotient] for i in kept])
    ranks = np.array([int(parts.dimensions[i] ** 2 * parts.multiplicities[i]) for i in kept])
    return _spanned(tuple(parts.names[i] for i in kept), projections, ranks)


def _cyclic(n: int) -> Components:
    """Residues in their own order: no table of products is needed."""
    difference = np.arange(n)[:, None] - np.arange(n)
    k = np.arange(1, n // 2 + 1)
    ranks = np.where(2 * k == n, 1, 2)
    waves = np.cos(2 * np.pi * (k[:, None, None] * difference % n) / n)
    names = tuple("sign" if 2 * frequency == n else f"freq_{frequency}" for frequency in k)
    return _spanned(names, ranks[:, None, None] / n * waves, ranks)


def _spanned(
    names: tuple[str, ...], projections: Float[np.ndarray, "F n n"], ranks: Int[np.ndarray, " F"]
) -> Components:
    """The components with an orthonormal basis of each: the eigenvectors of its projection."""
    rows = [
        np.linalg.eigh(projection)[1][:, -rank:].T
        for projection, rank in zip(projections, ranks, strict=True)
    ]
    return Components(
        names, projections, ranks, np.concatenate(rows), np.repeat(np.arange(len(ranks)), ranks)
    )
