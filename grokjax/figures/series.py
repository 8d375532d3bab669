"""Series of numbers as pictures show them: thinned to points, with medians over runs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

MOST_POINTS = 400
"""Points of a curve that are drawn; of longer ones the means of equally many steps."""


class Thinned(NamedTuple):
    """Curves as they are drawn: the step of each point, its values, and how many steps it is the mean of."""

    step: Float[np.ndarray, " K"]
    values: Float[np.ndarray, "... K"]
    mean_of: int


def thinned(values: Float[np.ndarray, "... T"], steps: Int[np.ndarray, " T"] | None = None) -> Thinned:
    """Curves of at most `MOST_POINTS` points: means of equally many entries (of those left at the end as
    well), at their mean step.
    """
    values = np.asarray(values, float)
    steps = checked_steps(values, steps)
    many = -(-values.shape[-1] // MOST_POINTS) or 1
    starts = np.arange(0, values.shape[-1], many)
    sizes = np.diff(np.append(starts, values.shape[-1]))
    return Thinned(np.add.reduceat(steps, starts) / sizes, np.add.reduceat(values, starts, -1) / sizes, many)


def sampled(
    values: Float[np.ndarray, "S T"], steps: Int[np.ndarray, " T"] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of at most `MOST_POINTS` entries, spaced evenly on a logarithmic axis; single steps,
    not means.
    """
    values = np.asarray(values, float)
    steps = checked_steps(values, steps)
    kept = np.unique(np.round(np.geomspace(1, max(values.shape[-1], 1), MOST_POINTS)).astype(int)) - 1
    return steps[kept].astype(float), values[:, kept]


def metrics_of(thing: Any) -> Mapping[str, np.ndarray] | None:
    """The metrics of a sweep, of an epoch, or of consecutive epochs; None of what has none."""
    if hasattr(thing, "metrics"):
        return thing.metrics
    if not (isinstance(thing, list | tuple) and thing and all(hasattr(epoch, "metrics") for epoch in thing)):
        return None
    each = [epoch.metrics for epoch in thing]
    return {
        name: np.concatenate([own[name] for own in each], axis=0 if name == "test_step" else 1)
        for name in each[0]
    }


def checked_steps(
    values: Float[np.ndarray, "... T"], steps: Int[np.ndarray, " T"] | None
) -> Int[np.ndarray, " T"]:
    """The steps of the entries, by default 0, 1, ...; raises a ValueError where they do not fit."""
    steps = np.arange(values.shape[-1]) if steps is None else np.asarray(steps)
    if steps.shape != values.shape[-1:]:
        raise ValueError(
            f"steps has shape {steps.shape}; a curve has {values.shape[-1]} entries, and each needs its step"
        )
    return steps


def median(values: Float[np.ndarray, "S ..."]) -> Float[np.ndarray, "..."]:
    """The median over the runs that still go on; NaN where none does."""
    middle, going = np.median(values, axis=0), np.isfinite(values).any(0)
    some = ~np.isfinite(middle) & going
    middle[some] = np.nanmedian(np.where(np.isfinite(values), values, np.nan)[:, some], axis=0)
    return middle


def last(values: Float[np.ndarray, " K"]) -> float:
    """The last value that is a number, or NaN."""
    return float(next((value for value in values[::-1] if np.isfinite(value)), np.nan))
