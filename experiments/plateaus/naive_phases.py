"""In which order does a model learn to add: digit pair, carries of depth 1, of depth 2?

    python -m experiments.plateaus.naive_phases

And where does the rest of its probability go?

--bases 3,5,10 with 3 digits in sequence mode, most significant first, --d_model 64, --batch 128, --steps
3000, --seeds 8: digit 2, whose carry can come from 1 or 2 columns below. Then the digits 2 and 3 of --digits
4 in single mode, --single_steps 1500, on their shelf near ln 2.
Time: 600 s on two cores that others used too; GPU: not measured.

Found: in every base the digit pair comes first (base 3, 5, 10: medians 75, 162, 288 steps), then carries of
  depth 1 (150, 250, 550), then of depth 2 (188, 538, 1338), in this order in 7, 8 and 8 of 8 runs. In base 10
  these are first crossings of noisy curves: the median of depth 2 is near .65 from step 700 to 3000. Between
  them, where depth 2 decides, the answer with carries of depth 1 rises to .48 in base 10: that phase is real.
  On the ln 2 shelf of single mode −ln P is 4.78 at naive + 2 and 4.77 at naive + 9 in digit 2 (2 ln 10 = 4.61
  is inside the interval), 4.72 and 4.76 in digit 3, in each run alike, and 4 nats more at the other six: the
  leak falls off with the distance on the circle, on both sides of the two candidates.
"""

import functools
import sys
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float

from experiments.frame import snapshots, study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp.addition import carry_free, evaluation_sets, predictions
from grokjax.run import Run

DEFAULTS: dict[str, study.Setting] = {
    "bases": (3, 5, 10),
    "d_model": 64,
    "batch": 128,
    "steps": 3000,
    "seeds": 8,
    "digits": 4,
    "single_steps": 1500,
}
SMALL: dict[str, study.Setting] = {
    "bases": (3,),
    "d_model": 8,
    "batch": 16,
    "steps": 50,
    "seeds": 2,
    "digits": 2,
    "single_steps": 50,
}
SIZE = 1500
"""Problems that are measured on, or all where they are fewer."""
LEARNED = 0.75
"""The mean probability from which on something counts as learned; who knows the digit pair alone has .5 on
each
of the last two.
"""
CURVES = (
    "digit pair: naive or naive + 1",
    "right where depth 1 decides",
    "right where depth 2 decides",
    "depth-1 answer there",
)
SHELF = (0.68, 0.80)
"""A training loss (nats) between these is on the shelf near ln 2."""


def probabilities(
    digit: int,
    fixed: evaluation_sets.Problems,
    run: Run,
) -> tuple[Float[Array, " base"], Float[Array, "depth depth base"]]:
    """Mean P(naive + k) of a run, and `carry_free.shares_by_depth`."""
    log_probs = predictions.log_probabilities(run, fixed.tokens, digit)
    return carry_free.shares(log_probs, fixed, digit)[0], carry_free.shares_by_depth(log_probs, fixed, digit)


def on_problems(
    sweep: Sweep, digit: int
) -> tuple[Float[np.ndarray, "E S base"], Float[np.ndarray, "E S depth depth base"]]:
    """`probabilities` of all runs and saved epochs."""
    task = sweep.task
    fixed = (
        evaluation_sets.every(task)
        if task.base ** (2 * task.num_digits) <= SIZE
        else evaluation_sets.drawn(task, SIZE)
    )
    return map_epochs(sweep, functools.partial(probabilities, digit, fixed))


class Phases(NamedTuple):
    """Of one base: the four curves [E, S] at the steps [E], and when each run learned the first three."""

    steps: np.ndarray
    curves: list[np.ndarray]
    learned: list[statistics.Times]

    @property
    def in_order(self) -> int:
        """The runs that learned all three, each later than the one before by at least a snapshot."""
        first, second, third = (times.time for times in self.learned)
        return int(
            np.sum(self.learned[2].ended & self.learned[1].ended & (first < second) & (second < third))
        )


def phases(this: Study, base: int) -> Phases:
    """The phases of a base."""
    sweep = this.sweep(
        f"base_{base}",
        base=base,
        digits=3,
        d_model=this["d_model"],
        batch=this["batch"],
        weight_decay=0,
        epoch_steps=25,
        save="every:1",
    )
    (whole, shares), steps = on_problems(sweep, 2), np.array([sweep.steps(epoch) for epoch in sweep.epochs])
    curves = [whole[:, :, :2].sum(-1), shares[:, :, 1, 1, 0], shares[:, :, 2, 2, 0], shares[:, :, 2, 1, 0]]
    return Phases(steps, curves, [reached(steps, curve) for curve in curves[:3]])


