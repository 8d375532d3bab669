"""Does writing the answer from its least significant digit on change how addition is learned?

    python -m experiments.formats.answer_order

The shared runs of n-digit addition (`experiments.frame.adder`: --digits 5, 1 layer, --d_model 128, --batch
256, --steps 2500, --seeds 32) and the same with the least significant digit first; beside them --lengths 2,3
digits at width --narrow 64, --narrow_batch 128, --narrow_steps 6000. 4 heads, both orders on the same seeds.
Time to exact match: the first evaluation (1024 fixed problems every 50 steps) with 99% of the answers right
in every digit. Runs that are not there at their last step count as later: Kaplan-Meier, log-rank tests with
Holm's p over the lengths. Shelves are those of `grokjax.curves.shelves` between ln 10 and .05 nats.
Length generalisation is in formats.positions.
Time: 10 minutes on two cores, the shared training included.
"""

import sys
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.frame import adder, study
from experiments.frame.bounds import above, below
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, exact, interval, mean, share, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax import figures, tasks
from grokjax.checkpoints import Sweep
from grokjax.curves import shelves, statistics
from grokjax.runner import exact as exact_shelves
from grokjax.theory.levels import ORDERS

DEFAULTS: dict[str, study.Setting] = {
    **adder.SIZE,
    "lengths": (2, 3),
    "narrow": 64,
    "narrow_batch": 128,
    "narrow_steps": 6000,
}
LARGE: dict[str, study.Setting] = {"steps": 8000, "seeds": 32, "narrow_steps": 10_000}
SMALL: dict[str, study.Setting] = {
    **adder.TINY,
    "lengths": (1,),
    "narrow": 8,
    "narrow_batch": 16,
    "narrow_steps": 50,
}
MEANINGS = {
    "narrow_batch": "examples of a step of the narrow runs",
    "narrow_steps": "optimiser steps of the narrow runs",
    "lengths": "digits of each operand of the narrow runs, each tried",
}
WRONG, LEVEL = 0.01, 0.05
EQUAL = 1.25
"""Times within this factor of each other count as equal."""
BETWEEN = (0.05, 2.2)
"""Nats between which a shelf is one on the way, below ln 10."""


class Arm(NamedTuple):
    """The runs of one length in one order: shares of wrong answers [S, K], times, runs with a shelf."""

    sweep: Sweep
    wrong: Float[np.ndarray, "S K"]
    times: statistics.Times
    resting: int


def measure(this: Study) -> Finding:
    """Times, final exact match and shelves of both orders."""
    sweeps = {
        (n, order): this.sweep(
            f"{order}_{n}",
            order=order,
            digits=n,
            d_model=this["narrow"],
            batch=this["narrow_batch"],
            steps=this["narrow_steps"],
        )
        for n in this["lengths"]
        for order in ORDERS
    } | {(this["digits"], order): adder.trained(this, order=order) for order in ORDERS}
    arms = {key: arm(sweep) for key, sweep in sweeps.items()}
    lengths = list(dict.fromkeys(n for n, _ in arms))
    return Finding(
        task=f"addition of {', '.join(map(str, lengths))} digits, sequence mode, both answer orders on the "
        "same seeds",
        size=f"1 layer, 4 heads, rate 1e-3; {this['digits']} digits: width {this['d_model']}, batch "
        f"{this['batch']}, decay .1, {this['steps']} steps; else width {this['narrow']}, batch "
        f"{this['narrow_batch']}, decay .5, {this['narrow_steps']} steps",
        seeds=this.seeds,
        answers=[answer(arms, lengths)],
        numbers={
            f"shelves of {order}, {n} digits": shelves_of(one.sweep) for (n, order), one in arms.items()
        },
        plot=figures.times(
            {
                f"{n} digits": {f"{order} first": arms[n, order].times[:2] for order in ORDERS}
                for n in lengths
            },
            xlabel="optimiser step at which 99% of the answers are right in every digit",
        ),
    )


