"""Loss shelves: the stretches in which a loss stays level, found without a threshold of the user's."""

import csv
import itertools
import math
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from grokjax.curves.detector import pieces, plateaus


class Shelf(NamedTuple):
    """A level stretch: mean loss and its standard error (nats), first and last step (inclusive), whether the
    run left it.

    `left` is False where the curve ends on the shelf, or so soon after it that nobody can tell: the run may
    yet leave it (censored), or has converged.
    """

    level: float
    standard_error: float
    first_step: int
    last_step: int
    left: bool
    slope: float = 0.0
    slope_error: float = math.inf


def find(curve: Float[np.ndarray, " T"], *, band: float = 0.05) -> list[Shelf]:
    """The shelves of one loss curve (nats), in order of time; steps are indices into the curve, which ends
    where it is not finite.

    The curve is cut into straight pieces (`trend.pieces`); its shelves are the windows of that trend that
    stay within `band` of their level (or within the noise, if that is more) and are much slower than what
    came just before (`windows.level`). So an even slope is no shelf, however slow, and on a slope that bends
    the shelf begins where the descent has slowed. A burst on a shelf does not end it. The last stretch of a
    converged run is a shelf as well, with `left` False.
    """
    curve = np.asarray(curve, np.float64)
    if curve.ndim != 1:
        raise ValueError(f"curve has shape {curve.shape}; it must be the loss of one run and one digit, [T]")
    curve = curve[: _length(curve)]
    if len(curve) < plateaus.LEAST_STEPS:
        return []
    found = pieces.fit(curve)
    trend = plateaus.bridged(found)
    return [_shelf(curve, found, trend, window) for window in plateaus.level(found, band)]


def within(curve: Float[np.ndarray, " T"], low: float, high: float) -> Shelf | None:
    """The longest stretch in which the trend of one curve stays from `low` to `high` (nats), level or not;
    None if it never does.
    """
    if not low < high:
        raise ValueError(f"the band from low={low} to high={high} is empty")
    curve = np.asarray(curve, np.float64)[: _length(curve)]
    if len(curve) < plateaus.LEAST_STEPS:
        return None
    path = changepoints.path(changepoints.pieces(curve))
    inside = np.concatenate([[False], (low <= path) & (path <= high), [False]])
    edges = np.flatnonzero(np.diff(inside)).reshape(-1, 2)
    longest = max(edges, key=lambda window: window[1] - window[0], default=None)
    return None if longest is None else _shelf(curve, path, (int(longest[0]), int(longest[1])))


class Row(NamedTuple):
    """A line of shelves.csv: which run and digit (0 = units), and its shelf."""

    run: int
    seed: int
    digit: int
    level: float
    standard_error: float
    first_step: int
    last_step: int
    left: bool

    @property
    def shelf(self) -> Shelf:
        """The shelf without its place."""
        return Shelf(*self[3:])


def table(
    losses: Float[np.ndarray, "S T C"], seeds: Sequence[int], steps: Int[np.ndarray, " T"] | None = None
) -> list[Row]:
    """The shelves of every run and digit, in that order; `steps` are the optimiser steps of the T entries (by
    default 0, 1, ...).
    """
    if losses.ndim != 3 or len(losses) != len(seeds):
        raise ValueError(
            f"losses has shape {losses.shape}; it must be [S, T, C] with one seed per run, and there are {len(seeds)} seeds"
        )
    at = np.arange(losses.shape[1]) if steps is None else np.asarray(steps)
    if at.shape != losses.shape[1:2]:
        raise ValueError(
            f"steps has shape {at.shape}; it must be one step for each of the {losses.shape[1]} entries of a curve"
        )
    places = itertools.product(range(losses.shape[0]), range(losses.shape[2]))
    return [
        Row(
            run,
            int(seeds[run]),
            digit,
            shelf.level,
            shelf.standard_error,
            int(at[shelf.first_step]),
            int(at[shelf.last_step]),
            shelf.left,
        )
        for run, digit in places
        for shelf in find(losses[run, :, digit])
    ]


def write(path: str | os.PathLike, rows: Iterable[Row]) -> None:
    """Write rows to a CSV file, at once: under another name first, so that no half of a table is ever seen."""
    unfinished = f"{os.fspath(path)}.tmp"
    with open(unfinished, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        writer.writerows((*row[:-1], str(row.left).lower()) for row in rows)
    os.replace(unfinished, path)


def read(path: str | os.PathLike) -> list[Row]:
    """The rows of a file that `write` wrote."""
    with open(path, newline="") as file:
        return [
            Row(
                int(run),
                int(seed),
                int(digit),
                float(level),
                float(error),
                int(first),
                int(last),
                left == "true",
            )
            for run, seed, digit, level, error, first, last, left in itertools.islice(
                csv.reader(file), 1, None
            )
        ]


class Fit(NamedTuple):
    """An exact level near a shelf: its name and nats, and how far the shelf lies above it, in nats and in
    standard errors.
    """

    name: str
    nats: float
    distance: float
    standard_errors: float


def fits(
    shelf: Shelf, levels: Iterable[tuple[str, float]], *, relative: float = 0.05, least: float = 0.02
) -> list[Fit] | None:
    """The exact levels within `relative` of their nats or `least` nats of the shelf, whichever is more,
    nearest first; None if none is.

    Levels of equal nats are all listed: a loss does not tell them apart.
    """
    scale = shelf.standard_error or math.ulp(1.0)  # a curve without noise: any distance is many errors
    near = [
        Fit(name, nats, shelf.level - nats, (shelf.level - nats) / scale)
        for name, nats in levels
        if abs(shelf.level - nats) <= max(relative * nats, least)
    ]
    return sorted(near, key=lambda fit: (abs(fit.distance), fit.name)) or None


def _length(curve: Float[np.ndarray, " T"]) -> int:
    broken = np.flatnonzero(~np.isfinite(curve))
    return int(broken[0]) if len(broken) else len(curve)


def _shelf(curve, found, trend, window):
    start, stop = window
    residual = curve[start:stop] - trend[start:stop]
    spread = stats.median_abs_deviation(residual, scale="normal")
    kept = np.abs(residual) <= 5 * spread
    values = curve[start:stop][kept]
    noise = max(found.error(start, stop), _standard_error(residual[kept]))
    time = np.flatnonzero(kept) - (stop - start - 1) / 2
    slope = float(time @ (values - values.mean()) / (time @ time))
    moved = max(0.0, float(trend[start:stop].var()) - noise**2)
    return Shelf(
        float(values.mean()),
        math.sqrt(noise**2 + moved),
        start,
        stop - 1,
        len(curve) - stop >= plateaus.LEAST_STEPS // 2,
        slope,
        noise * math.sqrt(12) / (stop - start),
    )


def _standard_error(values: Float[np.ndarray, " N"]) -> float:
    """Of the mean of correlated values: from the means of about sqrt(N) batches."""
    count = max(4, math.isqrt(len(values)))
    length = len(values) // count
    means = values[: count * length].reshape(count, length).mean(1)
    return float(means.std(ddof=1) / np.sqrt(count))
