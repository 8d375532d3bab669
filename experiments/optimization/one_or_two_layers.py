"""One layer or two?

    python -m experiments.optimization.one_or_two_layers

Both depths at three rates each (3e-4, 1e-3 and 3e-3); the even seeds choose the rate of the odd ones, and
these that of the even ones. Runs of one seed see the same problems at every step, whatever their depth.

- Sequence mode, most significant digit first: --digits 5, --d_model 128 with 4 heads, --batch 256, decay .1,
  --steps 2500, --seeds 6. All digits of an answer right, teacher-forced, on 1024 fixed problems every 50
  steps: the step at which 99% are, and the share at the end. By digit, the step at which it leaves ln 10.
- Single mode, digits --singles 2 of --third_digits 3: --third_d_model 64, batch 128, --third_steps 2500,
  --single_seeds 8, the same; and the step at which the loss leaves the entropy of the carry, which remains
  when the digit pair is known.
Time: 41 minutes on two cores.
"""

import math
import sys
from typing import Any, NamedTuple

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, exact, interval, mean, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.optimization import best_rate
from experiments.optimization.best_rate import RATES, Arm
from grokjax import figures
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.curves.statistics import Times
from grokjax.theory import columns, sums

DEFAULTS: dict[str, study.Setting] = {
    "digits": 5,
    "d_model": 128,
    "batch": 256,
    "steps": 2500,
    "seeds": 6,
    "singles": (2,),
    "third_digits": 3,
    "third_d_model": 64,
    "third_steps": 2500,
    "single_seeds": 8,
}
LARGE: dict[str, study.Setting] = {
    "steps": 10000,
    "seeds": 32,
    "third_digits": 5,
    "third_d_model": 128,
    "third_steps": 10000,
    "single_seeds": 32,
}
SMALL: dict[str, study.Setting] = {
    "digits": 2,
    "d_model": 8,
    "batch": 16,
    "steps": 20,
    "seeds": 2,
    "singles": (1,),
    "third_digits": 2,
    "third_d_model": 8,
    "third_steps": 20,
    "single_seeds": 2,
}
LEFT, MARGIN, LEARNED, DEPTHS = 0.95, 0.02, 0.5, (1, 2)
"""A level is left below this share of it; shares of right answers within which two depths are as good,
and from which on a depth has learned to add.
"""


class Pair(NamedTuple):
    """One task at both depths, the same seeds in the same order, and the exits from its levels by name."""

    name: str
    arms: tuple[Arm, Arm]
    exits: dict[str, tuple[Times, Times]]
    steps: int


def measure(this: Study) -> Finding:
    """Both depths on every task."""
    n, third = this["digits"], this["third_digits"]
    sequence = pair(this, "sequence", n, digits=n, d_model=this["d_model"], batch=this["batch"])
    singles = [
        pair(
            this,
            f"single digit {digit}",
            third,
            mode="single",
            digits=third,
            digit=digit,
            d_model=this["third_d_model"],
            batch=128,
            seeds=this["single_seeds"],
            steps=this["third_steps"],
        )
        for digit in this["singles"]
    ]
    return Finding(
        task=f"{n}-digit addition, sequence mode, most significant digit first; digits of {third} alone",
        size=f"1 and 2 layers, 4 heads, decay .1, the best of three rates; width {this['d_model']}, batch "
        f"{this['batch']}, {this['steps']} steps; alone: width {this['third_d_model']}, batch 128, "
        f"{this['third_steps']} steps",
        seeds=this.seeds,
        answers=[answer(sequence, singles)],
        numbers={
            one.name: [
                dict(layers=depth, rates=arm.rates, there=arm.right.share, end=statistics.mean(arm.end))
                for depth, arm in zip(DEPTHS, one.arms, strict=True)
            ]
            for one in (sequence, *singles)
        },
        plot=pictured([sequence, *singles]),
    )


def pictured(pairs: list[Pair]) -> figures.Plot:
    """When each run has left ln 10 in every digit, and the level of the carry, and has 99% right."""
    rows = {}
    for one in pairs:
        at_start = [times for name, times in one.exits.items() if name != "carry"]
        for k, depth in enumerate(DEPTHS):
            events = {
                "left ln 10": Times(
                    np.max([times[k].time for times in at_start], 0),
                    np.all([times[k].ended for times in at_start], 0),
                )
            }
            if "carry" in one.exits:
                events["left carry"] = one.exits["carry"][k]
            events["99% right"] = one.arms[k].right
            rows[f"{one.name}, {depth} layer{'s' * (depth > 1)}"] = events
    return figures.times(rows)


