"""What is measured of each run: a final value, or a time that it may not have reached yet."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from grokjax import tasks
from grokjax.checkpoints import Sweep
from grokjax.curves import shelves, statistics
from grokjax.runner import exact, report, results
from grokjax.runner.html_report import ended

Level = tuple[int, str]
"""The digit and the name of an exact level."""


class Measured(NamedTuple):
    """What is measured of the S runs of a sweep.

    finals: by name, the value of each run at the end, NaN of a diverged one [S]
    times: by name, when each run got there, in steps
    shelves: by exact level, the shelf of each run that has one, by run
    """

    finals: dict[str, Float[np.ndarray, " S"]]
    times: dict[str, statistics.Times]
    shelves: dict[Level, dict[int, shelves.Shelf]]


def measured(found: Sweep, steps: int) -> Measured:
    """Returns the measures of a sweep's runs over their first `steps` steps."""
    whole = report.read(found)
    metrics = {name: cut(name, values, whole.metrics, steps) for name, values in whole.metrics.items()}
    levels = exact.by_digit(tasks.exact_levels(found.task), found.task)
    rows = whole.rows if steps == whole.metrics["loss"].shape[1] else None
    if rows is None:
        digits = exact.digits(found.task)
        own = shelves.table(metrics["loss"], np.asarray(found.hypers.seed).tolist())
        rows = [row._replace(digit=digits[row.digit]) for row in own]
    shown = {
        (level.digit, level.known): runs
        for level, runs in exact.shown(rows, levels).items()
        if level.nats is not None
    }
    return Measured(finals(found, metrics), times(found, metrics), shown)


def cut(name: str, values: np.ndarray, metrics: Mapping[str, np.ndarray], steps: int) -> np.ndarray:
    """Returns a metric up to a step."""
    if name == "test_step":
        return values[values <= steps]
    if name.startswith("test_"):
        return values[:, metrics["test_step"] <= steps]
    return values[:, :steps]


def finals(found: Sweep, metrics: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the loss of each digit at the end, of a finite task on the test set too."""
    digits = exact.digits(found.task)
    kinds = [("loss", "final loss")] + ([("test_loss", "final test loss")] if found.task.finite else [])
    values = {}
    for metric, name in kinds:
        last = results.ends(metrics, metric)
        last[ended(found).diverged] = np.nan
        for column, digit in sorted(digits.items(), reverse=True):
            values[f"{name}, digit {digit}" if len(digits) > 1 else name] = last[:, column]
    return {name: column for name, column in values.items() if np.isfinite(column).any()}


def times(found: Sweep, metrics: Mapping[str, np.ndarray]) -> dict[str, statistics.Times]:
    """Returns when over 99% of the examples were right: of the training and test set, or of fresh batches."""
    known = results.times(metrics, found.task)
    if known is not None:
        return {"step of memorising": known.memorised, "step of generalising": known.generalised}
    wrong = 1 - metrics["exact_match"]
    return {"step of over 99% right": statistics.until_below(wrong, 1 - results.RIGHT)}
