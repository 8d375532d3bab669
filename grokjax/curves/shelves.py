"""Loss shelves: the plateaus of a loss curve, on which a run has learnt one thing and not yet the next.

`find` says where a curve stays level, `table` does it for every run and digit of a sweep, and `fits` names
the exact levels that a shelf lies at. No threshold needs to be chosen.
"""

import csv
import itertools
import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from grokjax.curves.detector import pieces, plateaus

FINISHED = 1e-4
"""Nats below which a run has nothing left to learn: it is finished, not on a shelf."""


class Shelf(NamedTuple):
    """A level stretch of one loss curve.

    - `level`: its mean loss in nats.
    - `standard_error` of the level in nats: of the noise, which may remember, and of the movement that is
      left on the shelf, so that it covers the level that a curve approaches.
    - `first_step`, `last_step`: both inclusive.
    - `left`: whether the run left it. False where the curve ends on the shelf, or so soon after it that
      nobody can tell: the run may yet leave it (censored), or has converged.
    - `slope`, `slope_error`: its slope with its standard error in nats per step; an error of inf says that it
      is not known.
    """

    level: float
    standard_error: float
    first_step: int
    last_step: int
    left: bool
    slope: float = 0.0
    slope_error: float = math.inf


def find(curve: Float[np.ndarray, " T"], *, band: float = 0.05) -> list[Shelf]:
    """Returns the shelves of one loss curve (nats) in order of time; the curve ends where it is not finite.

    The curve is cut into straight pieces (`detector.pieces`). Its shelves are the windows of that trend
    (`detector.plateaus`) that

    - stay within `band` of their level, or move by no more than noise alone would make them seem to,
    - are three times slower than what came before and what comes after; an end of the curve asks for nothing,
    - last 32 steps or more, and lie above `FINISHED`.

    So an even slope is no shelf, however slow, and a descent that slows down becomes one where it has become
    level. A burst does not end a shelf, noise that wanders makes none, and two levels with a plain step
    between them are two shelves, unless one lasts less than an eighth of the other.
    """
    curve = np.asarray(curve, np.float64)
    if curve.ndim != 1:
        raise ValueError(f"curve has shape {curve.shape}; it must be the loss of one run and one digit, [T]")
    curve = curve[: _length(curve)]
    if len(curve) < plateaus.LEAST_STEPS:
        return []
    found = pieces.fit(curve)
    trend = plateaus.bridged(found)
    shelves = [_shelf(curve, found, trend, window) for window in plateaus.level(found, band)]
    return [shelf for shelf in shelves if shelf.level > FINISHED]


def within(curve: Float[np.ndarray, " T"], low: float, high: float) -> Shelf | None:
    """Returns the longest stretch in which the trend of one curve stays from `low` to `high` nats, or None.

    The stretch need not be level.
    """
    if not low < high:
        raise ValueError(f"the band from low={low} to high={high} is empty")
    curve = np.asarray(curve, np.float64)[: _length(curve)]
    if len(curve) < plateaus.LEAST_STEPS:
        return None
    found = pieces.fit(curve)
    trend = pieces.path(found)
    inside = np.concatenate([[False], (low <= trend) & (trend <= high), [False]])
    edges = np.flatnonzero(np.diff(inside)).reshape(-1, 2)
    longest = max(edges, key=lambda window: window[1] - window[0], default=None)
    return None if longest is None else _shelf(curve, found, trend, (int(longest[0]), int(longest[1])))


class Row(NamedTuple):
    """A line of shelves.csv: run, seed and digit (0 = units), then the fields of the `Shelf`."""

    run: int
    seed: int
    digit: int
    level: float
    standard_error: float
    first_step: int
    last_step: int
    left: bool
    slope: float = 0.0
    slope_error: float = math.inf

    @property
    def shelf(self) -> Shelf:
        """The shelf without its place."""
        return Shelf(*self[3:])


def table(
    losses: Float[np.ndarray, "S T C"], seeds: Sequence[int], steps: Int[np.ndarray, " T"] | None = None
) -> list[Row]:
    """Returns the shelves of every run and digit, in that order.

    `steps` are the optimiser steps of the T entries, 0, 1, ... by default; slopes are per optimiser step.
    """
    if losses.ndim != 3 or len(losses) != len(seeds):
        raise ValueError(
            f"losses has shape {losses.shape}; it must be [S, T, C], a run for each of {len(seeds)} seeds"
        )
    at = np.arange(losses.shape[1]) if steps is None else np.asarray(steps)
    if at.shape != losses.shape[1:2]:
        raise ValueError(
            f"steps has shape {at.shape}; it must be one for each of the {losses.shape[1]} entries"
        )
    places = itertools.product(range(losses.shape[0]), range(losses.shape[2]))
    return [
        Row(run, int(seeds[run]), digit, *_at_steps(shelf, at))
        for run, digit in places
        for shelf in find(losses[run, :, digit])
    ]


