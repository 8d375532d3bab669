"""What the losses at the tens' level say to the notes: answers of `tens_excess`."""

import numpy as np

from experiments.frame.measured import Measured, exact, mean
from experiments.frame.result import Result
from experiments.plateaus.tens_level import EXACT, STRATA, Cell, by_cell, decided, mean_of, seen_at

NEAR = 0.02
"""Nats within which a loss is the note's."""


def off(one: Cell, losses: tuple[float, float]) -> float:
    """How far the losses on the two sets are from these, in nats, at most."""
    return max(
        abs(mean_of(one.along["loss_without_carry"]) - losses[0]),
        abs(mean_of(one.along["loss_with_carry"]) - losses[1]),
    )


def strata(top: Cell) -> dict[str, Measured]:
    """The losses on the problems without and with a carry."""
    return dict(
        without=mean(f"loss on the +0 set, {top.name}", top.along["loss_without_carry"], "nats"),
        with_carry=mean(f"loss on the +1 set, {top.name}", top.along["loss_with_carry"], "nats"),
        seen=seen_at(top),
    )


def near_rule(top: Cell) -> str:
    """The rule of losses on the two sets."""
    return f"Both losses within {NEAR} nats of the mean at {top.name}: confirmed; else refuted."


def at_log_20_9(cells: list[Cell], top: Cell) -> Result:
    """001-03."""
    return Result(
        "001-03",
        "No: the level is {level}, below log 20/9.",
        dict(
            level=mean(f"loss, {top.name}", top.along["loss"], "nats"),
            **by_cell(cells, lambda one: one.along["loss"], "loss"),
        ),
        f"Confirmed if the level is within {NEAR} nats of log 20/9 = .799, refuted if its interval "
        f"lies below.",
        decided(top, "confirmed" if abs(mean_of(top.along["loss"]) - STRATA[1]) < NEAR else "refuted"),
    )


def both_strata_exactly() -> Result:
    """001-04."""
    return Result(
        "001-04",
        "Yes: 9/20 log 20/9 + 11/20 log 20/11 is the entropy of the carry, {level}.",
        dict(level=exact("entropy of the carry over all 10^4 problems", EXACT)),
        "Confirmed if both sides agree to 1e-12 nats.",
        "confirmed" if abs(EXACT - 0.45 * STRATA[1] - 0.55 * STRATA[0]) < 1e-12 else "refuted",
    )


def strata_measured(top: Cell) -> Result:
    """001-05."""
    return Result(
        "001-05",
        "Done: the losses are {without} on the +0 set and {with_carry} on the +1 set.",
        strata(top)
        | {
            name: mean(f"{name.replace('_', ' ')}, {top.name}", top.along[name], "")
            for name in ("p0_without", "p1_without", "p0_with", "p1_with")
        },
        "Built where both sets hold all problems of their kind.",
        "built: python -m experiments.plateaus.tens_excess",
    )


def predicted(top: Cell) -> Result:
    """001-06."""
    return Result(
        "001-06",
        "Not exactly: {without} and {with_carry}, where log 20/11 and log 20/9 were predicted.",
        strata(top),
        near_rule(top),
        decided(top, "confirmed" if off(top, STRATA) < NEAR else "refuted"),
    )


def alike(top: Cell) -> Result:
    """001-07."""
    return Result(
        "001-07",
        "No: the two sets differ, {without} and {with_carry}.",
        strata(top),
        near_rule(top),
        decided(top, "confirmed" if off(top, (STRATA[1], STRATA[1])) < NEAR else "refuted"),
    )


def as_noted(cells: list[Cell], top: Cell) -> Result:
    """001-08."""
    without, with_carry = top.along["loss_without_carry"], top.along["loss_with_carry"]
    every = {
        **by_cell(cells, lambda one: one.along["loss_without_carry"], "loss on +0"),
        **{
            f"{k}_with": v
            for k, v in by_cell(cells, lambda one: one.along["loss_with_carry"], "loss on +1").items()
        },
    }
    fits = [one.name for one in cells if off(one, (0.630, 0.890)) < NEAR]
    return Result(
        "001-08",
        "At the note's width and the highest rate they are {without} and {with_carry}.",
        strata(top)
        | dict(
            mass=mean("sum of e^−loss (the note's: .943)", np.exp(-without) + np.exp(-with_carry), ""),
            **every,
        ),
        f"Confirmed if at some setting both means lie within {NEAR} nats of the note's .630 and .890.",
        decided(top, f"confirmed: at {fits[0]}" if fits else "refuted: at none of these settings"),
    )
