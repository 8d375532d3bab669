"""What does the leading digit know on its first shelf, "a little lower than ln 2"?

    python -m experiments.plateaus.leading_digit

The exact level of each candidate, by number of digits, beside where the runs begin to look at places.

Single-digit mode, --lengths 2,3,4,5, --d_model 64 with 4 heads, --batch 128, decay .5, --seeds 8; learning
rate 3e-4 for --steps 1500, and for the first descent 1e-4 for --slow_steps 800. The log-odds on 1024
problems, every 25 steps, are regressed on the digit sum, on the counts of the digits, on each digit at its
own place, and on the sum of the top pair. Two rules. State: at the snapshot whose loss is nearest to the
least loss of logits additive in the counts, the counts give nearly all of the log-odds and places add
nothing. Level: the loss where places first add 2% is that least loss, or that of the digit sum or of the
multiset.
Time: 200 s on two cores; GPU: not measured.

Changed after a first look: the lower rate, and the regression on counts. After the shelf detector was mended:
the rules need no shelf, since few runs have one that is level enough to be found. The rule of the state was
added when that of the level had failed.
"""

import functools
import math
import sys
from typing import Any, NamedTuple

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, exact, mean, share, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import map_epochs
from grokjax.curves import shelves, statistics
from grokjax.interp.addition import evaluation_sets, predictions
from grokjax.run import Run
from grokjax.theory import columns, counts, levels, sums

DEFAULTS: dict[str, study.Setting] = {
    "lengths": (2, 3, 4, 5),
    "d_model": 64,
    "batch": 128,
    "steps": 1500,
    "slow_steps": 800,
    "seeds": 8,
}
SMALL: dict[str, study.Setting] = {
    "lengths": (2,),
    "d_model": 8,
    "batch": 16,
    "steps": 50,
    "slow_steps": 50,
    "seeds": 2,
}
EPOCH, SIZE, THIN_ICE = 25, 1024, 0.0693
COUNTS, ADDED = 0.95, 0.02
"""R² from which on the counts are what a run knows, and what places then add where it goes on."""
ONLY_COUNTS, NOTHING_MORE = 0.98, 0.01
"""R² by the counts, and what places add, of one who knows the counts alone."""
NEAR = 0.02
"""Nats within which two levels are one; the noise of 1024 problems is half of it."""
LATER = (4, 8, 12, 16, 20, 24, 28, 34, 42, 50, 60)
"""The epochs of the faster runs that are looked at."""
WAIT = 50
"""Steps near a level that count as resting there."""
FEATURES = ("digit sum", "digit counts", "each digit at its place", "sum of the top pair")


class Length(NamedTuple):
    """What the runs of one n show.

    exact: candidates by name;  first: shelves at the lower rate
    waits: the longest stretch of each run near ln 2, steps [S]
    level: loss where places begin to add, [S], NaN where they never do;  at: when that is
    r2: [S, 4] by `FEATURES`, where the loss is nearest to that of the counts
    strata: [E, S, 3] at the higher rate;  final: last losses there [S]
    """

    n: int
    exact: dict[str, float]
    first: list[shelves.Shelf | None]
    waits: np.ndarray
    level: np.ndarray
    at: statistics.Times
    r2: np.ndarray
    strata: np.ndarray
    final: np.ndarray


def measure(this: Study) -> Finding:
    """The loss where places begin to add beside the candidates, and what predicts the log-odds there."""
    found = [of_length(this, n) for n in this["lengths"]]
    own = lambda values: [(float(x), None, None) for x in values if np.isfinite(x)]
    dots = lambda of: figures.Points(
        [one.n for one in found for _ in own(of(one))], [x for one in found for x in own(of(one))]
    )
    panels = {
        "loss where places first add 2% (nats)": {
            "each run": dots(lambda one: one.level),
            **{
                name: figures.Points(
                    [one.n for one in found], [(one.exact[name], None, None) for one in found]
                )
                for name in found[0].exact
            },
        },
        "R² of the log-odds at the level of the counts": {
            name: dots(lambda one, i=i: one.r2[:, i]) for i, name in enumerate(FEATURES)
        },
    }
    return Finding(
        task="leading digit of an addition, asked at `=`",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rates 1e-4 and 3e-4, "
        f"decay .5, "
        f"{this['slow_steps']} and {this['steps']} steps",
        seeds=this.seeds,
        answers=answers(this, found),
        numbers={
            f"n_{one.n}": dict(
                exact=one.exact,
                level=one.level,
                runs_with_a_shelf=sum(shelf is not None for shelf in one.first),
                r2=dict(zip(FEATURES, (statistics.mean(values) for values in one.r2.T), strict=True)),
                strata_at_0693=on_thin_ice(one),
                final_loss=statistics.mean(one.final),
            )
            for one in found
        },
        plot=figures.points(panels, xlabel="digits of an operand", ylabel="", sharey=False, joined=False),
    )


