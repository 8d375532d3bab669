"""How likely the neighbours of the two candidates are, on the shelf where the carry is open: answers of
`naive_phases`.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.frame import snapshots
from experiments.frame.measured import Measured, exact, mean
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax.checkpoints import map_epochs
from grokjax.curves import statistics
from grokjax.interp.addition import evaluation_sets, predictions
from grokjax.run import Run

SHELF = (0.68, 0.80)
"""A training loss (nats) between these is on the shelf where the digit pair is known, the carry is not."""
SIZE = 2000
ALIKE, ROUND, SAME = 0.25, 0.5, 0.1
"""Nats within which the two neighbours are alike; within which the wrap is like other places; and within
which −ln P is a value that somebody names."""
NOTE, NOTES_OTHER = 2 * math.log(10), 4.5
FEW = 8
"""Runs on the shelf below which a setting is listed, and decides nothing."""


class Rest(NamedTuple):
    """−ln P(carry-free sum + r) of the runs that were on the shelf, the mean of the snapshots on it.

    nats: [S, b];  wrap: −ln P(b − 1) where the carry-free sum is 0, less the mean over the other sums [S]
    zeros: the same for the digit pair 0 + 0 alone [S]
    moved: by how much r = 2 … b − 1 change along the shelf [S]
    """

    name: str
    base: int
    nats: Float[np.ndarray, "S base"]
    wrap: Float[np.ndarray, " S"]
    zeros: Float[np.ndarray, " S"]
    moved: Float[np.ndarray, " S"]

    @property
    def beside(self) -> Float[np.ndarray, " S"]:
        """The mean of the two neighbours, r = 2 and r = b − 1."""
        return self.nats[:, [2, -1]].mean(1)


def around(
    fixed: evaluation_sets.Problems, digit: int, run: Run
) -> tuple[Float[Array, "b b"], Float[Array, " b"]]:
    """Mean P(carry-free sum + r) by carry-free sum and r, and the same where both digits are 0."""
    chance = jnp.exp(predictions.log_probabilities(run, fixed.tokens, digit))
    base = chance.shape[-1]
    total = (jnp.asarray(fixed.a) + jnp.asarray(fixed.b))[:, digit]
    turned = jnp.take_along_axis(chance, (total[:, None] + jnp.arange(base)) % base, 1)
    member = (total % base == jnp.arange(base)[:, None]).astype(jnp.float32)
    zero = (total == 0).astype(jnp.float32)
    return member @ turned / member.sum(1, keepdims=True), zero @ turned / zero.sum()


def on_shelf(this: Study, name: str, base: int, digit: int, **options: Any) -> Rest:
    """Train one digit in single mode, and look at the snapshots on its shelf."""
    sweep = this.sweep(
        f"single_{name.replace(', ', '_').replace(' ', '_')}",
        mode="single",
        base=base,
        digit=digit,
        weight_decay=0,
        epoch_steps=50,
        save="every:1",
        **options,
    )
    fixed = evaluation_sets.balanced(sweep.task, max(1, SIZE // base**2))
    by_sum, zero = map_epochs(sweep, functools.partial(around, fixed, digit))
    before = snapshots.losses(sweep, 0)
    on_it = (before >= SHELF[0]) & (before <= SHELF[1])
    runs = [(run, np.flatnonzero(on_it[:, run])) for run in range(sweep.num_runs) if on_it[:, run].any()]
    nats = -np.log(by_sum.mean(2))
    own = -np.log(by_sum[..., -1])
    apart = own[..., 0] - own[..., 1:].mean(-1)
    alone = -np.log(zero[..., -1]) - own[..., 1:].mean(-1)
    of = lambda values: np.array([values[at, run].mean(0) for run, at in runs])
    return Rest(
        name,
        base,
        of(nats).reshape(-1, base),
        of(apart),
        of(alone),
        np.array([(nats[at[-1], run] - nats[at[0], run])[2:].mean() for run, at in runs]),
    )


def within(values: np.ndarray, low: float, high: float) -> bool | None:
    """Whether the whole interval of the mean lies from low to high (True) or wholly outside (False)."""
    found = statistics.mean(values)
    if found.low is None or found.high is None:
        return None
    if low <= found.low and found.high <= high:
        return True
    return False if found.low > high or found.high < low else None


def circle(id: str, rests: Mapping[str, Rest], main: str) -> Result:
    """Are the neighbours alike, does the circle close, and is 2 ln b a law?"""
    one = rests[main]
    last = one.base - 1
    rows = of_neighbours(one)
    rows |= dict(
        apart=mean("−ln P at + 2 less that at + 9, same run", one.nats[:, 2] - one.nats[:, last], "nats"),
        wrap=mean("−ln P(9) where the carry-free sum is 0, less that of + 9 elsewhere", one.wrap, "nats"),
        zeros=mean("the same, digits 0 and 0 alone", one.zeros, "nats"),
        farther=mean("the other digits above these two", one.nats[:, 3:last].mean(1) - one.beside, "nats"),
        moved=mean("change from the first to the last snapshot on the shelf", one.moved, "nats"),
    )
    off = {name: rest.beside - 2 * math.log(rest.base) for name, rest in rests.items()}
    rows |= {
        f"off_{i}": mean(f"{name}: −ln P less 2 ln b", x, "nats") for i, (name, x) in enumerate(off.items())
    }
    known = [within(x, -SAME, SAME) for x in off.values() if len(x) >= FEW]
    parts = {
        "the two are alike": within(one.nats[:, 2] - one.nats[:, last], -ALIKE, ALIKE),
        "the digits form a circle": within(one.zeros, -ROUND, ROUND),
        "2 ln b is a coincidence": True if False in known else False if known and all(known) else None,
    }
    return Result(
        id,
        "The two differ by {apart}; at zero plus zero, where only a circle has nine near, nine costs {zeros} "
        "more.",
        rows,
        f"Whole intervals. Alike: within {ALIKE} nats of each other. A circle: at 0 + 0 −ln P(9) within "
        f"{ROUND} nats of that of + 9 elsewhere. A coincidence: in some base, width or digit with {FEW} runs "
        f"or more −ln P is more than {SAME} nats from 2 ln b; none, if it is within {SAME} nats in all.",
        said(parts),
        [
            "Of the ten digit pairs whose carry-free sum is 0 nine sum to 10, which is next to 9 on a line, "
            "too: 0 + 0 alone tells a circle.",
        ],
    )


def said(parts: Mapping[str, bool | None]) -> str:
    """The verdict of several claims, each held, refuted or undecided."""
    if all(parts.values()):
        return f"confirmed: {', '.join(parts)}"
    if all(held is False for held in parts.values()):
        return "refuted"
    if all(held is None for held in parts.values()):
        return "open: the intervals are too wide; more seeds would tell"
    words = {True: "confirmed", False: "refuted", None: "undecided"}
    return "mixed: " + "; ".join(f"{words[held]} that {name}" for name, held in parts.items())


def fourth_digit(id: str, second: Rest, third: Rest, narrow: Rest) -> Result:
    """Are they around 4.5 on the fourth digit? Judged at the note's width; narrow: digit 3 at another."""
    rows = of_neighbours(third)
    rows |= dict(
        beside=mean(f"mean of the two, {third.name}", third.beside, "nats"),
        second=mean(f"mean of the two, {second.name}", second.beside, "nats"),
        narrow=mean(f"mean of the two, {narrow.name}", narrow.beside, "nats"),
        named=exact("2 ln 10", NOTE),
        moved=mean(f"change along the shelf, {third.name}", third.moved, "nats"),
    )
    if len(second.beside) == len(third.beside):
        rows["change"] = mean("digit 3 less digit 2, by seed", third.beside - second.beside, "nats")
    near = within(third.beside, NOTES_OTHER - SAME, NOTES_OTHER + SAME)
    return Result(
        id,
        "On the fourth digit the −ln P of the two neighbours is {beside} on average, on the third {second}.",
        rows,
        f"At the note's width. Confirmed if the whole interval lies within {SAME} nats of 4.5, refuted if it "
        "lies wholly outside.",
        "confirmed"
        if near
        else "refuted"
        if near is False
        else "open: the interval reaches over 4.6, where 2 ln 10 is; more seeds would tell",
    )


def of_neighbours(one: Rest) -> dict[str, Measured]:
    """−ln P of the two neighbours."""
    return dict(
        two=mean(f"{one.name}: −ln P(carry-free sum + 2)", one.nats[:, 2], "nats"),
        nine=mean(f"{one.name}: −ln P(carry-free sum + {one.base - 1})", one.nats[:, -1], "nats"),
    )
