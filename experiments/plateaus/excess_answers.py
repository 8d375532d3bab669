"""The excess of the tens' level and its parts: answers of `tens_excess`."""

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.frame.bounds import above, below
from experiments.frame.measured import Measured, count, exact, interval, mean
from experiments.frame.result import Result
from experiments.plateaus.tens_answers import UNSEEN, WITH, WITHOUT, seen
from experiments.plateaus.tens_level import Cell
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval

Fits = Mapping[str, tuple[Mapping[str, Interval], int]]
SOURCES = ("leak", "miscalibration", "spread")


def slopes(fits: Fits, names: Sequence[str]) -> dict[str, Measured]:
    """The rows of the regression of some parts."""
    return {
        f"{name}_by_{term}": interval(f"{name}, for twice the {term}", found, "nats", runs)
        for name in names
        if name in fits
        for fit, runs in [fits[name]]
        for term, found in fit.items()
    }


def above_exact(cells: Sequence[Cell], top: Cell, fits: Fits) -> Result:
    """001-01."""
    excess = mean(f"excess, {top.name}", top.known["excess"], "nats")
    window = mean(f"excess, by the window of losses, {top.name}", top.window["excess"], "nats")
    saved = top.known["excess"] - top.averaged["excess"]
    each = {one.short: mean(f"excess, {one.name}", one.known["excess"], "nats") for one in cells}
    verdict = (
        UNSEEN
        if excess.low is None
        else "refuted"
        if below(excess, 0)
        else "open: the interval holds 0; more seeds would tell"
        if not above(excess, 0)
        else "confirmed"
        if above(window, 0)
        else "mixed: above where the carry is not known, and not in a window of losses about h(.45)"
    )
    return Result(
        "001-01",
        "Runs that know the pair but no carry lie {excess} above the carry's entropy; averaging weights "
        "takes off {noise}.",
        dict(
            excess=excess,
            noise=mean("saved by averaging the weights, paired", saved, "nats"),
            window=window,
            averaged=mean("excess of the averaged weights", top.averaged["excess"], "nats"),
            seen=seen(top),
            **slopes(fits, ["excess"]),
            **{name: row for name, row in each.items() if row.n},
        ),
        f"The mean loss of the snapshots at {top.name} is compared with h(.45) = .688 (95% interval over "
        "runs): confirmed if it lies above, both in snapshots chosen by knowledge and in those of the window "
        "of losses; mixed if only in the former; refuted if the former lies below; else open.",
        verdict,
        ["Slopes: least squares over all runs with snapshots, on log rate, log batch and log width."],
    )


def sources(top: Cell) -> dict[str, np.ndarray]:
    """What each source costs, run by run; of the leak what is beyond noise."""
    beyond = top.averaged["leak"] - top.late["leak"]
    return {name: top.known[name] for name in SOURCES} | dict(leak=beyond)


def leading(parts: Mapping[str, np.ndarray]) -> str:
    """The source whose paired lead over each other one is above 0, whole interval; empty if there is none.

    A source that no run shows does not compete.
    """
    there = {name: x for name, x in parts.items() if np.isfinite(x).sum() > 1}
    for name, own in there.items():
        if len(there) > 1 and all(
            above(mean("lead", own - other, "nats"), 0) for rival, other in there.items() if rival != name
        ):
            return name
    return ""


WORDS = dict(leak="leak beyond noise", miscalibration="miscalibration", spread="spread over problems")


def on_both_sets(top: Cell) -> dict[str, Measured]:
    """The excess on either set."""
    return dict(
        without=mean(f"excess on the +0 set, {top.name}", top.known["loss_without"] - WITHOUT, "nats"),
        with_carry=mean(f"excess on the +1 set, {top.name}", top.known["loss_with"] - WITH, "nats"),
    )


def of_sources(excess: Sequence[Measured], parts: Mapping[str, np.ndarray]) -> str:
    """The verdict of 001-09: an excess on both sets, and one source that is larger than every other."""
    over = [above(row, 0) for row in excess]
    if any(row.low is None for row in excess) or np.isfinite(parts["leak"]).sum() < 2:
        return UNSEEN
    if all(over):
        clear = leading(parts)
        return "confirmed" if clear else "mixed: on both sets, but no source is larger than every other"
    if any(over):
        return f"mixed: an excess is shown on the +{over.index(True)} set alone"
    under = all(below(row, 0) for row in excess)
    return "refuted" if under else "open: the intervals hold 0; more seeds would tell"


