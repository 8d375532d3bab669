"""What runs at the level of the tens show, setting by setting, for `tens_excess`."""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.frame import snapshots
from experiments.frame.measured import Measured, mean, share
from grokjax import trees
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.interp.addition import evaluation_sets, loss_decomposition, predictions
from grokjax.mapping import map_runs
from grokjax.run import Run
from grokjax.theory import columns, sums

LOW, HIGH = 0.62, 0.85
"""A run is at the tens' level between these nats: .688, .747 and .799 are inside, ln 10 and .491 are not."""
EXACT = sums.binary_entropy(columns.carry_probability(10, 1))
LEFT = 0.95 * math.log(10)
PARTS = ("excess", "leak", "miscalibration", "jensen_gap")


class Cell(NamedTuple):
    """The runs of one setting, and of each that is seen at the level what is measured there (means over its
    snapshots), and of the mean of the weights there.
    """

    width: int
    rate: float
    batch: int
    runs: int
    along: dict[str, np.ndarray]
    averaged: dict[str, np.ndarray]

    @property
    def name(self) -> str:
        """The setting in words."""
        return f"width {self.width}, rate {self.rate:g}, batch {self.batch}"


def cell(sweep: Sweep, width: int, rate: float, batch: int, runs: np.ndarray) -> Cell:
    """What the given runs of a sweep show."""
    loss, epochs = snapshots.losses(sweep, 0), list(sweep.epochs)
    exits = statistics.until_below(sweep.metrics["loss"][:, :, 0], LEFT)
    steps = np.array([sweep.steps(epoch) for epoch in epochs])
    there = (loss >= LOW) & (loss <= HIGH) & (steps[:, None] >= exits.time) & exits.ended
    of_run = {
        int(run): [sweep.run(int(run), epochs[i]) for i in np.flatnonzero(there[:, run])]
        for run in runs
        if there[:, run].any()
    }
    means = [averaged(kept) for kept in of_run.values()]
    function = functools.partial(looked_at, evaluation_sets.every(sweep.task))
    every = mapped(function, [one for kept in of_run.values() for one in kept] + means)
    ends = np.cumsum([len(kept) for kept in of_run.values()])
    along = {
        name: np.array([part.mean() for part in np.split(values, ends)[:-1]])
        for name, values in every.items()
    }
    return Cell(
        width,
        rate,
        batch,
        len(runs),
        along,
        {name: values[len(values) - len(means) :] for name, values in every.items()},
    )


NAMES = (
    *PARTS,
    "loss",
    "loss_without_carry",
    "loss_with_carry",
    "p0_without",
    "p1_without",
    "p0_with",
    "p1_with",
    "sd_without",
    "sd_with",
)


def looked_at(fixed: evaluation_sets.Problems, run: Run) -> dict[str, Float[Array, ""]]:
    """The excess and its parts on all problems; per stratum the mean chances of naive and naive + 1, and the
    spread of the loss.
    """
    task = run.task
    log_probs = predictions.log_probabilities(run, fixed.tokens, task.digit)
    parts, (zero, one) = (
        loss_decomposition.split(log_probs, fixed, task.digit),
        loss_decomposition.candidates(log_probs, fixed, task.digit),
    )
    carry = jnp.asarray(fixed.a[:, 0] + fixed.b[:, 0] >= task.base, jnp.float32)
    found = {name: getattr(parts, name) for name in NAMES[:7]}
    for name, weights, loss in (("without", 1 - carry, -zero), ("with", carry, -one)):
        mean = lambda x, weights=weights: weights @ x / weights.sum()
        found |= {
            f"p0_{name}": mean(jnp.exp(zero)),
            f"p1_{name}": mean(jnp.exp(one)),
            f"sd_{name}": jnp.sqrt(mean(loss**2) - mean(loss) ** 2),
        }
    return found


def averaged(kept: list[Run]) -> Run:
    """Returns a run whose weights are the means of the snapshots of one run."""
    return kept[0].replace(params=jax.tree.map(lambda *x: np.mean(x, 0), *[run.params for run in kept]))


def mapped(function: Any, kept: list[Run]) -> dict[str, np.ndarray]:
    """Returns the function of each of the runs."""
    if not kept:
        return {name: np.zeros(0) for name in NAMES}
    return map_runs(function)(trees.stack(kept))


def row(one: Cell) -> dict[str, Any]:
    """The numbers of a setting."""
    return dict(
        runs=one.runs,
        seen=len(one.along["excess"]),
        **{name: statistics.mean(one.along[name].tolist()) for name in NAMES},
        averaged_excess=statistics.mean(one.averaged["excess"].tolist()),
    )


STRATA = (math.log(20 / 11), math.log(20 / 9))
"""The losses that chances of .55 and .45 have on the +0 and on the +1 set."""


def by_cell(cells: list[Cell], of: Any, what: str) -> dict[str, Measured]:
    """A row for every setting."""
    return {
        f"w{one.width}_r{one.rate * 1e6:.0f}_b{one.batch}": mean(f"{what}, {one.name}", of(one), "nats")
        for one in cells
    }


def mean_of(values: Float[np.ndarray, " S"]) -> float:
    """The mean; NaN of none."""
    return float(np.mean(values)) if len(values) else math.nan


def seen_at(top: Cell) -> Measured:
    """How many runs are seen at the level."""
    return share(f"runs seen at the level, {top.name}", len(top.along["excess"]), top.runs)


def decided(top: Cell, verdict: str) -> str:
    """The verdict where two runs or more are seen at the level."""
    if len(top.along["excess"]) > 1:
        return verdict
    return "open: no run is seen at the level here; denser snapshots would show it"
