"""Which runs have learned a digit, alone or in sequence mode, for `success_rates`."""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from experiments.frame.study import Study
from grokjax.checkpoints import map_epochs
from grokjax.curves import statistics
from grokjax.interp.addition import evaluation_sets

ORDERS = {"msb": "most significant first", "lsb": "least significant first"}
LEFT, LEARNED = 0.95 * math.log(10), 0.05
NAMES = {0: "units", 1: "tens", 2: "hundreds"}


class Cell(NamedTuple):
    """What the runs of one digit, width and number of heads did."""

    digit: int
    width: int
    heads: int
    left: statistics.Times
    learned: statistics.Times
    all_right: Any


def of_order(this: Study, order: str) -> tuple[np.ndarray, statistics.Times]:
    """The share of all problems that each run in sequence mode answers right at the end [S], and when 99% of
    its evaluation set are.
    """
    sweep = this.sweep(
        f"sequence_{order}",
        order=order,
        digits=2,
        weight_decay=0,
        batch=this["batch"],
        d_model=max(this["widths"]),
        heads=max(this["heads"]),
        steps=this["sequence_steps"],
        seeds=this["sequence_seeds"],
    )
    wrong, steps = 1 - sweep.metrics["test_exact_match"], sweep.metrics["test_step"]
    return all_right(sweep), statistics.until_below(wrong, 0.01, steps=steps, smoothing=1)


def of_cell(this: Study, digit: int, width: int, heads: int) -> Cell:
    """Train and measure one cell."""
    sweep = this.sweep(
        f"digit_{digit}_width_{width}_heads_{heads}",
        mode="single",
        digits=2,
        digit=digit,
        d_model=width,
        heads=heads,
        batch=this["batch"],
        weight_decay=0,
    )
    loss = sweep.metrics["loss"][:, :, 0]
    right = all_right(sweep) if (width, heads) == (max(this["widths"]), max(this["heads"])) else None
    return Cell(
        digit, width, heads, statistics.until_below(loss, LEFT), statistics.until_below(loss, LEARNED), right
    )


def all_right(sweep: Any) -> np.ndarray:
    """The share of all problems that each run answers right in every digit at the end, teacher-forced."""
    every = evaluation_sets.every(sweep.task)
    batch = sweep.task.encode(every.a, every.b)

    right = lambda run: run.scores(batch).correct.all(-1).mean(dtype=jnp.float32)
    return map_epochs(sweep, right, sweep.epochs[-1:])[0]