def of_parts(top: Cell, beyond: np.ndarray) -> dict[str, Measured]:
    """The rows of the four parts, and of the leak beside its noise."""
    rows = {name: mean(f"{name}, {top.name}", top.known[name], "nats") for name in (*SOURCES, "gain")}
    return rows | dict(
        averaged=mean("leak of the averaged weights", top.averaged["leak"], "nats"),
        late=mean("leak of the same runs once solved", top.late["leak"], "nats"),
        beyond=mean("leak of the averaged weights less that of the same run once solved", beyond, "nats"),
    )


def sources_of_excess(top: Cell, fits: Fits) -> Result:
    """001-09."""
    parts, both = sources(top), on_both_sets(top)
    measured = {name: np.nanmean(x) for name, x in parts.items() if np.isfinite(x).any()}
    largest = max(measured, key=lambda name: measured[name], default="spread")
    return Result(
        "001-09",
        f"Of the sources the {WORDS[largest]} has the largest mean, {{largest}}; knowledge of the carry "
        "takes off {gain}.",
        dict(
            largest=mean(f"{WORDS[largest]}, {top.name}", parts[largest], "nats"),
            **of_parts(top, parts["leak"]),
            **both,
            seen=seen(top),
            **slopes(fits, (*SOURCES, "gain")),
        ),
        f"At {top.name} the excess on the +0 and on the +1 set is compared with 0, and each source with the "
        "others, paired by run. Confirmed if both excesses are above 0 and one source is above every other "
        "(95% intervals); mixed if an excess is shown on one set alone, or no source leads; refuted if both "
        "excesses are below 0; else open.",
        of_sources(list(both.values()), parts),
        [
            "Leak + miscalibration + spread − gain is the excess, exactly.",
            "Of the leak only what the averaged weights leak beyond the solved run counts in the comparison; "
            "it is about .1 nats at most, by the choice of snapshots.",
            "The spread is never below 0: it is compared with the other sources, not with 0.",
        ],
    )


def gap(one: Cell) -> np.ndarray:
    """Of each run, the excess on the +1 set less that on the +0 set."""
    return (one.known["loss_with"] - WITH) - (one.known["loss_without"] - WITHOUT)


def counted(gaps: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """At how many settings the excess is larger on the +1 set, and at how many smaller (Holm, .05)."""
    kept = [x[np.isfinite(x)] for x in gaps.values()]
    found = [statistics.paired(x, np.zeros(len(x))).p for x in kept]
    adjusted = statistics.holm([1.0 if p is None else p for p in found]) if found else np.zeros(0)
    clear = [x.mean() for x, p in zip(kept, adjusted, strict=True) if p < 0.05]
    return sum(x > 0 for x in clear), sum(x < 0 for x in clear)


def of_gap(top: Measured, half: float, more: int) -> str:
    """The verdict of 001-10: equal for what the margin is for, or larger."""
    if top.low is None:
        return UNSEEN
    if above(top, 0):
        return "confirmed"
    if not below(top, half):
        return "open: the interval holds 0 and half of the note's difference; more seeds would tell"
    return f"mixed: not at the note's width; larger at {more} other settings" if more else "refuted"


def more_with_carry(cells: Sequence[Cell], top: Cell) -> Result:
    """001-10."""
    gaps = {one.short: gap(one) for one in cells if np.isfinite(gap(one)).sum() > 1}
    more, less = counted(gaps)
    named = lambda one: f"excess on +1 less that on +0, paired, {one.name}"
    of, noted = "settings", 0.89 - 0.63 - WITH + WITHOUT
    main = mean(named(top), gap(top), "nats")
    return Result(
        "001-10",
        "At the note's width the excess on the +1 set less that on the +0 set is {main}; the note's is "
        "{noted}.",
        dict(
            main=main,
            noted=exact("the note's .890 and .630: excess on +1 less that on +0", noted),
            more=count("settings with more excess on the +1 set", more, len(gaps), of),
            less=count("settings with less excess on the +1 set", less, len(gaps), of),
            **{one.short: mean(named(one), gaps[one.short], "nats") for one in cells if one.short in gaps},
        ),
        f"The excesses on the two sets are compared, paired by run, at {top.name}: confirmed if larger on "
        f"+1, refuted if the difference lies below half of the note's, {noted / 2:.3f} (whole interval); "
        "mixed if the latter, and another setting shows more on +1 (t tests at .05, adjusted by Holm); else "
        "open.",
        of_gap(main, noted / 2, more),
        ["The margin was set after the differences were seen: before it, equality could not be shown."],
    )
