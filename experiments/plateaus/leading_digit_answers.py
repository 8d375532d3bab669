"""What the runs say of a leading digit's shelves: answers of `leading_digit`."""

import math

import numpy as np

from experiments.frame.bounds import within
from experiments.frame.measured import Measured, exact, mean, share, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.plateaus.digits_and_counts import ADDED, NEAR, THIN_ICE, Length, on_thin_ice
from grokjax.theory import sums

ONLY_COUNTS, NOTHING_MORE = 0.98, 0.01
"""R² by the counts, and what places add, of one who knows the counts alone."""
SURE, IGNORANT = 0.05, 0.1
"""Nats below which a set without doubt is sure, and within which the open set costs ln 2."""
WAIT = 50
"""Steps near a level that count as resting there."""


def answers(this: Study, found: list[Length]) -> list[Result]:
    """The four rows on the leading digit."""
    return [first_level(this, found), its_level(found), thin_ice(found[-1]), lower(this, found)]


def first_level(this: Study, found: list[Length]) -> Result:
    """001-61."""
    waits = {one.n: int((one.waits >= WAIT).sum()) for one in found}
    runs, all_runs = this["seeds"], this["seeds"] * len(found)
    return Result(
        "001-61",
        "Few runs rest at ln 2: {rest} stay near it for fifty steps.",
        dict(
            rest=share(
                f"runs of all n that stay within {NEAR} nats of ln 2 for {WAIT} steps",
                sum(waits.values()),
                all_runs,
            ),
            **{f"n_{n}": share(f"of these, n = {n}", k, runs) for n, k in waits.items()},
        ),
        f"Confirmed if more than half of the runs stay within {NEAR} nats of ln 2 for {WAIT} steps, "
        f"refuted if fewer than "
        "a quarter do.",
        "confirmed"
        if sum(waits.values()) > all_runs / 2
        else "refuted"
        if sum(waits.values()) < all_runs / 4
        else "mixed: some runs rest there, others pass",
        ["At rate 1e-4 in single mode; a moving mean of 25 steps."],
    )


def its_level(found: list[Length]) -> Result:
    """001-62."""
    levels = {
        f"n_{one.n}": mean(f"loss where places first add 2%, n = {one.n}", one.level, "nats") for one in found
    }
    only = [(one.r2[:, 1] > ONLY_COUNTS) & (one.r2[:, 2] - one.r2[:, 1] < NOTHING_MORE) for one in found]
    state = all(one.mean() > 0.5 for one in only)
    fits = any(
        all(
            abs((row.value or 9) - one.exact[name]) < NEAR
            for one, row in zip(found, levels.values(), strict=True)
        )
        for name in found[0].exact
    )
    few = sum(one.at.ended.sum() for one in found) < sum(len(one.level) for one in found) / 2
    return Result(
        "001-62",
        "Where the loss is nearest to the best guess from digit counts, counts explain {counts} of the "
        "model's log-odds; each digit's place adds {gain}.",
        of_state(found, int(sum(one.sum() for one in only))) | levels | beside_levels(found),
        f"State, confirmed: in most runs of every n counts give {ONLY_COUNTS:.0%} and places add under "
        f"{NOTHING_MORE:.0%} "
        f"where the loss is nearest to that of additive counts. Level, confirmed: where places first add "
        f"{ADDED:.0%} the mean "
        f"loss is within {NEAR} nats of one candidate at every n.",
        "open: half of the runs never get so far; more steps would tell"
        if few
        else f"mixed: {'confirmed' if state else 'refuted'} of the state, "
        f"{'confirmed' if fits else 'refuted'} that places begin to count at one candidate's level"
        if state != fits
        else "confirmed"
        if state
        else "refuted",
        [
            "Multiset and additive counts differ by .005 nats at n = 5: it is the state that tells.",
            "The rule of the state was written when that of the level had failed.",
        ],
    )


def of_state(found: list[Length], only: int) -> dict[str, Measured]:
    """What predicts the log-odds where the loss is that of the counts; only: runs that know these alone."""
    r2 = np.concatenate([one.r2 for one in found])
    return dict(
        counts=mean("R² of the log-odds by digit counts, where the loss is that of the counts", r2[:, 1], ""),
        gain=mean("what places add to it", r2[:, 2] - r2[:, 1], ""),
        sum=mean("R² by the digit sum", r2[:, 0], ""),
        top=mean("R² by the sum of the top pair", r2[:, 3], ""),
        only=share("runs that are in this state there", only, len(r2)),
        rest=share(
            "runs with a shelf between .3 nats and ln 2",
            sum(shelf is not None for one in found for shelf in one.first),
            len(r2),
        ),
    )