def of_length(this: Study, n: int) -> Length:
    """Train at both rates, and look at the log-odds of saved epochs."""
    options = dict(
        mode="single",
        digits=n,
        digit=n,
        d_model=this["d_model"],
        batch=this["batch"],
        epoch_steps=EPOCH,
        save="every:1",
    )
    fast = this.sweep(f"digits_{n}", learning_rate=3e-4, **options)
    slow = this.sweep(f"slow_{n}", learning_rate=1e-4, **{**options, "steps": this["slow_steps"]})
    drawn = evaluation_sets.drawn(fast.task, SIZE)
    early = map_epochs(slow, functools.partial(_log_odds, drawn.tokens))
    late = map_epochs(
        fast,
        functools.partial(_log_odds, drawn.tokens),
        [epoch for epoch in fast.epochs if epoch in LATER] or [0],
    )
    known = {
        level.known.replace("_", " "): level.nats
        for level in levels.atlas(10, n, "msb", "single")
        if level.digit == n and level.known in ("digit_sum", "digit_multiset")
    }
    exact_of_counts = counts.leading_digit(10, n).loss
    steps = np.array([slow.steps(epoch) for epoch in slow.epochs])
    level, at, r2 = on_places(early, drawn, steps, exact_of_counts)
    curves = slow.metrics["loss"][:, :, 0]
    return Length(
        n,
        {**known, "additive in counts": exact_of_counts},
        [first_shelf(curve) for curve in curves],
        np.array([longest(np.abs(smooth(curve) - math.log(2)) < NEAR) for curve in curves]),
        level,
        at,
        r2,
        by_stratum(late, drawn),
        fast.metrics["loss"][:, -100:, 0].mean(1),
    )


def on_places(
    odds: np.ndarray, drawn: evaluation_sets.Problems, steps: np.ndarray, of_counts: float
) -> tuple[np.ndarray, statistics.Times, np.ndarray]:
    """The loss [S] at the last snapshot before places add to the counts, when that is, and R² [S, 4] where
    the loss is nearest to `of_counts`.
    """
    r2 = explained(odds, drawn)
    loss = np.logaddexp(0, np.where(has_carry(drawn), -odds, odds)).mean(-1)
    counted = np.maximum.accumulate(r2[..., 1] > COUNTS, axis=0)
    past = counted & (r2[..., 2] - r2[..., 1] > ADDED)
    seen = past.any(0) & (past.argmax(0) > counted.argmax(0))
    place, run = np.maximum(past.argmax(0) - 1, 0), np.arange(loss.shape[1])
    nearest = np.abs(loss - of_counts).argmin(0)
    return (
        np.where(seen, loss[place, run], np.nan),
        statistics.Times(np.where(seen, steps[place], steps[-1]).astype(float), seen),
        r2[nearest, run],
    )


def smooth(curve: np.ndarray, over: int = 25) -> np.ndarray:
    """A moving mean."""
    return np.convolve(curve, np.full(over, 1 / over), "valid") if len(curve) >= over else curve


