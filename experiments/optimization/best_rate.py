"""The best of several rates for an arm, chosen on one half of the seeds and scored on the other."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.curves.statistics import Times

RATES = (3e-4, 1e-3, 3e-3)
THERE = 0.99
"""The share of right answers from which on a run is there."""


def chosen(cost: Float[np.ndarray, "R S"]) -> Int[np.ndarray, " S"]:
    """For every seed the setting of the least mean cost among the seeds of the other half (odd for even)."""
    even = np.arange(cost.shape[1]) % 2 == 0
    best = [int(cost[:, half].mean(1).argmin()) if half.any() else 0 for half in (~even, even)]
    return np.where(even, *best)


class Arm(NamedTuple):
    """One arm over its seeds, each at the rate that the other half chose.

    pick: indices into RATES;  right: when the run is THERE;  end: the share of right answers at the end
    loss: [S, T, C]
    """

    pick: Int[np.ndarray, " S"]
    right: Times
    end: Float[np.ndarray, " S"]
    loss: Float[np.ndarray, "S T C"]

    @property
    def rates(self) -> str:
        """The rates that the two halves chose."""
        return " and ".join(f"{RATES[rate]:g}" for rate in dict.fromkeys(self.pick.tolist()))


def arm(
    right: Sequence[Float[np.ndarray, "S E"]],
    steps: Int[np.ndarray, " E"],
    loss: Sequence[Float[np.ndarray, "S T C"]],
) -> Arm:
    """The arm whose runs have these shares of right answers at the evaluations, and losses, by rate.

    The cost of a rate is the mean step at which its runs are there (the last one for those that are not), and
    where that is the same, the share of wrong answers at the end.
    """
    times = [statistics.until_below(1 - x, 1 - THERE + 1e-9, steps=steps, smoothing=1) for x in right]
    cost = np.array([time.time + (1 - x[:, -1]) for time, x in zip(times, right, strict=True)])
    pick, seeds = chosen(cost), np.arange(cost.shape[1])
    at = lambda values: np.stack(values)[pick, seeds]
    return Arm(
        pick,
        Times(at([time.time for time in times]), at([time.ended for time in times])),
        at([x[:, -1] for x in right]),
        at(list(loss)),
    )


def of_runs(sweep: Sweep, kept: Any) -> Arm:
    """The runs that are kept as one arm."""
    at = [kept & np.isclose(sweep.hypers.learning_rate, rate) for rate in RATES]
    right, loss = sweep.metrics["test_exact_match"], sweep.metrics["loss"]
    return arm([right[x] for x in at], sweep.metrics["test_step"], [loss[x] for x in at])


def at_edge(arms: Iterable[Arm]) -> list[str]:
    """What to know where the best rate of some arms is the smallest or the largest of those tried."""
    edges = [set(one.pick.tolist()) <= {0, len(RATES) - 1} for one in arms]
    if not any(edges):
        return []
    which = (
        "Every best rate is" if all(edges) else f"The best rate of {sum(edges)} of {len(edges)} settings is"
    )
    return [f"{which} an edge of the three tried: a better one may lie outside."]
