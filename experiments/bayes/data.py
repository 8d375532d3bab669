"""The examples that a run's loss is taken over, and the flags that LLC experiments share."""

import argparse
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from grokjax import checkpoints
from grokjax.interp import langevin, llc
from grokjax.run import Run
from grokjax.training import data as training_data

SAMPLERS = {"sgld": langevin.sgld, "rmsprop": langevin.rmsprop, "mala": langevin.mala}


def parser(doc: str) -> argparse.ArgumentParser:
    """The flags of a sweep's directory, its data, and the chains."""
    found = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = found.add_argument
    add("directory", help="of a sweep")
    add("--data", default="train", choices=("train", "table"), help="training set, or the whole table")
    add("--examples", type=int, default=1024, help="examples drawn where the task is infinite")
    add("--sampler", default="sgld", choices=tuple(SAMPLERS))
    add("--chains", type=int, default=4)
    add("--draws", type=int, default=200, help="of a chain")
    add("--burn_in", type=int, default=200, help="steps before the first draw")
    add("--draw_every", type=int, default=1, help="steps from one draw to the next")
    add("--batch_size", type=int, default=None, help="examples of a step's gradient; all if not given")
    add(
        "--weight_decay",
        default="none",
        help="none, a number c (adds c/2 |w|² to the loss), or balancing (the c that balances it at w*)",
    )
    add("--seed", type=int, default=0, help="of the chains")
    add("--name", default=None, help="of the result in DIRECTORY/bayes")
    return found


def of_runs(sweep: checkpoints.Sweep, which: str, num_examples: int) -> tuple[Any, np.ndarray]:
    """(a batch, the rows of it that belong to each run [S, n]).

    ValueError where the training sets of the runs differ in size.
    """
    task = sweep.task
    if not task.finite:
        batch = task.batch(random.key(0), num_examples)
        return batch, np.tile(np.arange(num_examples), (sweep.num_runs, 1))
    table = jax.tree.map(jnp.asarray, task.table())
    if which == "table":
        return table, np.tile(np.arange(len(table.tokens)), (sweep.num_runs, 1))
    if np.any(np.asarray(sweep.hypers.label_noise) > 0):
        raise ValueError("the runs have label_noise, each its own training labels: use --data=table")
    rows = [np.asarray(split.train) for split in training_data.splits(task, sweep.hypers)]
    if len({len(part) for part in rows}) > 1:
        raise ValueError("the runs have training sets of different sizes: use --data=table")
    return table, np.stack(rows)


def decay(flag: str, run: Run, batch: Any) -> Any:
    """What --weight_decay stands for: a coefficient, or None."""
    if flag == "balancing":
        return llc.balancing_decay(run, batch)
    return None if flag == "none" else float(flag)