def pair(this: Study, name: str, n: int, **options: Any) -> Pair:
    """One task at both depths."""
    sweeps = [
        this.sweep(
            f"{name.replace(' ', '_')}_{depth}",
            layers=depth,
            weight_decay=0.1,
            learning_rate=RATES,
            **options,
        )
        for depth in DEPTHS
    ]
    one, two = (of_rates(sweep) for sweep in sweeps)
    task = sweeps[0].task
    exits: dict[str, tuple[Times, Times]] = {}
    until = lambda column, level: (
        statistics.until_below(one.loss[:, :, column], LEFT * level),
        statistics.until_below(two.loss[:, :, column], LEFT * level),
    )
    if task.mode == "single":
        carry = columns.carry_probability(task.base, task.digit)
        exits["ln 10"] = until(0, math.log(10))
        if task.digit:
            exits["carry"] = until(0, sums.binary_entropy(carry))
    else:
        # the two leading digits do not start at ln 10: the first is 0 or 1, and the next sees it
        exits = {f"digit {digit} leaves ln 10": until(digit, math.log(10)) for digit in range(n - 1)}
    return Pair(name, (one, two), exits, options.get("steps", this["steps"]))


def of_rates(sweep: Sweep) -> Arm:
    """The runs of one depth at the rates that the other half of the seeds chose."""
    at = [np.isclose(sweep.hypers.learning_rate, rate) for rate in RATES]
    right, loss = sweep.metrics["test_exact_match"], sweep.metrics["loss"]
    return best_rate.arm([right[x] for x in at], sweep.metrics["test_step"], [loss[x] for x in at])


def answer(sequence: Pair, singles: list[Pair]) -> Result:
    """000-06."""
    rows = {name: row for i, one in enumerate((sequence, *singles)) for name, row in of_pair(i, one).items()}
    gain = rows["gain_0"]
    learned = max(rows[f"end_0_{depth}"].value or 0 for depth in DEPTHS) > LEARNED
    sooner = two_sooner(sequence)
    return Result(
        "000-06",
        "With two layers nearly all answers are right at {there_0_2}, with one at {there_0_1}.",
        rows,
        "In sequence mode. Two layers: confirmed if they have 99% right sooner (log-rank p < .05), or end "
        "more "
        f"than {MARGIN} above one (whole interval by seed). Refuted, one is enough: the difference lies "
        "within "
        f"{MARGIN} either way, neither is sooner, and one of them has more than half right. Mixed where one "
        "layer is better, open otherwise.",
        "confirmed"
        if sooner == 1 or (gain.low is not None and gain.low > MARGIN)
        else "mixed: one layer is the better one here"
        if sooner == -1 or (gain.high is not None and gain.high < -MARGIN)
        else "refuted"
        if learned and gain.low is not None and gain.low > -MARGIN and (gain.high or 0) < MARGIN
        else "open: the interval reaches over the margin; more seeds would tell"
        if learned
        else "open: neither depth has learned to add in so many steps; more would tell",
        ["A rate serves one half of the seeds, and was chosen by the other."],
    )


def of_pair(i: int, one: Pair) -> dict[str, Measured]:
    """Both depths on the i-th task: times, shares at the end, and exits from levels."""
    rows: dict[str, Measured] = {}
    for depth, arm in zip(DEPTHS, one.arms, strict=True):
        named = f"{one.name}, {depth} layer{'s' * (depth > 1)}"
        rows[f"there_{i}_{depth}"] = time(f"{named}, rate {arm.rates}: 99% right", arm.right, one.steps)
        rows[f"end_{i}_{depth}"] = mean(f"{named}: right at the end", arm.end, "")
    gap = one.arms[1].end - one.arms[0].end
    rows[f"gain_{i}"] = mean(f"{one.name}: right at the end, two layers less one, by seed", gap, "")
    p = statistics.log_rank(*(arm.right for arm in one.arms)).p
    rows[f"p_{i}"] = exact(f"{one.name}: 99% right as soon, log-rank p", 1.0 if p is None else p, "")
    for k, (name, times) in enumerate(one.exits.items()):
        ratio = statistics.paired_ratio(times[1], times[0])
        p_exit = "" if ratio.p is None else f" (sign test p {ratio.p:.2g})"
        rows[f"exit_{i}_{k}"] = interval(
            f"{one.name}, {name}: steps of two layers over those of one, by seed{p_exit}",
            ratio.median,
            "",
            len(times[0].time),
        )
    return rows


def two_sooner(one: Pair) -> int:
    """1 where two layers have 99% right sooner, −1 where later, 0 where the log-rank test does not tell."""
    first, second = (arm.right for arm in one.arms)
    p = statistics.log_rank(first, second).p
    if p is None or p >= 0.05:
        return 0
    return 1 if second.time.mean() < first.time.mean() else -1


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
