"""What the metrics of some runs say in numbers: where they ended, and when they generalised."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from grokjax.curves import shelves, statistics
from grokjax.runner import exact
from grokjax.tasks import Task

LAST_STEPS = 50
"""The final loss of a run is its mean over so many steps."""
RIGHT = 0.99
"""The share of examples, with every answer right, from which a run has memorised or generalised."""

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


def ends(metrics: Mapping[str, np.ndarray], name: str) -> Float[np.ndarray, "S C"]:
    """A metric at the end of each run: the mean of its last steps, or its last evaluation."""
    if name not in metrics:
        return np.full((len(metrics["loss"]), metrics["loss"].shape[-1]), np.nan)
    return last_mean(metrics[name], 1 if name.startswith("test_") else LAST_STEPS)


def last_mean(values: Float[np.ndarray, "S T C"], steps: int) -> Float[np.ndarray, "S C"]:
    """The mean of each run's last finite entries; a run that stopped early has NaN after them."""
    finite = np.isfinite(values).all(-1)
    last = np.where(finite.any(1), values.shape[1] - np.argmax(finite[:, ::-1], 1), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a run without any finite entry has none
        return np.stack(
            [run[max(end - steps, 0) : end].mean(0) for run, end in zip(values, last, strict=True)]
        )


def number(statistic: Callable[[np.ndarray], Any], values: np.ndarray) -> float | None:
    """A statistic of the finite values as a JSON number; None where there are none."""
    finite = values[np.isfinite(values)]
    return float(f"{statistic(finite):.6g}") if finite.size else None


class Times(NamedTuple):
    """When each run memorised its training set, and when it generalised to its test set (steps)."""

    memorised: statistics.Times
    generalised: statistics.Times


def times(metrics: Mapping[str, np.ndarray], task: Task) -> Times | None:
    """The first steps at which more than RIGHT of the training and of the test set are right.

    None where a task has no table, or where all of it is trained on.
    """
    if not task.finite or "test_exact_match" not in metrics:
        return None
    test, at = metrics["test_exact_match"], metrics["test_step"]
    if not np.isfinite(test).any():
        return None
    wrong = lambda share, steps: statistics.until_below(1 - share, 1 - RIGHT, steps=steps, smoothing=1)
    return Times(wrong(metrics["exact_match"], None), wrong(test, at))


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