def arm(sweep: Sweep) -> Arm:
    """The runs of a sweep."""
    wrong = 1 - sweep.metrics["test_exact_match"]
    times = statistics.until_below(wrong, WRONG, steps=sweep.metrics["test_step"], smoothing=1)
    rests = lambda run: any(
        BETWEEN[0] < shelf.level < BETWEEN[1] for curve in run.T for shelf in shelves.find(curve)
    )
    return Arm(sweep, wrong, times, sum(rests(run[:, :-1]) for run in sweep.metrics["loss"]))


def shelves_of(sweep: Sweep) -> list[dict[str, Any]]:
    """The levels that the runs show, and how many show them."""
    rows = shelves.table(sweep.metrics["loss"], range(sweep.num_runs))
    return [
        dict(
            digit=level.digit,
            known=level.known,
            exact=level.nats,
            runs=len(runs),
            level=np.mean([shelf.level for shelf in runs.values()]),
        )
        for level, runs in exact_shelves.shown(rows, tasks.exact_levels(sweep.task)).items()
    ]


def of_length(n: int, lsb: Arm, msb: Arm) -> dict[str, Measured]:
    """The times and shelves of both orders at one length, and how they differ by seed."""
    rows = {}
    for order, one in (("lsb", lsb), ("msb", msb)):
        until = float(one.sweep.metrics["test_step"][-1])
        rows[f"{order}_{n}"] = time(f"99% exact match, {order}, {n} digits", one.times, until)
        rows[f"shelf_{order}_{n}"] = share(
            f"runs with a shelf on the way, {order}, {n} digits", one.resting, len(one.wrong)
        )
    ratio = statistics.paired_ratio(lsb.times, msb.times)
    rows[f"ratio_{n}"] = interval(
        f"time of lsb over that of msb, by seed, {n} digits", ratio.median, "", len(lsb.wrong)
    )
    rows[f"wrong_{n}"] = mean(
        f"wrong at the end, msb less lsb, {n} digits", msb.wrong[:, -1] - lsb.wrong[:, -1], ""
    )
    return rows


def answer(arms: dict[tuple[int, str], Arm], lengths: list[int]) -> Result:
    """001-72."""
    rows: dict[str, Measured] = {}
    p = []
    for n in lengths:
        lsb, msb = (arms[n, order] for order in ("lsb", "msb"))
        rows |= of_length(n, lsb, msb)
        test = statistics.log_rank(lsb.times, msb.times).p
        p.append(1.0 if test is None else test)
    holm = dict(zip(lengths, statistics.holm(p), strict=True))
    rows |= {f"p_{n}": exact(f"Holm's p of the log-rank test, {n} digits", x, "") for n, x in holm.items()}
    apart = [n for n in lengths if holm[n] < LEVEL]
    ratios = [rows[f"ratio_{n}"] for n in lengths]
    alike = all(above(ratio, 1 / EQUAL) and below(ratio, EQUAL) for ratio in ratios)
    longest = max(lengths)
    return Result(
        "001-72",
        f"{longest}-digit answers are nearly all right after {{lsb_{longest}}} least significant digit "
        f"first, after {{msb_{longest}}} most significant first.",
        rows,
        "Confirmed if the times to 99% exact match differ at every length (log-rank, Holm's p < "
        f"{LEVEL:g}), refuted if at every length the paired ratio lies within a factor of {EQUAL:g} of 1 "
        "(whole interval), mixed if they differ at some lengths.",
        "confirmed"
        if len(apart) == len(lengths)
        else "refuted"
        if alike
        else f"mixed: confirmed at {' and '.join(map(str, apart))} digits, open at the others"
        if apart
        else "open: no difference is seen, and none is ruled out; more seeds or steps would tell",
        [
            "Answers are scored digit by digit after the right ones, so all right means the same as written "
            "freely."
        ],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
