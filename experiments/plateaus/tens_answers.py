"""What the losses at the tens' level say to the notes: answers of `tens_excess`."""

import math
from collections.abc import Sequence

import numpy as np

from experiments.frame.bounds import above, below, sided, within
from experiments.frame.measured import Measured, count, exact, mean, share
from experiments.frame.result import Result
from experiments.plateaus.tens_level import EXACT, Cell

NEAR = 0.02
"""Nats within which a loss is the predicted one, in 001-03, 001-06 and 001-07."""
WITHOUT, WITH = math.log(20 / 11), math.log(20 / 9)
"""The losses that chances of .55 and .45 have on the +0 and on the +1 set."""
NOTED = (0.630, 0.890)
BATCH, KINDS = 128, dict(without=0.55, **{"with": 0.45})
"""The note does not say how many problems its two sets held: here those of each kind in its smaller batch."""
SIZE_UNKNOWN = f"The note does not say how many problems its sets held; {BATCH} in all is its smaller batch."
UNSEEN = "open: too few runs have such snapshots here; more seeds or denser snapshots would tell"
MARGINS = f"within ±{NEAR} nats (95% interval of the mean over runs inside the margin)"
MANY = "One 95% interval per setting, not adjusted for their number: a few in a hundred miss by chance."


def seen(one: Cell) -> Measured:
    """How many runs have snapshots of the level."""
    count = int((one.stayed > 0).sum())
    return share(
        f"runs with snapshots that know the pair and not the carry, {one.name}", count, len(one.stayed)
    )


def strata(one: Cell) -> dict[str, Measured]:
    """The losses on the problems without and with a carry."""
    return dict(
        without=mean(f"loss on the +0 set, {one.name}", one.known["loss_without"], "nats"),
        with_carry=mean(f"loss on the +1 set, {one.name}", one.known["loss_with"], "nats"),
    )


def shifted(row: Measured, by: float) -> Measured:
    """The number less another one."""
    return row._replace(**{k: x - by for k in ("value", "low", "high") if (x := getattr(row, k)) is not None})


def agrees(rows: Sequence[Measured], losses: Sequence[float]) -> bool | None:
    """Whether losses are the predicted ones: all intervals within the margin; False where one lies outside of
    it, None where neither is shown.
    """
    off = [shifted(row, loss) for row, loss in zip(rows, losses, strict=True)]
    if all(within(row, NEAR) for row in off):
        return True
    return False if any(above(row, NEAR) or below(row, -NEAR) for row in off) else None


def at_log_20_9(top: Cell) -> Result:
    """001-03."""
    level = mean(f"loss, {top.name}", top.known["loss"], "nats")
    same = agrees([level], [WITH])
    return Result(
        "001-03",
        "At the note's width and the highest rate the level is {level}; log 20/9 is {predicted}.",
        dict(
            level=level,
            predicted=exact("log 20/9", WITH),
            window=mean(f"loss, by the window of losses, {top.name}", top.window["loss"], "nats"),
            seen=seen(top),
        ),
        f"The mean loss of the snapshots at {top.name} is compared with log 20/9: confirmed if {MARGINS}, "
        "refuted if the interval lies outside of the margin, else open.",
        UNSEEN if same is None else "confirmed" if same else "refuted",
        [
            "The exact level is the entropy of the carry, .688: that the excess (001-01) lifts it to log "
            "20/9 is so at this width, rate and batch, not at others."
        ],
    )


def both_strata_exactly() -> Result:
    """001-04."""
    return Result(
        "001-04",
        "Yes: 9/20 log 20/9 + 11/20 log 20/11 is the entropy of the carry, {level}.",
        dict(level=exact("entropy of the carry over all 10^4 problems", EXACT)),
        "Confirmed if both sides agree to 1e-12 nats.",
        "confirmed" if abs(EXACT - 0.45 * WITH - 0.55 * WITHOUT) < 1e-12 else "refuted",
    )


def strata_measured(top: Cell) -> Result:
    """001-05."""
    chances = {
        f"{p}_{stratum}": mean(
            f"P(+{p[1]}) on the +{int(stratum == 'with')} set, {top.name}", top.known[f"{p}_{stratum}"], ""
        )
        for p in ("p0", "p1")
        for stratum in ("without", "with")
    }
    return Result(
        "001-05",
        "Done on all problems: the losses are {without} on the +0 set and {with_carry} on the +1 set.",
        strata(top) | chances | dict(seen=seen(top)),
        "Built where both sets hold all problems of their kind.",
        "built: python -m experiments.plateaus.tens_excess",
    )


