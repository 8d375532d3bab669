"""The excess of the tens' level and its parts: answers of `tens_excess`."""

import math

from experiments.frame.bounds import above, below, sided
from experiments.frame.measured import mean
from experiments.frame.result import Result
from experiments.plateaus.tens_level import PARTS, STRATA, Cell, by_cell, decided, mean_of, seen_at

LEAK = 0.01
"""Nats from which on a leak counts."""


def above_exact(cells: list[Cell], top: Cell) -> Result:
    """001-01."""
    excess = mean(f"excess, {top.name}", top.along["excess"], "nats")
    noise = top.along["excess"] - top.averaged["excess"]
    return Result(
        "001-01",
        "At the note's width the level lies {excess} above h(.45); averaging the weights takes off {noise}.",
        dict(
            excess=excess,
            noise=mean("saved by averaging the weights, paired", noise, "nats"),
            seen=seen_at(top),
            **by_cell(cells, lambda one: one.along["excess"], "excess"),
        ),
        f"Confirmed if the excess at {top.name} is above 0 (whole interval), refuted if it is below.",
        decided(
            top,
            sided(excess, 0, "confirmed", "refuted", "open: the interval holds 0; more seeds would tell"),
        ),
    )


def parts_of_excess(cells: list[Cell], top: Cell) -> Result:
    """001-09."""
    excess = mean(f"excess, {top.name}", top.along["excess"], "nats")
    plain = lambda name: name.replace("_", " ")
    parts = {name: mean(f"{plain(name)}, {top.name}", top.along[name], "nats") for name in PARTS[1:]}
    largest = max(parts, key=lambda name: mean_of(top.along[name]) if len(top.along[name]) else -math.inf)
    clear = above(parts["leak"], LEAK) or any(above(parts[name], 0) for name in PARTS[2:])
    return Result(
        "001-09",
        f"Yes, {{excess}} in all; its largest part is {{largest}} of {plain(largest)}.",
        dict(
            excess=excess,
            largest=parts[largest],
            **{
                f"{name}_{key}": row
                for name in PARTS[1:]
                for key, row in by_cell(cells, lambda one, name=name: one.along[name], plain(name)).items()
            },
        ),
        f"Confirmed if the excess is above 0 and a part other than the leak is, or the leak is above "
        f"{LEAK} nats (whole "
        f"intervals), at {top.name}.",
        decided(
            top,
            "confirmed"
            if above(excess, 0) and clear
            else "refuted"
            if below(excess, 0)
            else "open: the intervals hold 0; more seeds would tell",
        ),
        ["Jensen gap: the spread of the log-odds over problems costs loss unless it goes with the carry."],
    )


def more_with_carry(top: Cell) -> Result:
    """001-10."""
    paired = top.along["loss_with_carry"] - STRATA[1] - top.along["loss_without_carry"] + STRATA[0]
    gap = mean("excess on +1 less excess on +0, paired (the note's: .059)", paired, "nats")
    return Result(
        "001-10",
        "From the +0 set to the +1 set the excess changes by {gap}.",
        dict(gap=gap, seen=seen_at(top)),
        f"At {top.name}: confirmed if the paired difference is above 0 (whole interval), refuted if below.",
        decided(
            top,
            sided(gap, 0, "confirmed", "refuted", "open: the interval holds 0; more seeds would tell"),
        ),
    )


def noise_of_a_batch(top: Cell) -> Result:
    """001-11."""
    errors = top.along["sd_with"] / math.sqrt(0.45 * 128)
    return Result(
        "001-11",
        "Yes: in a batch of 128 the loss on the +1 problems has a standard error of {error}.",
        dict(error=mean(f"standard error, {top.name}", errors, "nats")),
        "Confirmed if it is more than a third of the note's excess on that set, .091 nats.",
        decided(top, "confirmed" if mean_of(errors) > 0.091 / 3 else "refuted"),
    )