def _at_steps(shelf, at):
    """The shelf with the steps of its entries instead of their indices."""
    first, last = int(at[shelf.first_step]), int(at[shelf.last_step])
    per_entry = (last - first) / (shelf.last_step - shelf.first_step)
    return shelf._replace(
        first_step=first,
        last_step=last,
        slope=shelf.slope / per_entry,
        slope_error=shelf.slope_error / per_entry,
    )


def write(path: str | os.PathLike, rows: Iterable[Row]) -> None:
    """Writes rows to a CSV file: under another name first, so that no half of a table is ever seen."""
    unfinished = f"{os.fspath(path)}.tmp"
    with open(unfinished, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        writer.writerows([str(x).lower() if isinstance(x, bool) else x for x in row] for row in rows)
    os.replace(unfinished, path)


def read(path: str | os.PathLike) -> list[Row]:
    """Returns the rows of a file that `write` wrote; one without slopes has shelves without them."""
    kinds: tuple[Callable[[str], Any], ...] = (
        int,
        int,
        int,
        float,
        float,
        int,
        int,
        "true".__eq__,
        float,
        float,
    )
    with open(path, newline="") as file:
        lines = itertools.islice(csv.reader(file), 1, None)
        return [Row(*(kind(text) for kind, text in zip(kinds, line, strict=False))) for line in lines]


class Fit(NamedTuple):
    """An exact level that a shelf lies at.

    `distance` is how far the shelf lies above it in nats, `standard_errors` the same in the shelf's errors.
    """

    name: str
    nats: float
    distance: float
    standard_errors: float


def fits(
    shelf: Shelf, levels: Iterable[tuple[str, float]], *, relative: float = 0.05, errors: float = 3.0
) -> list[Fit] | None:
    """Returns the exact levels that a shelf lies at, nearest first; None rather than a wrong one.

    A shelf lies at a level if it is within `relative` of its nats. Where `errors` standard errors of the
    shelf are more, they count, up to twice `relative`. Levels of equal nats are all listed: a loss does not
    tell them apart. No shelf lies at 0 nats.
    """
    scale = shelf.standard_error or math.ulp(1.0)  # a curve without noise: any distance is many errors
    near = [
        Fit(name, nats, shelf.level - nats, (shelf.level - nats) / scale)
        for name, nats in levels
        if nats > 0
        and abs(shelf.level - nats) <= min(2 * relative * nats, max(relative * nats, errors * scale))
    ]
    return sorted(near, key=lambda fit: (abs(fit.distance), fit.name)) or None


def _length(curve: Float[np.ndarray, " T"]) -> int:
    broken = np.flatnonzero(~np.isfinite(curve))
    return int(broken[0]) if len(broken) else len(curve)


def _shelf(curve, found, trend, window):
    start, stop = window
    left = len(curve) - stop >= plateaus.LEAST_STEPS // 2
    if stop - start < 8:  # too short to say how sure its level is
        return Shelf(float(curve[start:stop].mean()), math.inf, start, stop - 1, left)
    residual = curve[start:stop] - trend[start:stop]
    kept = np.abs(residual) <= 5 * stats.median_abs_deviation(residual, scale="normal")
    values, time = curve[start:stop][kept], np.flatnonzero(kept) - (stop - start - 1) / 2
    noise = _standard_error(curve[start:stop], residual[kept], found.memory)
    # What the trend moves beyond what noise alone would make it move.
    moved = max(0.0, float(trend[start:stop].var()) - noise**2)
    return Shelf(
        float(values.mean()),
        math.sqrt(noise**2 + moved),
        start,
        stop - 1,
        left,
        float(time @ (values - values.mean()) / (time @ time)),
        noise * math.sqrt(12) / (stop - start),
    )


def _standard_error(values, residual, memory):
    """Of the mean of noise that remembers: between what the curve's memory says and batch means here."""
    step_to_step = stats.median_abs_deviation(np.diff(values), scale="normal") / math.sqrt(2)
    remembered = step_to_step * math.sqrt(memory.of_mean(len(values)) / len(values))
    count = max(4, math.isqrt(len(residual)))
    length = len(residual) // count
    means = residual[: count * length].reshape(count, length).mean(1)
    return math.sqrt((float(remembered) ** 2 + float(means.var(ddof=1)) / count) / 2)
