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
    for measure in measured[0].times:
        both = [only(side.times[measure], own.runs) for side, own in zip(measured, sides, strict=True)]
        found.append(time(name, measure, both))
    for level in dict.fromkeys([*measured[0].shelves, *measured[1].shelves]):
        found += shelf(name, level, sides, [side.shelves.get(level, {}) for side in measured])
    return found


def only(times: Times, runs: Sequence[int]) -> Times:
    """Returns the times of some runs."""
    return Times(times.time[list(runs)], times.ended[list(runs)])


def final(name: str, measure: str, sides: Sequence[Side], values: Sequence[np.ndarray]) -> Row:
    """Returns the row of a final value: Wilcoxon's test of runs of one seed, else the rank-sum test.

    Mann and Whitney (1947). A diverged run has no value, nor has its partner.
    """
    own = [column[side.runs] for column, side in zip(values, sides, strict=True)]
    kept = [column[np.isfinite(column)] for column in own]
    if paired(*sides):
        partner = [
            {seed: value for seed, value in zip(side.seeds, column, strict=True)}
            for side, column in zip(sides, own, strict=True)
        ]
        pairs = np.array([(partner[0][seed], partner[1][seed]) for seed in sides[0].seeds])
        pairs = pairs[np.isfinite(pairs).all(1)]
        effect = statistics.quantile(pairs[:, 1] - pairs[:, 0])
        kind, test, called = (
            "median difference of pairs",
            statistics.paired_ranks(*pairs.T),
            "Wilcoxon, paired",
        )
    else:
        effect = (
            Interval(float(np.median(kept[1]) - np.median(kept[0])), None, None)
            if all(map(len, kept))
            else UNKNOWN
        )
        kind, test, called = "difference of medians", rank_sum(*kept), "rank sum"
    return Row(
        name, measure, "nats", *(statistics.quantile(column) for column in kept),
        *(f"{len(column)} of {len(side.runs)}" for column, side in zip(kept, sides, strict=True)),
        effect, kind, called, test.p,
    )  # fmt: skip


def rank_sum(first: np.ndarray, second: np.ndarray) -> Test:
    """Returns Mann and Whitney's rank-sum test; without runs on a side nothing is determined."""
    if not (len(first) and len(second)):
        return Test(None, None)
    found = stats.mannwhitneyu(first, second)
    return Test(float(found.statistic), float(found.pvalue))


def time(name: str, measure: str, both: Sequence[Times]) -> Row:
    """Returns the row of a time: the log-rank test, in which a run that is not there yet counts as later."""
    first, second = both
    return Row(
        name, measure, "steps", *((side.median if len(side.time) else UNKNOWN) for side in both),
        *(f"{int(side.ended.sum())} of {len(side.time)}" for side in both),
        statistics.hazard_ratio(second, first), "how many times as often", "log-rank",
        statistics.log_rank(first, second).p if len(first.time) and len(second.time) else None,
    )  # fmt: skip


def shelf(
    name: str, level: Level, sides: Sequence[Side], shelves: Sequence[Mapping[int, Shelf]]
) -> list[Row]:
    """Returns the rows of one shelf: the share of runs that have it, when it begins, and how long it lasts.

    Times are of the runs that have it; a run that is still on it counts as longer.
    """
    own = [
        [found[run] for run in side.runs if run in found] for side, found in zip(sides, shelves, strict=True)
    ]
    totals = [len(side.runs) for side in sides]
    if all(len(found) < SHOWN * total for found, total in zip(own, totals, strict=True)):
        return []
    digit, known = level
    called = f"shelf at {known.replace('_', ' ')}, digit {digit}"
    shares = [statistics.wilson(len(found), total) for found, total in zip(own, totals, strict=True)]
    counts = [[len(found), total - len(found)] for found, total in zip(own, totals, strict=True)]
    differ = float(shares[1].value or 0) - float(shares[0].value or 0)
    share = Row(
        name, f"{called}: runs that have it", "share", *shares,
        *(f"{len(found)} of {total}" for found, total in zip(own, totals, strict=True)),
        Interval(differ, None, None), "difference of shares", "Fisher", float(stats.fisher_exact(counts)[1]),
    )  # fmt: skip
    onset = [
        Times(np.array([s.first_step for s in found], float), np.ones(len(found), bool)) for found in own
    ]
    length = [
        Times(
            np.array([s.last_step + 1 - s.first_step for s in found], float),
            np.array([s.left for s in found], bool),
        )
        for found in own
    ]
    if not all(own):
        return [share]
    return [share, time(name, f"{called}: from step", onset), time(name, f"{called}: for steps", length)]
