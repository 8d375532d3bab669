"""Evaluation sets: fixed addition problems to measure on, with the share that each stands for.

They are all problems (`every`), uniform ones (`drawn`), every digit pair equally often (`balanced`), or equal
samples with and without a carry (`strata`), weighted by the exact shares of the two.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

from grokjax.tasks import Addition
from grokjax.theory.columns import carry_probability

MOST = 4_000_000
"""`every` enumerates no more problems than this."""


class Problems(NamedTuple):
    """Problems: what a model reads, their operands, and the share that each stands for.

    tokens: [B, P];  a, b: the operands' digits, the units at index 0
    weights: they sum to 1
    """

    tokens: Int[Array, "B P"] | Int[np.ndarray, "B P"]
    a: Int[Array, "B n"] | Int[np.ndarray, "B n"]
    b: Int[Array, "B n"] | Int[np.ndarray, "B n"]
    weights: Float[Array, " B"] | Float[np.ndarray, " B"]


def every(task: Addition) -> Problems:
    """Returns all base^(2 n) problems, of equal weight: means over them are exact.

    Raises ValueError where there are more than MOST.
    """
    base, n = task.base, task.num_digits
    if (count := base ** (2 * n)) > MOST:
        raise ValueError(
            f"base={base}, num_digits={n} make {count} problems, more than {MOST}; draw `strata` instead"
        )
    digits = np.arange(count)[:, None] // base ** np.arange(2 * n) % base
    return _laid_out(task, digits[:, :n], digits[:, n:], np.full(count, 1 / count))


def drawn(task: Addition, size: int, *, seed: int = 0) -> Problems:
    """Returns `size` problems of uniform digits, of equal weight."""
    a, b = np.random.default_rng(seed).integers(task.base, size=(2, size, task.num_digits))
    return _laid_out(task, a, b, np.full(size, 1 / size))


def balanced(task: Addition, each: int, *, seed: int = 0) -> Problems:
    """Returns `each` · base² problems in which every digit pair occurs `each` times in every column.

    The columns are independent of each other.
    """
    random, pairs = np.random.default_rng(seed), np.repeat(np.arange(task.base**2), each)
    a, b = np.divmod(np.stack([random.permutation(pairs) for _ in range(task.num_digits)], 1), task.base)
    return _laid_out(task, a, b, np.full(len(pairs), 1 / len(pairs)))


def strata(task: Addition, digit: int, size: int, *, seed: int = 0) -> Problems:
    """Returns `size` problems without and `size` with a carry into the column `digit` (0 = units).

    They are weighted by the exact shares of the two sets. Raises ValueError for the units.
    """
    if not 1 <= digit <= task.num_digits:
        raise ValueError(f"digit={digit} must be from 1 to {task.num_digits}: no carry goes into the units")
    random, share, found = np.random.default_rng(seed), float(carry_probability(task.base, digit)), []
    for carry in (0, 1):
        rows = np.zeros((2, 0, task.num_digits), int)
        while rows.shape[1] < size:
            new = random.integers(task.base, size=(2, 2 * size, task.num_digits))
            below = new.sum(0)[:, :digit] @ task.base ** np.arange(digit, dtype=object)
            rows = np.concatenate([rows, new[:, (below >= task.base**digit).astype(int) == carry]], 1)
        found.append(rows[:, :size])
    weights = np.repeat([(1 - share) / size, share / size], size)
    a, b = np.concatenate(found, 1)
    return _laid_out(task, a, b, weights)


def _laid_out(task, a, b, weights):
    if not task.carry:
        raise ValueError("carry=False: digitwise addition has no carries to measure")
    a, b = a.astype(np.int32), b.astype(np.int32)
    return Problems(np.asarray(task.encode(a, b).tokens), a, b, weights.astype(np.float32))