def beside_levels(found: list[Length]) -> dict[str, Measured]:
    """The exact level of every candidate, and when places first add to the counts."""
    return {
        f"exact_{i}_{one.n}": exact(f"level of {name}, n = {one.n}", one.exact[name])
        for one in found
        for i, name in enumerate(found[0].exact)
    } | {
        f"at_{one.n}": time(f"step where places first add 2%, n = {one.n}", one.at, one.at.time.max())
        for one in found
    }


def undecided(n: int) -> tuple[float, float]:
    """The share of top pairs that leave the leading digit open, and the loss (nats) there of one who knows
    the top pair alone: both by enumeration of the pairs and of the operands below them.
    """
    below = 10 ** (n - 1)
    top = np.add.outer(np.arange(10), np.arange(10)) * below
    open_ = (top < 10 * below) & (top + 2 * (below - 1) >= 10 * below)
    # with top pairs of sum t below, x + y reach 10 below in as many y as lie above 10 below − t below − x
    least = 10 * below - np.unique(top[open_])[:, None] - np.arange(below)
    carry = float(np.clip(below - least, 0, below).mean() / below)
    return float(open_.mean()), sums.binary_entropy(carry)


def thin_ice(last: Length) -> Result:
    """001-70."""
    ice = on_thin_ice(last)
    n = last.strata.shape[1]
    part, cost = undecided(last.n)
    names = ("8 and less", "10 and more", "9")
    measured = [
        Measured(f"loss where the top pair sums to {name}", *interval, "nats", n)
        for name, interval in zip(names, ice, strict=True)
    ]
    rows = {f"set_{i}": row for i, row in enumerate(measured)} | dict(
        sure=max(measured[:2], key=lambda row: row.value or 0.0),
        part=exact("share of problems that the top pair leaves open", part, ""),
        open=exact("their least loss of one who knows the top pair", cost),
        level=exact(f"least loss of one who knows the top pair, n = {last.n}", part * cost),
    )
    problems = abs(part - 0.1) < 1e-12 and abs(cost - math.log(2)) < 0.01
    parts = {
        "the problems are so": problems,
        "runs at that loss are sure of the ninety": all((row.high or 9) < SURE for row in measured[:2]),
        "they know nothing of the ten": within(shifted(measured[2], -math.log(2)), IGNORANT),
    }
    kinds = set(parts.values())
    yes, no = ([claim for claim, holds in parts.items() if holds is which] for which in (True, False))
    return Result(
        "001-70",
        ("True of the problems" if problems else "Not true of the problems")
        + (
            ": at that loss runs are sure of the ninety ({sure} at most) and know part of the ten ({set_2})."
            if list(parts.values())[1:] == [True, False]
            else "; at that loss the sets without doubt cost runs {sure} at most, the open one {set_2}."
        ),
        rows,
        "Problems: confirmed if the top pair leaves a tenth of them open, which costs ln 2 within .01, by "
        "enumeration. Runs, when their loss is nearest to .0693: sure of the ninety if both sure sets are "
        f"below {SURE} nats, ignorant of the ten if the open set is within {IGNORANT} of ln 2 (whole "
        "intervals). What does not hold is refuted.",
        ("confirmed" if kinds == {True} else "refuted")
        if len(kinds) == 1
        else f"mixed: confirmed that {', '.join(yes)}; refuted that {', '.join(no)}",
    )


def shifted(row: Measured, by: float) -> Measured:
    """The number with its interval, moved."""
    move = lambda end: None if end is None else end + by
    return row._replace(value=move(row.value), low=move(row.low), high=move(row.high))


def lower(this: Study, found: list[Length]) -> Result:
    """001-71."""
    under = {one.n: int((one.final < 0.9 * THIN_ICE).sum()) for one in found}
    runs, last = this["seeds"], found[-1]
    return Result(
        "001-71",
        "It does go lower: {under} end below it, at {final}.",
        dict(
            under=share(f"runs below .9 × .0693 at the end, n = {last.n}", under[last.n], runs),
            final=mean(f"loss of the last 100 of {this['steps']} steps, n = {last.n}", last.final, "nats"),
            **{f"under_{n}": share(f"the same, n = {n}", k, runs) for n, k in list(under.items())[:-1]},
        ),
        "Confirmed if more than half of the runs of every n end below .9 × .0693 nats, refuted if none does.",
        "confirmed"
        if min(under.values()) > runs / 2
        else "refuted"
        if max(under.values()) == 0
        else "mixed: at some n only",
        ["The next level, two pairs known, is .0069; runs do not stop at either."],
    )