def reached(steps: np.ndarray, curve: Float[np.ndarray, "E S"]) -> statistics.Times:
    """The first saved step at which a run's curve is at least LEARNED."""
    return statistics.until_below(-curve.T, -LEARNED, steps=steps, smoothing=1)


class Rest(NamedTuple):
    """On the shelf of a digit: −ln P(naive + r), r = 0 … b−1, of each run that is on it for at least a
    snapshot, and at its ends.
    """

    digit: int
    nats: Float[np.ndarray, "S base"]
    first: Float[np.ndarray, "S base"]
    last: Float[np.ndarray, "S base"]


def rest(this: Study, digit: int) -> Rest:
    """Where the probability goes on the shelf of a digit in single mode."""
    sweep = this.sweep(
        f"single_{digit}",
        mode="single",
        digits=this["digits"],
        digit=digit,
        d_model=this["d_model"],
        batch=256,
        weight_decay=0,
        epoch_steps=50,
        save="every:1",
        steps=this["single_steps"],
    )
    before = snapshots.losses(sweep, 0)
    nats = -np.log(on_problems(sweep, digit)[0])
    on_it = (before >= SHELF[0]) & (before <= SHELF[1])
    each = [nats[on_it[:, run], run] for run in range(sweep.num_runs) if on_it[:, run].any()]
    stacked = lambda rows: np.array(rows).reshape(-1, nats.shape[-1])
    return Rest(
        digit,
        stacked([x.mean(0) for x in each]),
        stacked([x[0] for x in each]),
        stacked([x[-1] for x in each]),
    )


def measure(this: Study) -> Finding:
    """Phases in every base, then the rest of the probability."""
    found = {base: phases(this, base) for base in this["bases"]}
    rests = [rest(this, digit) for digit in range(2, this["digits"])]
    panels = {f"base {base}": series(one) for base, one in found.items()}
    return Finding(
        task="3-digit addition, sequence mode, most significant first, digit 2; 4-digit addition, single "
        "mode, digits 2 and 3",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']} (single mode 256), rate "
        "1e-3, no decay, "
        f"{this['steps']} steps (single mode {this['single_steps']})",
        seeds=this.seeds,
        answers=answers(this, found, rests),
        numbers={
            "learned_at": {
                f"base {base}": dict(
                    zip(("digit_pair", "depth_1", "depth_2"), (x.median for x in one.learned), strict=True)
                )
                for base, one in found.items()
            },
            "rest": {f"digit {x.digit}": row(x) for x in rests},
        },
        plot=figures.points(
            panels,
            xlabel="optimiser step",
            ylabel="mean probability, digit 2",
            legend="median and quartiles of runs",
        ),
    )


