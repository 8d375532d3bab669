"""What the metrics of some runs say in numbers: where they ended, and when they generalised."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from grokjax.curves import grokking, shelves, statistics
from grokjax.curves.grokking import RIGHT, Times, ends
from grokjax.curves.grokking import last_mean as last_mean
from grokjax.runner import exact
from grokjax.tasks import Task

Row = dict[str, float | None]


def finals(metrics: Mapping[str, np.ndarray], digits: Mapping[int, int]) -> dict[int, Row]:
    """By digit: median, least and largest over runs of the loss and accuracy at the end, test ones as well.

    digits: of each metrics column
    """
    last = {name: ends(metrics, name) for name in ("loss", "test_loss", "accuracy", "test_accuracy")}
    return {
        digit: {
            f"{statistic}_{name}": number(of, values[:, column])
            for name, values in last.items()
            for statistic, of in (("median", np.median), ("least", np.min), ("largest", np.max))
        }
        for column, digit in digits.items()
    }


def number(statistic: Callable[[np.ndarray], Any], values: np.ndarray) -> float | None:
    """A statistic of the finite values as a JSON number; None where there are none."""
    finite = values[np.isfinite(values)]
    return float(f"{statistic(finite):.6g}") if finite.size else None


def times(metrics: Mapping[str, np.ndarray], task: Task) -> Times | None:
    """`grokking.times`; None where a task has no table, or where all of it is trained on."""
    return grokking.times(metrics) if task.finite else None


def generalisation(found: Times | None, runs: Sequence[int]) -> dict[str, Any] | None:
    """Of some runs how many generalised, at which step, and how long after they had memorised, as JSON."""
    if found is None:
        return None
    memorised, generalised = (statistics.Times(*(part[list(runs)] for part in both)) for both in found)
    both = memorised.ended
    delays = np.maximum(generalised.time - memorised.time, 0)[both]
    return dict(
        right=RIGHT,
        memorised=int(memorised.ended.sum()),
        runs=int(generalised.ended.sum()),
        memorised_step=memorised.median._asdict(),
        step=generalised.median._asdict(),
        delay=statistics.median(delays, generalised.ended[both])._asdict(),
    )


def shelf_row(level: exact.Shown, found: Mapping[int, shelves.Shelf], runs: Sequence[int]) -> dict[str, Any]:
    """One level as JSON: how many of the runs show it, medians over them with 95% intervals, in steps.

    An entry is None where the runs do not determine it.
    """
    summary = statistics.summarise([found.get(run) for run in runs])
    return dict(
        digit=level.digit,
        known=level.known,
        exact=level.nats,
        measured=float(np.median([shelf.level for shelf in found.values()])),
        runs=summary.shown,
        share=summary.share._asdict(),
        on_it=summary.on_it,
        onset=summary.onset._asdict(),
        length=summary.length._asdict(),
    )
