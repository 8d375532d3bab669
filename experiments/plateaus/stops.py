"""Where digits of an addition stop on their way down, and for how long: answers of `lower_shelves`."""

import math
from collections.abc import Collection, Sequence

import numpy as np

from experiments.frame.bounds import sided
from experiments.frame.measured import Measured, interval, mean, share, time
from experiments.frame.result import Result
from experiments.plateaus import tolerance
from experiments.plateaus.cascade_cells import Cell
from grokjax.curves import shelves, statistics

SOLVED = 0.05
"""Nats below which the tens are learned."""
STOP = (0.5, 0.7)
"""The losses at which the note saw digits stop."""


def two_shelves(id: str, tens: Sequence[Cell], steps: int, sure: Collection[int]) -> Result:
    """Whether the tens rest at ln 10, then where the digit pair is known, and then solve it.

    sure: the widths at which more runs rest where the pair is known than chance gives
    """
    rows, both, through = {}, {}, {}
    for one in tens:
        shown, times = first_and_second(one), statistics.until_below(one.loss, SOLVED)
        both[one.width], through[one.width] = shown.mean(), (shown & times.ended).mean()
        w, n = one.width, len(shown)
        what = f"width {w}: runs with a shelf at ln 10 and then at the pair's"
        rows[f"both_{w}"] = share(what, int(shown.sum()), n)
        rows[f"through_{w}"] = share(
            f"width {w}: those that then get below {SOLVED} nats", int((shown & times.ended).sum()), n
        )
        rows[f"time_{w}"] = time(f"width {w}: step below {SOLVED} nats", times, steps)
    first, last = min(both), max(both)
    few = ", in a minority" if max(both.values()) <= 0.5 else ""
    held = [w for w in both if through[w] > 0.5]
    parts = {
        w: "both shelves, then 0"
        if w in held
        else "both shelves, 0 not reached"
        if both[w] > 0.5
        else "confirmed in a minority of the runs, refuted of most"
        if w in sure
        else "refuted"
        for w in both
    }
    where = "; ".join(f"width {w}: {text}" for w, text in parts.items())
    return Result(
        id,
        f"One shelf after the other{few}: {{both_{first}}} at "
        f"width {first}" + (f", {{both_{last}}} at width {last}." if last > first else "."),
        rows,
        f"A shelf lies at a level {tolerance.WINDOW} it. Confirmed if at every width more than half of the "
        f"runs rest at ln 10, then at the digit pair's .688, and then get below {SOLVED} nats; refuted if at "
        "no width half rest at both and at none more than by chance at the pair's (the p of 001-69); mixed "
        "otherwise.",
        "confirmed"
        if len(held) == len(both)
        else "refuted"
        if set(parts.values()) == {"refuted"}
        else f"mixed: {parts[first] if len(set(parts.values())) == 1 else where}",
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
    rows = {name: row for one in written for name, row in stays(one).items()}
    longest = {one.digit: rows[f"longest_{one.digit}"] for one in written}
    share_of = lambda digit: longest[digit].value or 0.0
    best, worst = max(longest, key=share_of), min(longest, key=share_of)
    kinds: dict[str, list[int]] = {"confirmed": [], "refuted": [], "open": []}
    for digit, row in longest.items():
        kinds[sided(row, 0.5, "confirmed", "refuted", "open")].append(digit)
    found = [name for name, of in kinds.items() if of]
    return Result(
        id,
        f"Digit {best} slows down there most often, in {{longest_{best}}}"
        + (f"; digit {worst} least, in {{longest_{worst}}}." if worst != best else "."),
        rows,
        f"Confirmed if in every digit from 1 on more than half of the runs stay longer from {low} to {high} "
        f"nats than in the windows of the same ratio above and below; refuted if in none; mixed otherwise. "
        "Whole intervals: a digit whose interval holds half of the runs is open. A run that ends in a window "
        "has stayed in it so far.",
        "open: every digit's interval holds half of the runs; more seeds would tell"
        if found == ["open"]
        else found[0]
        if len(found) == 1
        else "mixed: " + "; ".join(f"{name} of digit {', '.join(map(str, kinds[name]))}" for name in found),
        ["Runs pass .5 to .7 all the same: 001-79 looks at them there, whether they stay or not."],
    )


def stays(one: Cell) -> dict[str, Measured]:
    """How long the runs of a digit stay in each window, and where their first shelf below 1.5 nats lies."""
    low, high = STOP
    ratio = high / low
    windows = {"below": (low / ratio, low), "there": STOP, "above": (high, high * ratio)}
    steps = {name: np.array([stay(curve, *window) for curve in one.loss]) for name, window in windows.items()}
    there = (steps["there"] > steps["below"]) & (steps["there"] > steps["above"])
    first = [[s.level for s in own if s.level < 1.5] for own in one.shelves]
    rows = {
        f"longest_{one.digit}": share(
            f"digit {one.digit}: runs that stay longest from {low} to {high}", int(there.sum()), len(there)
        )
    }
    for name, column in steps.items():
        found = statistics.quantile(column)
        rows[f"{name}_{one.digit}"] = interval(
            f"digit {one.digit}: steps in the window {name}", found, "steps", len(column)
        )
    rows[f"rest_{one.digit}"] = mean(
        f"digit {one.digit}: level of the first shelf below 1.5",
        np.array([own[0] if own else math.nan for own in first]),
        "nats",
    )
    return rows


def stay(curve: np.ndarray, low: float, high: float) -> int:
    """The longest stretch of steps in which the trend of a curve is between two losses."""
    found = shelves.within(curve, low, high)
    return found.last_step + 1 - found.first_step if found else 0
