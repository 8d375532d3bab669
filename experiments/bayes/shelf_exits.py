"""The ends of shelves, and what learning coefficients do there, for `llc_shelves`."""

import collections
from typing import NamedTuple

import numpy as np

from experiments.bayes import curve
from grokjax.checkpoints import Sweep
from grokjax.curves import shelves

SPACING = 50
"""Steps from one snapshot to the next."""
LASTING, LATER = 200, 150
"""Steps that a shelf lasts at least, and after which its end is over."""


class Exit(NamedTuple):
    """The end of a shelf: the run, the step, and the snapshots long before, before, and after it."""

    run: int
    step: int
    places: tuple[int, int, int]


class Jump(NamedTuple):
    """What coefficients change over an exit and before it, the standard error of a jump, and the step, from
    the exit on, at which they are half the way through; NaN where they do not jump.
    """

    jump: float
    drift: float
    error: float
    half: float


def exits(sweep: Sweep, steps: np.ndarray) -> list[Exit]:
    """The exits of all runs that have the snapshots which they need."""
    curves, found = np.asarray(sweep.metrics["loss"]), []
    for run, own in enumerate(curves):
        ends = sorted(
            shelf.last_step
            for digit in range(own.shape[1])
            for shelf in shelves.find(own[:, digit])
            if shelf.left and shelf.last_step - shelf.first_step >= LASTING
        )
        for i, step in enumerate(ends):
            if i and step - ends[i - 1] < SPACING:
                continue
            before = int(np.searchsorted(steps, step, side="right")) - 1
            after = int(np.searchsorted(steps, step + LATER))
            if after < len(steps) and before - (after - before) >= 0:
                found.append(Exit(run, step, (2 * before - after, before, after)))
    return found


def at_exits(found: list[Exit], of: dict[str, np.ndarray], column: int, steps: np.ndarray) -> list[Jump]:
    """What the coefficients of one column do at every exit."""
    jumps = []
    for run, step, (early, before, after) in found:
        values, errors = of["mean"][:, run, column], of["standard_error"][:, run, column]
        jump, error = values[after] - values[before], np.hypot(errors[after], errors[before])
        half = np.nan
        if abs(jump) > 2 * error:
            part = slice(before, after + 1)
            half = curve.half_way(steps[part], values[part]) - step
        jumps.append(Jump(jump, values[before] - values[early], error, half))
    return jumps


def firsts(jumps: dict[str, list[Jump]]) -> collections.Counter[str]:
    """How often each part is the first at an exit."""
    names = [name for name in jumps if name != "whole model"]
    counts: collections.Counter[str] = collections.Counter()
    for each in zip(*(jumps[name] for name in names), strict=True):
        halves = np.array([jump.half for jump in each])
        if np.isfinite(halves).any():
            counts[names[int(np.nanargmin(halves))]] += 1
    return counts


def by_run(found: list[Exit], jumps: list[Jump]) -> np.ndarray:
    """|jump| − |drift|, exits averaged within their runs."""
    values: dict[int, list[float]] = collections.defaultdict(list)
    for one, jump in zip(found, jumps, strict=True):
        values[one.run].append(abs(jump.jump) - abs(jump.drift))
    return np.array([np.mean(each) for each in values.values()])
