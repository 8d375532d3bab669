"""The examples of a run: fresh batches of an infinite task, or its own split of a finite table."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Int, PyTree

from grokjax import keys, tasks
from grokjax.config import Hyper, Recipe
from grokjax.objective import Task

DRAWN_AT_ONCE = 2**16
"""Tokens and labels of a run that are kept for later steps."""


class Split(NamedTuple):
    """Rows of the table that a run trains and is tested on; empty where the task is infinite."""

    train: np.ndarray | Array
    test: np.ndarray | Array


def splits(task: Task, hypers: Hyper) -> list[Split]:
    """The split of every run, made on the host from `split_seed` (the run's seed where that is -1) and
    `train_fraction`.
    """
    num_runs = np.shape(hypers.seed)[0]
    if not task.finite:
        return [Split(np.zeros(0, np.int32), np.zeros(0, np.int32))] * num_runs
    size = len(task.table().tokens)
    own, seeds = np.asarray(hypers.seed), np.asarray(hypers.split_seed)
    seeds = np.where(seeds < 0, own, seeds).astype(int)
    pairs = list(zip(as_decimal(hypers.train_fraction), seeds.tolist(), strict=True))
    made = {
        pair: Split(*(np.asarray(rows, np.int32) for rows in tasks.split(size, *pair))) for pair in set(pairs)
    }
    return [made[pair] for pair in pairs]


def as_decimal(x: Any) -> list[float]:
    """Float32 numbers as the decimals that were meant: 0.3, not 0.30000001192, which would round to other
    counts.
    """
    return [float(str(value)) for value in np.asarray(x, np.float32)]


def table_of(task: Task) -> PyTree:
    """The whole table on the device, or None."""
    return jax.tree.map(jnp.asarray, task.table()) if task.finite else None


def rows_of(table: PyTree, rows: Array | np.ndarray) -> PyTree:
    """The given rows of a table."""
    return jax.tree.map(lambda x: x[rows], table)


def as_trained(task: Task, hyper: Hyper, train: PyTree) -> PyTree:
    """The training rows of one run with the labels that it is trained on: a share `label_noise` of them wrong.

    Each wrong label is uniform over the other symbols. Which rows and which labels follows from the seed of
    the split, so that runs of one split and one share have one training set.
    """
    seed = jnp.where(jnp.asarray(hyper.split_seed) < 0, hyper.seed, hyper.split_seed)
    key, symbols = keys.stream(seed, "labels"), tasks.num_labels(task)
    return train._replace(labels=tasks.noisy_labels(key, train.labels, hyper.label_noise, symbols))


def training_batch(task: Task, hyper: Hyper, train: PyTree, step: Array | int) -> PyTree:
    """What a run sees at a step: a fresh batch; or of its training set everything, or `batch_size` examples
    drawn with replacement.
    """
    seed = jnp.where(jnp.asarray(hyper.data_seed) < 0, hyper.seed, hyper.data_seed)
    key = keys.at_step(seed, "batch", step)
    if not task.finite:
        return task.batch(key)
    if task.batch_size is None:
        return train
    return rows_of(train, random.randint(key, (task.batch_size,), 0, len(train.tokens)))


def draws(task: Task) -> bool:
    """Whether a step's examples are drawn; else they are the whole training set."""
    return not task.finite or task.batch_size is not None


def batches(task: Task, hypers: Hyper, train: PyTree, steps: Int[Array, "T S"]) -> PyTree:
    """The training batches of every run at its own steps, leaves [T, S, ...]."""
    of_run = lambda hyper, rows, step: training_batch(task, hyper, rows, step)
    return jax.vmap(jax.vmap(of_run), (None, None, 0))(hypers, train, steps)


def steps_at_once(task: Task, hypers: Hyper, train: PyTree, most: int) -> int:
    """For how many steps, at most so many, `batches` are drawn together: of small ones 16, which takes little
    longer than one.

    All of them where nothing is drawn.
    """
    if not draws(task):
        return most
    one = jax.eval_shape(lambda: batches(task, hypers, train, jnp.zeros((1, len(hypers.seed)), int)))
    numbers = sum(x.size for x in jax.tree.leaves(one)) // len(hypers.seed)
    return min(most, int(np.clip(DRAWN_AT_ONCE // numbers, 1, 16)))


def evaluation_batch(task: Task, recipe: Recipe, hyper: Hyper, test: PyTree) -> PyTree:
    """The evaluation set of a run: its test rows, or `evaluation_size` examples that its seed fixes."""
    return test if task.finite else task.batch(keys.stream(hyper.seed, "evaluation"), recipe.evaluation_size)