def series(one: Phases) -> dict[str, figures.Points]:
    """The curves with their quartiles, at most 32 points."""
    kept = slice(None, None, max(1, len(one.steps) // 32))
    quartiles = lambda curve: [tuple(np.quantile(row, (0.5, 0.25, 0.75)).tolist()) for row in curve[kept]]
    return {
        name: figures.Points(one.steps[kept].tolist(), quartiles(curve))
        for name, curve in zip(CURVES, one.curves, strict=True)
    }


def row(one: Rest) -> dict[str, Any]:
    """−ln P(naive + r) along the shelf, and how far it moves from its first to its last snapshot."""
    return dict(
        runs=len(one.nats),
        minus_ln_p=[statistics.mean(one.nats[:, r].tolist()) for r in range(one.nats.shape[1])],
        moved=statistics.mean((one.last - one.first)[:, 2:].mean(1).tolist()),
    )


def answers(this: Study, found: dict[int, Phases], rests: list[Rest]) -> list[Answer]:
    """What the curves say to the notes."""
    runs, largest = len(this.seeds), max(found)
    when = lambda one: ", ".join(said(times.median, ".0f") for times in one.learned)
    orders = "; ".join(f"base {base}: {counted(one.in_order, runs)}" for base, one in found.items())
    all_ended = lambda one: all(times.ended.all() for times in one.learned[:3])
    settled = [base for base, one in found.items() if all_ended(one)]
    low = statistics.wilson(found[largest].in_order, runs).low
    unsettled = "open: not every run got as far; more steps would tell"
    present = [
        base
        for base in settled
        if (share := statistics.wilson(found[base].in_order, runs).low) is not None and share > 0.5
    ]
    of = {one.digit: one for one in rests}
    return [
        Answer(
            "001-12",
            "plot the sum with carries of depth 1 but not 2, and of depth 2",
            f"base {largest}: median step at which digit pair, depth 1, depth 2 are at a probability of "
            f"{LEARNED}",
            when(found[largest]),
            "built: python -m experiments.plateaus.naive_phases",
        ),
        Answer(
            "001-13",
            "shelves of probability, distinguishable phases",
            f"base {largest}: runs that learn digit pair, depth 1, depth 2 in this order, at different "
            "snapshots (every 25 steps)",
            counted(found[largest].in_order, runs),
            ("confirmed" if low is not None and low > 0.5 else "refuted")
            if largest in settled
            else unsettled,
        ),
        Answer(
            "001-14",
            "in other bases, the graph of P(naive + 0/1)",
            "runs in this order, and median steps of the three, by base",
            f"{orders}; {'; '.join(f'base {base}: {when(one)}' for base, one in found.items())}",
            f"confirmed: phases in bases {', '.join(map(str, present))}"
            if present == list(found)
            else f"refuted: phases in bases {', '.join(map(str, present)) or 'none'} alone"
            if len(settled) == len(found)
            else unsettled,
        ),
        circular(of.get(2)),
        beside(of.get(3)),
    ]


NONE = "open: no shelf at this size; more steps or another width would show one"


def circular(one: Rest | None) -> Answer:
    """Whether naive + 2 and naive + b − 1, the neighbours of the two candidates on the circle, are alike and
    above the others.
    """
    question = "naive + 2 and naive + 9 are both around 2 ln 10 = 4.605 on the ln 2 shelf; coincidence?"
    if one is None or len(one.nats) < 2:
        return Answer("001-48", question, "−ln P(naive + r) on the shelf", "no run was on it", NONE)
    nats, last = one.nats, one.nats.shape[1] - 1
    apart = statistics.mean((nats[:, 2] - nats[:, last]).tolist())
    farther = statistics.mean((nats[:, 3:last].mean(1) - nats[:, [2, last]].mean(1)).tolist())
    alike = apart.low is not None and apart.high is not None and apart.low <= 0 <= apart.high
    nearer = farther.low is not None and farther.low > 0
    return Answer(
        "001-48",
        question,
        f"digit {one.digit}, {len(nats)} runs: −ln P at both; their difference (paired); how much higher "
        "the other "
        f"{last - 3} lie (paired); change along the shelf",
        f"{ends(one)}; {said(apart, '+.2f')}; {said(farther, '+.2f')}; {said(row(one)['moved'], '+.2f')}",
        "confirmed: they are alike and above the others, as on a circle"
        if alike and nearer
        else f"refuted: {'alike' if alike else 'not alike'}, and "
        f"{'above the others' if nearer else 'no more likely than the others'}",
    )


def beside(one: Rest | None) -> Answer:
    """Whether the two are around 4.5 in digit 3."""
    question = "on the 4th digit it is around 4.5, not 4.6"
    if one is None or len(one.nats) < 2:
        return Answer("001-49", question, "−ln P(naive + r) on the shelf", "no run was on it", NONE)
    two, nine = (statistics.mean(one.nats[:, r].tolist()) for r in (2, -1))
    near = all(
        x.low is not None and x.high is not None and x.low - 0.1 <= 4.5 <= x.high + 0.1 for x in (two, nine)
    )
    return Answer(
        "001-49",
        question,
        f"digit {one.digit}, {len(one.nats)} runs: −ln P(naive + 2), −ln P(naive + {one.nats.shape[1] - 1}); "
        "change from the shelf's first snapshot to its last",
        f"{ends(one)}; {said(row(one)['moved'], '+.2f')}",
        "confirmed" if near else "refuted: another value here, which drifts along the shelf",
    )


def ends(one: Rest) -> str:
    """−ln P(naive + 2) and −ln P(naive + b − 1)."""
    return ", ".join(said(statistics.mean(one.nats[:, r].tolist()), ".2f") for r in (2, -1))


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
