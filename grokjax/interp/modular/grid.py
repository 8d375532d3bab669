"""What a run computes on the whole table of pairs, which the measures of modular arithmetic are made of."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from grokjax import tasks
from grokjax.run import Run

TOGETHER = 1024
"""Pairs that go through the model at once."""


class Grid(NamedTuple):
    """A run on all n² pairs, in row order.

    logits: [n, n, C] of the n symbols alone, without `=`, where the answer is read
    neurons: [n, n, M] activations of the last layer's MLP there; M = 0 without an MLP
    """

    logits: Float[Array, "n n C"]
    neurons: Float[Array, "n n M"]


def of(run: Run) -> Grid:
    """Returns what a run computes on every pair. Raises ValueError where the task lacks some pairs."""
    name = f"blocks.{run.config.num_layers - 1}.mlp.post"
    at = run.task.read[-1]

    def one(row: Int[Array, " P"]) -> tuple[Array, Array]:
        logits, cache = run.run_with_cache(row[None], names=[name] if run.config.mlp else [])
        return logits[0, at], cache[name][0, at] if run.config.mlp else jnp.zeros(0)

    return Grid(*_on_every_pair(run, one))


def logits(run: Run) -> Float[Array, "n n C"]:
    """Returns the logits of the n symbols on every pair, which any model with `logits` has."""
    return _on_every_pair(run, lambda row: (run.logits(row[None])[0, 0],))[0]


def _on_every_pair(run, function):
    """The outputs of a function of a pair's tokens, [n, n, ...]; the first are logits, cut to symbols."""
    n, tokens = run.task.num_symbols, jnp.asarray(every(run.task).tokens)
    found, *others = jax.lax.map(function, tokens, batch_size=min(TOGETHER, len(tokens)))
    return [x.reshape(n, n, -1) for x in (found[:, :n], *others)]


def every(task: Any) -> tasks.Batch:
    """Returns the whole table of a task on pairs. Raises ValueError where it has not all n² pairs."""
    if not hasattr(task, "num_symbols"):
        raise ValueError(f"{type(task).__name__} is no task on pairs: modular arithmetic and groups are")
    table = task.table()
    if len(table.tokens) != task.num_symbols**2:
        raise ValueError(
            f"the table has {len(table.tokens)} of the {task.num_symbols**2} pairs; all are needed"
        )
    return table


def training_rows(runs: Run) -> Bool[np.ndarray, "S N"]:
    """Returns which rows of the table each run was trained on; of one run [N].

    They follow from its split seed (the run's seed where that is -1) and its train fraction, on the host: for
    what was trained here, and for released runs of the same rule.
    """
    table = runs.task.table()
    hyper = jax.tree.map(np.atleast_1d, runs.hyper)
    seeds = np.where(hyper.split_seed < 0, hyper.seed, hyper.split_seed).astype(int)
    masks = np.zeros((len(seeds), len(table.tokens)), bool)
    fractions = np.asarray(hyper.train_fraction, np.float32)
    for run, seed in enumerate(seeds.tolist()):
        masks[run, tasks.split(len(table.tokens), float(str(fractions[run])), seed)[0]] = True
    return masks if runs.is_stack else masks[0]
