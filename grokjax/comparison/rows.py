"""A measure of both sides in one row: medians with their intervals, the effect, and a test."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from grokjax.comparison.measures import Level, Measured
from grokjax.comparison.sides import Side, paired
from grokjax.curves import statistics
from grokjax.curves.shelves import Shelf
from grokjax.curves.statistics import Interval, Test, Times

SHOWN = 0.5
"""A shelf is compared where at least this share of the runs of a side has it."""
UNKNOWN = Interval(None, None, None)
Cell = tuple[Interval, str]
"""A median over runs, and how many runs it rests on, "7 of 8"."""
Tested = tuple[str, float | None]
"""The name of a test and its p."""


class Row(NamedTuple):
    """One measure of both sides.

    setting, measure, unit: whose and what
    first, second: medians over the runs (of a share the share), with 95% intervals
    first_runs, second_runs: how many runs they rest on, and of how many: "7 of 8"
    effect: the second against the first, with its 95% interval; effect_is: what it is
    test, p: the test and its two-sided p, None where the runs do not determine it
    adjusted: p after Holm, over all rows of the comparison
    """

    setting: str
    measure: str
    unit: str
    first: Interval
    second: Interval
    first_runs: str
    second_runs: str
    effect: Interval
    effect_is: str
    test: str
    p: float | None
    adjusted: float | None = None


def of_setting(name: str, sides: Sequence[Side], measured: Sequence[Measured]) -> list[Row]:
    """Returns the rows of one setting."""
    found = [
        final(name, measure, sides, [side.finals[measure] for side in measured])
        for measure in measured[0].finals
        if measure in measured[1].finals
    ]
    for measure in [name for name in measured[0].times if name in measured[1].times]:
        both = [only(side.times[measure], own.runs) for side, own in zip(measured, sides, strict=True)]
        found.append(time(name, measure, both))
    for level in dict.fromkeys([*measured[0].shelves, *measured[1].shelves]):
        found += shelf(name, level, sides, [side.shelves.get(level, {}) for side in measured])
    return found


def only(times: Times, runs: Sequence[int]) -> Times:
    """Returns the times of some runs."""
    return Times(times.time[list(runs)], times.ended[list(runs)])


def row(
    setting: str, measure: str, unit: str, cells: Sequence[Cell], effect: tuple[Interval, str], test: Tested
) -> Row:
    """Returns a row of its two cells, its effect with what it is, and its test."""
    (first, first_runs), (second, second_runs) = cells
    return Row(setting, measure, unit, first, second, first_runs, second_runs, *effect, *test)


def final(name: str, measure: str, sides: Sequence[Side], values: Sequence[np.ndarray]) -> Row:
    """Returns the row of a final value: Wilcoxon's test of runs of one seed, else the rank-sum test.

    A diverged run has no value, nor has its partner.
    """
    own = [column[side.runs] for column, side in zip(values, sides, strict=True)]
    kept = [column[np.isfinite(column)] for column in own]
    cells = [
        (statistics.quantile(x), f"{len(x)} of {len(every)}") for x, every in zip(kept, own, strict=True)
    ]
    if paired(*sides):
        partner = dict(zip(sides[1].seeds, own[1], strict=True))
        pairs = np.array([(x, partner[seed]) for seed, x in zip(sides[0].seeds, own[0], strict=True)])
        pairs = pairs[np.isfinite(pairs).all(1)]
        effect = statistics.quantile(pairs[:, 1] - pairs[:, 0]), "median difference of pairs"
        test = "Wilcoxon, paired", statistics.paired_ranks(*pairs.T).p
    else:
        both = (
            Interval(float(np.median(kept[1]) - np.median(kept[0])), None, None)
            if all(map(len, kept))
            else UNKNOWN
        )
        effect, test = (both, "difference of medians"), ("rank sum", rank_sum(*kept).p)
    return row(name, measure, "nats", cells, effect, test)


def rank_sum(first: np.ndarray, second: np.ndarray) -> Test:
    """Returns Mann and Whitney's rank-sum test (1947); without runs on a side nothing is determined."""
    if not (len(first) and len(second)):
        return Test(None, None)
    found = stats.mannwhitneyu(first, second)
    return Test(float(found.statistic), float(found.pvalue))


def time(name: str, measure: str, both: Sequence[Times]) -> Row:
    """Returns the row of a time: the log-rank test, in which a run that is not there yet counts as later."""
    first, second = both
    cells = [(x.median if len(x.time) else UNKNOWN, f"{int(x.ended.sum())} of {len(x.time)}") for x in both]
    effect = statistics.hazard_ratio(second, first), "how many times as often"
    p = statistics.log_rank(first, second).p if len(first.time) and len(second.time) else None
    return row(name, measure, "steps", cells, effect, ("log-rank", p))


def shelf(
    name: str, level: Level, sides: Sequence[Side], shelves: Sequence[Mapping[int, Shelf]]
) -> list[Row]:
    """Returns the rows of one shelf: the share of runs that have it, when it begins, and how long it lasts.

    Times are of the runs that have it; a run that is still on it counts as longer.
    """
    own = [
        [found[run] for run in side.runs if run in found] for side, found in zip(sides, shelves, strict=True)
    ]
    shown, totals = [len(found) for found in own], [len(side.runs) for side in sides]
    if all(number < SHOWN * total for number, total in zip(shown, totals, strict=True)):
        return []
    called = f"shelf at {level[1].replace('_', ' ')}, digit {level[0]}"
    cells = [(statistics.wilson(k, n), f"{k} of {n}") for k, n in zip(shown, totals, strict=True)]
    difference = Interval(shown[1] / totals[1] - shown[0] / totals[0], None, None)
    counts = [[k, n - k] for k, n in zip(shown, totals, strict=True)]
    fisher = "Fisher", float(stats.fisher_exact(counts)[1])
    share = row(
        name, f"{called}: runs that have it", "share", cells, (difference, "difference of shares"), fisher
    )
    if not all(own):
        return [share]
    onset, length = [onsets(found) for found in own], [lengths(found) for found in own]
    return [share, time(name, f"{called}: from step", onset), time(name, f"{called}: for steps", length)]


def onsets(found: Sequence[Shelf]) -> Times:
    """Returns when shelves begin."""
    return Times(np.array([shelf.first_step for shelf in found], float), np.ones(len(found), bool))


def lengths(found: Sequence[Shelf]) -> Times:
    """Returns how long shelves last; one that is not left lasts longer."""
    steps = [shelf.last_step + 1 - shelf.first_step for shelf in found]
    return Times(np.array(steps, float), np.array([shelf.left for shelf in found], bool))
