"""Finite tasks: their tables of examples, and the split of a table into training and test set."""

import random as python_random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Int, PRNGKeyArray

from grokjax.config import at_least
from grokjax.tasks.vocabulary import Batch


def split(
    num_examples: int, fraction: float, seed: int
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]:
    """Row indices of the training and the test set, as the released runs draw them: `random.seed(seed);
    random.shuffle(rows)` of Python, the first int(fraction * N) train. The test set is empty at fraction
    1."""
    at_least("num_examples", num_examples, 1)
    if not 0 < fraction <= 1:
        raise ValueError(f"train_fraction={fraction} must be above 0 and at most 1")
    size = int(fraction * num_examples)
    if not size:
        raise ValueError(
            f"train_fraction={fraction} of num_examples={num_examples} leaves none to train on; "
            "at least 1 is needed"
        )
    rows = list(range(num_examples))
    python_random.Random(int(seed)).shuffle(rows)
    return np.array(rows[:size], np.int32), np.array(rows[size:], np.int32)


def check(task: Any) -> None:
    """Refuse a batch size or a number of examples that a task with an optional table cannot have."""
    if task.num_examples is not None:
        at_least("num_examples", task.num_examples, 1)
        if task.num_examples > task.num_problems:
            raise ValueError(
                f"num_examples={task.num_examples} must be at most {task.num_problems}, "
                "the number of different problems"
            )
    elif task.batch_size is None:
        raise ValueError(
            "batch_size=None means the whole training set and needs num_examples; "
            "give a batch size of at least 1"
        )
    if task.batch_size is not None:
        at_least("batch_size", task.batch_size, 1)
    at_least("table_seed", task.table_seed, 0)


def size_of(task: Any, size: int | None) -> int:
    """The number of examples of a batch: `size`, else the task's batch size."""
    size = task.batch_size if size is None else size
    if size is None:
        raise ValueError(
            "size=None: batch_size is None, so the size of a batch must be given; it must be at least 1"
        )
    at_least("size", size, 1)
    return size


def finite(task: Any) -> Batch:
    """The table of a finite task: `num_examples` different examples from table_seed, in the order drawn, as
    numpy arrays.
    """
    if task.num_examples is None:
        raise ValueError(
            "num_examples=None: this task is infinite and has no table; draw examples with batch(key, size), "
            "or make the task with num_examples"
        )
    found: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
    key, size = random.key(task.table_seed), 2 * task.num_examples + 64
    with jax.ensure_compile_time_eval():
        while len(found) < task.num_examples:
            key, key_batch = random.split(key)
            batch = jax.tree.map(np.asarray, task.batch(key_batch, size))
            for tokens, labels in zip(*batch, strict=True):
                found.setdefault(tokens.tobytes() + labels.tobytes(), (tokens, labels))
    examples = list(found.values())[: task.num_examples]
    return Batch(*(np.stack(column) for column in zip(*examples, strict=True)))


def addition(task: Any) -> Batch:
    """The table of an addition task: every problem in row order (a, then b) where the table holds them all,
    else drawn ones.
    """
    if task.num_examples != task.base ** (2 * task.num_digits) or task.lengths is not None:
        return finite(task)
    rows, place = np.arange(task.num_examples)[:, None], task.base ** np.arange(task.num_digits)
    a, b = (rows // first // place % task.base for first in (task.base**task.num_digits, 1))
    with jax.ensure_compile_time_eval():
        return jax.tree.map(np.asarray, task.encode(a.astype(np.int32), b.astype(np.int32)))


def noisy_labels(
    key: PRNGKeyArray, labels: Int[Array, "N C"], share: float | Array, num_symbols: int
) -> Int[Array, "N C"]:
    """The labels of a training set with a share of them redrawn, uniform over the other symbols.

    Exactly round(share * N) examples are redrawn, so that share is the share of wrong examples. It may be
    traced; the draw is fixed by the key.
    """
    key_which, key_symbol = random.split(key)
    size = len(labels)
    place = jnp.argsort(jnp.argsort(random.uniform(key_which, (size,))))
    shift = 1 + random.randint(key_symbol, labels.shape, 0, num_symbols - 1)
    redrawn = (place < jnp.round(share * size))[:, None]
    return jnp.where(redrawn, (labels + shift) % num_symbols, labels)


def num_labels(task: Any) -> int:
    """The number of symbols that a label of the task can be: residues, elements, digits; else its outputs."""
    known = getattr(task, "num_symbols", 0) or getattr(task, "base", 0)
    return known or task.num_outputs * len(task.read) // len(task.columns)


def torch_split(
    num_examples: int, fraction: float, seed: int
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]:
    """Row indices as the released group models were split, by `torch.randperm` on a CPU from the seed.

    The first int(fraction * N) of the permutation train.
    """
    bits = np.random.MT19937()
    bits._legacy_seeding(seed)
    rows = np.arange(num_examples, dtype=np.int32)
    for i, number in enumerate(bits.random_raw(num_examples - 1)):
        j = i + int(number) % (num_examples - i)
        rows[[i, j]] = rows[[j, i]]
    size = int(fraction * num_examples)
    return rows[:size], rows[size:]