def compared(id: str, cells: Sequence[Cell], losses: tuple[float, float], what: str) -> Result:
    """The answer to a prediction of the losses on both sets, setting by setting."""
    verdicts = {one.name: agrees(list(strata(one).values()), losses) for one in cells}
    tells = [name for name, same in verdicts.items() if same is not None]
    fits = [name for name in tells if verdicts[name]]
    scored = sum(bool((one.stayed > 0).any()) for one in cells)
    told = f"at {len(fits)} of the {len(tells)} settings that tell"
    return Result(
        id,
        f"{what}: both losses are as predicted at {{fits}}, and at least one is not at {{fails}}.",
        dict(
            fits=count("settings where both agree", len(fits), scored, "settings"),
            fails=count("settings where one differs", len(tells) - len(fits), scored, "settings"),
        ),
        f"At each setting the mean losses on the +0 and +1 sets are compared with {losses[0]:.3f} and "
        f"{losses[1]:.3f}: they agree if both are {MARGINS}, and differ if an interval lies outside of the "
        "margin. Confirmed if all settings that tell agree, refuted if all differ, else mixed.",
        UNSEEN
        if not tells
        else "confirmed"
        if len(fits) == len(tells)
        else f"mixed: it holds {told}"
        if fits
        else "refuted",
        [MANY, "The losses of every setting are among the experiment's numbers."],
    )


def predicted(cells: Sequence[Cell]) -> Result:
    """001-06."""
    return compared("001-06", cells, (WITHOUT, WITH), "Of log 20/11 and log 20/9")


def alike(cells: Sequence[Cell]) -> Result:
    """001-07."""
    return compared("001-07", cells, (WITH, WITH), "Of log 20/9 on both sets")


def jitter(one: Cell, stratum: str) -> np.ndarray:
    """Of each run, how far the loss on the problems of a kind in a batch strays: 1.96 standard errors."""
    return 1.96 * one.known[f"sd_{stratum}"] / math.sqrt(KINDS[stratum] * BATCH)


def as_noted(top: Cell) -> Result:
    """001-08."""
    rows, strays = list(strata(top).values()), [jitter(top, name) for name in ("without", "with")]
    stray = [mean(f"1.96 standard errors, +{i} set", x, "nats") for i, x in enumerate(strays)]
    reach = [row.value for row in stray]
    holds = lambda losses: all(
        row.value is not None and far is not None and abs(row.value - loss) <= far
        for row, far, loss in zip(rows, reach, losses, strict=True)
    )
    exactly = all(
        far is not None and abs(loss - noted) <= far
        for loss, far, noted in zip((WITHOUT, WITH), reach, NOTED, strict=True)
    )
    mass = np.exp(-top.known["loss_without"]) + np.exp(-top.known["loss_with"])
    verdict = (
        UNSEEN
        if None in reach
        else "refuted"
        if not holds(NOTED)
        else "open: sets of that size cannot tell it from log 20/11 and log 20/9; the note's sets would"
        if exactly
        else "confirmed"
    )
    return Result(
        "001-08",
        "At the note's width and the highest rate the two losses are {without} and {with_carry}.",
        strata(top)
        | dict(
            stray_without=stray[0],
            stray_with=stray[1],
            mass=mean("sum of e^−loss (the note's: .943)", mass, ""),
            seen=seen(top),
        ),
        f"The means at {top.name} are compared with the note's {NOTED[0]} and {NOTED[1]}, each within 1.96 "
        f"standard errors of the problems of its kind in a batch of {BATCH}: refuted if one is farther off; "
        "open if the note's are as near to log 20/11 and log 20/9; else confirmed.",
        verdict,
        [SIZE_UNKNOWN],
    )


def noise_of_a_set(top: Cell) -> Result:
    """001-11."""
    noted = NOTED[1] - WITH
    stray = mean(f"1.96 standard errors on the +1 set, {top.name}", jitter(top, "with"), "nats")
    small = mean(f"1.96 standard errors on the +0 set, {top.name}", jitter(top, "without"), "nats")
    return Result(
        "001-11",
        "The loss of a small +1 set strays by ±{stray}; the note's excess on that set is {noted}.",
        dict(
            stray=stray,
            noted=exact("the note's .890 less log 20/9", noted),
            without=small,
            noted_without=exact("the note's .630 less log 20/11", NOTED[0] - WITHOUT),
        ),
        f"1.96 standard errors of the mean loss of the +1 problems in a batch of {BATCH} are compared with "
        "the note's excess on that set: confirmed if the interval is above it, refuted if below, else open.",
        UNSEEN
        if stray.low is None
        else sided(
            stray, noted, "confirmed", "refuted", "open: the interval holds it; more seeds would tell"
        ),
        [SIZE_UNKNOWN],
    )
