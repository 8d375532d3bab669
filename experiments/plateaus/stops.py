"""Where digits of an addition stop on their way down, and for how long: answers of `lower_shelves`."""

import math
from collections.abc import Sequence

import numpy as np

from experiments.frame.measured import interval, mean, share, time
from experiments.frame.result import Result
from experiments.plateaus import tolerance
from experiments.plateaus.cascade_cells import Cell
from grokjax.curves import shelves, statistics

SOLVED = 0.05
"""Nats below which the tens are learned."""
STOP = (0.5, 0.7)
"""The losses at which the note saw digits stop."""


def two_shelves(id: str, tens: Sequence[Cell], steps: int) -> Result:
    """Whether the tens rest at ln 10, then where the digit pair is known, and then solve it."""
    rows, both, through = {}, {}, {}
    for one in tens:
        shown, times = first_and_second(one), statistics.until_below(one.loss, SOLVED)
        both[one.width], through[one.width] = shown.mean(), (shown & times.ended).mean()
        w, n = one.width, len(shown)
        rows[f"both_{w}"] = share(
            f"width {w}: runs with a shelf at ln 10 and then at the pair's", int(shown.sum()), n
        )
        rows[f"through_{w}"] = share(
            f"width {w}: those that then get below {SOLVED} nats", int((shown & times.ended).sum()), n
        )
        rows[f"time_{w}"] = time(f"width {w}: step below {SOLVED} nats", times, steps)
    first, last = min(both), max(both)
    held = [w for w in both if through[w] > 0.5]
    part = lambda w: (
        "both shelves, then 0"
        if w in held
        else "both shelves, 0 not reached"
        if both[w] > 0.5
        else "most runs do not rest at both"
    )
    return Result(
        id,
        f"One shelf after the other: {{both_{first}}} at width {first}"
        + (f", {{both_{last}}} at width {last}." if last > first else "."),
        rows,
        f"A shelf lies at a level {tolerance.WINDOW} it. Confirmed if at every width more than half of the "
        f"runs rest at ln 10, then at the digit pair's .688, and then get below {SOLVED} nats; refuted if at "
        "no width a quarter rest at both; mixed otherwise.",
        "confirmed"
        if len(held) == len(both)
        else "refuted"
        if max(both.values()) < 0.25
        else "mixed: " + "; ".join(f"width {w}: {part(w)}" for w in both),
    )


def first_and_second(one: Cell) -> np.ndarray:
    """Whether each run has a shelf at ln b, and a later one at the level of the digit pair, [S]."""
    found = []
    for own in one.shelves:
        start = [s.first_step for s in own if tolerance.lies_at(s.level, one.start)]
        later = [s.first_step for s in own if tolerance.lies_at(s.level, one.cascade[0])]
        found.append(bool(start and later and min(start) < max(later)))
    return np.array(found)


def stop(id: str, written: Sequence[Cell]) -> Result:
    """The longest stay of every run from .5 to .7 nats, beside those in the windows of the same ratio
    above and below.
    """
    low, high = STOP
    ratio = high / low
    windows = [(low / ratio, low), STOP, (high, high * ratio)]
    rows, longest = {}, {}
    for one in written:
        stays = np.array([[stay(curve, *window) for window in windows] for curve in one.loss])
        there = (stays[:, 1] > stays[:, 0]) & (stays[:, 1] > stays[:, 2])
        longest[one.digit] = there.mean()
        first = [[s.level for s in own if s.level < 1.5] for own in one.shelves]
        rows[f"longest_{one.digit}"] = share(
            f"digit {one.digit}: runs that stay longest from {low} to {high}", int(there.sum()), len(there)
        )
        for name, column in zip(("below", "there", "above"), stays.T, strict=True):
            rows[f"{name}_{one.digit}"] = interval(
                f"digit {one.digit}: steps in the window {name}",
                statistics.quantile(column),
                "steps",
                len(column),
            )
        rows[f"rest_{one.digit}"] = mean(
            f"digit {one.digit}: level of the first shelf below 1.5",
            np.array([own[0] if own else math.nan for own in first]),
            "nats",
        )
    best, worst = max(longest, key=longest.__getitem__), min(longest, key=longest.__getitem__)
    held = [digit for digit, part in longest.items() if part > 0.5]
    return Result(
        id,
        f"Digit {best} slows down there most often, in {{longest_{best}}}"
        + (f"; digit {worst} least, in {{longest_{worst}}}." if worst != best else "."),
        rows,
        f"Confirmed if in every digit from 1 on more than half of the runs stay longer from {low} to {high} "
        f"nats than in the windows of the same ratio above and below; refuted if in none; mixed otherwise. "
        "A run that ends in a window has stayed in it so far.",
        "confirmed"
        if len(held) == len(longest)
        else f"mixed: confirmed of digit {', '.join(map(str, held))}; refuted of the others"
        if held
        else "refuted",
    )


def stay(curve: np.ndarray, low: float, high: float) -> int:
    """The longest stretch of steps in which the trend of a curve is between two losses."""
    found = shelves.within(curve, low, high)
    return found.last_step + 1 - found.first_step if found else 0