def longest(held: np.ndarray) -> int:
    """The longest stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]).astype(int)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _log_odds(tokens: Any, run: Run) -> Any:
    """ln P(1) − ln P(0) of the leading digit."""
    log_probs = predictions.log_probabilities(run, tokens, run.task.digit)
    return log_probs[:, 1] - log_probs[:, 0]


def first_shelf(curve: np.ndarray) -> shelves.Shelf | None:
    """The first shelf of a curve between .3 nats and ln 2 and a bit."""
    return next((shelf for shelf in shelves.find(curve) if 0.3 < shelf.level < math.log(2) + 0.05), None)


def explained(odds: np.ndarray, drawn: evaluation_sets.Problems) -> np.ndarray:
    """R² [E, S, 4] of the log-odds by each of `FEATURES`."""
    digits = np.concatenate([drawn.a, drawn.b], 1)
    one_hot = lambda values, size: (np.asarray(values)[:, None] == np.arange(size)).astype(float)
    tables = [
        digits.sum(1, keepdims=True),
        np.stack([(digits == value).sum(1) for value in range(10)], 1),
        np.concatenate([one_hot(column, 10) for column in digits.T], 1),
        one_hot(drawn.a[:, -1] + drawn.b[:, -1], 19),
    ]
    centred = odds - odds.mean(-1, keepdims=True)
    total = (centred**2).sum(-1)
    bases = [
        np.linalg.svd(x - x.mean(0), full_matrices=False)
        for x in (np.asarray(table, float) for table in tables)
    ]
    fitted = [((centred @ u[:, s > 1e-8 * s[0]]) ** 2).sum(-1) for u, s, _ in bases]
    return np.stack(fitted, -1) / np.maximum(total, 1e-30)[..., None]


def by_stratum(odds: np.ndarray, drawn: evaluation_sets.Problems) -> np.ndarray:
    """Loss [E, S, 3] where the top pair sums to less than 9, to 10 and more, and to 9."""
    top, loss = drawn.a[:, -1] + drawn.b[:, -1], np.logaddexp(0, np.where(has_carry(drawn), -odds, odds))
    return np.stack([loss[..., kept].mean(-1) for kept in (top < 9, top > 9, top == 9)], -1)


def has_carry(drawn: evaluation_sets.Problems) -> np.ndarray:
    """Whether the leading digit is 1, [N]."""
    weights = 10 ** np.arange(drawn.a.shape[1], dtype=object)
    return np.array((drawn.a + drawn.b).astype(object) @ weights >= 10 ** drawn.a.shape[1], bool)


def on_thin_ice(one: Length) -> list[statistics.Interval]:
    """The three strata's losses at each run's epoch whose loss is nearest to .0693."""
    whole = one.strata @ np.array([0.45, 0.45, 0.1])
    nearest = np.abs(whole - THIN_ICE).argmin(0)
    return [statistics.mean(column) for column in one.strata[nearest, np.arange(whole.shape[1])].T]


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
    names = list(found[0].exact)
    levels_ = {
        f"n_{one.n}": mean(f"loss where places first add 2%, n = {one.n}", one.level, "nats") for one in found
    }
    fits = [
        name
        for name in names
        if all(
            abs((row.value or 9) - one.exact[name]) < NEAR
            for one, row in zip(found, levels_.values(), strict=True)
        )
    ]
    r2 = np.concatenate([one.r2 for one in found])
    only = [(one.r2[:, 1] > ONLY_COUNTS) & (one.r2[:, 2] - one.r2[:, 1] < NOTHING_MORE) for one in found]
    state = all(one.mean() > 0.5 for one in only)
    few = sum(one.at.ended.sum() for one in found) < sum(len(one.level) for one in found) / 2
    return Result(
        "001-62",
        "The run counts digits and does not see where they stand: at that level places add {gain} to the "
        "{counts} of "
        "its log-odds that counts give.",
        dict(
            counts=mean(
                "R² of the log-odds by digit counts, where the loss is that of the counts", r2[:, 1], ""
            ),
            gain=mean("what places add to it", r2[:, 2] - r2[:, 1], ""),
            sum=mean("R² by the digit sum", r2[:, 0], ""),
            top=mean("R² by the sum of the top pair", r2[:, 3], ""),
            only=share("runs that are in this state there", int(sum(x.sum() for x in only)), len(r2)),
            rest=share(
                "runs with a shelf between .3 nats and ln 2",
                sum(shelf is not None for one in found for shelf in one.first),
                len(r2),
            ),
            **levels_,
            **{
                f"exact_{i}_{one.n}": exact(f"level of {name}, n = {one.n}", one.exact[name])
                for one in found
                for i, name in enumerate(names)
            },
            **{
                f"at_{one.n}": time(f"step where places first add 2%, n = {one.n}", one.at, one.at.time.max())
                for one in found
            },
        ),
        f"State, confirmed: in most runs of every n counts give {ONLY_COUNTS:.0%} and places add under "
        f"{NOTHING_MORE:.0%} "
        f"where the loss is nearest to that of additive counts. Level, confirmed: where places first add "
        f"{ADDED:.0%} the mean "
        f"loss is within {NEAR} nats of one candidate at every n.",
        "open: half of the runs never get so far; more steps would tell"
        if few
        else f"mixed: {'confirmed' if state else 'refuted'} of the state, "
        f"{'confirmed' if fits else 'refuted'} of a level at which runs rest"
        if state != bool(fits)
        else "confirmed"
        if state
        else "refuted",
        [
            "Multiset and additive counts differ by .005 nats at n = 5: it is the state that tells.",
            "The rule of the state was written when that of the level had failed.",
        ],
    )


def thin_ice(last: Length) -> Result:
    """001-70."""
    ice = on_thin_ice(last)
    n = last.strata.shape[1]
    level = 0.1 * sums.binary_entropy(columns.carry_probability(10, last.n - 1))
    names = ("8 and less", "10 and more", "9")
    measured = {
        f"set_{i}": Measured(f"loss where the top pair sums to {name}", *interval, "nats", n)
        for i, (name, interval) in enumerate(zip(names, ice, strict=True))
    }
    sure = all((x.high or 9) < 0.05 for x in ice[:2])
    thin = abs((ice[2].value or 0) - math.log(2)) < 0.1
    return Result(
        "001-70",
        "True of the problems; a run at that loss is not in that state: the sets without doubt cost "
        "{set_0}, the open one {set_2}.",
        dict(level=exact(f"least loss of one who knows the top pair, n = {last.n}", level), **measured),
        "Problems: confirmed if a tenth is undecided by the top pair and costs ln 2 within .01. Runs, when "
        "their loss "
        "is nearest to .0693: confirmed if both sure sets are below .05 nats and the open one within .1 of "
        "ln 2.",
        "confirmed: of the problems and of the runs"
        if sure and thin
        else "mixed: confirmed of the problems; refuted of the runs, which know something of the open set "
        "and are not "
        "sure of the others",
    )


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


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
