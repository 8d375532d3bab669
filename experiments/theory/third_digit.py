"""The note's third digit with and without an MLP, for `no_mlp`."""

from typing import NamedTuple

import numpy as np

from experiments.frame.measured import mean, share, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.theory.frozen_and_live import BELOW, LAST
from grokjax.curves import statistics
from grokjax.curves.statistics import Times
from grokjax.theory import columns, sums

SOLVED = 0.05
"""Nats below which a digit counts as solved."""


class Third(NamedTuple):
    """The losses [S, T] of a third digit without an MLP and with one; when each leaves the level given the
    digit pair, is at half of it, and solves the digit; and their means before steps 1000 and 2000 [S].
    """

    losses: tuple[np.ndarray, np.ndarray]
    level: float
    leave: tuple[Times, Times]
    half: tuple[Times, Times]
    solve: tuple[Times, Times]
    at: dict[int, np.ndarray]

    @property
    def between(self) -> tuple[Times, Times]:
        """From the level to half of it; a run that does not get there within its steps took longer than what
        was left.
        """
        slow, quick = (
            Times(np.maximum(end.time - start.time, 1), end.ended)
            for start, end in zip(self.leave, self.half, strict=True)
        )
        return slow, quick


def trained(this: Study) -> Third:
    """The note's run without an MLP, over seeds, beside the same with one."""
    digit = this["third_digits"] - 1
    without, whole = (
        this.sweep(
            label,
            mlp=label == "with_mlp",
            mode="single",
            digits=this["third_digits"],
            digit=digit,
            d_model=this["third_d_model"],
            num_heads=this["heads"],
            batch=this["batch"],
            weight_decay=0,
            steps=this["third_steps"],
            epoch_steps=100,
        ).metrics["loss"][:, :, 0]
        for label in ("third", "with_mlp")
    )
    level = sums.binary_entropy(columns.carry_probability(10, digit))
    until = lambda nats: (statistics.until_below(without, nats), statistics.until_below(whole, nats))
    at = {
        step: without[:, max(0, step - LAST) : step].mean(1)
        for step in (1000, 2000)
        if step <= without.shape[1]
    }
    return Third((without, whole), level, until(BELOW * level), until(level / 2), until(SOLVED), at)


def claims(found: Third) -> dict[str, bool]:
    """Which of the note's four claims hold."""
    (slow, quick), at, solve = found.between, found.at, found.solve
    slower = statistics.log_rank(slow, quick).p
    return {
        "ln 2 by step 1000": 1000 in at and abs(float(np.median(at[1000])) - found.level) < 0.15,
        "lower by step 2000": 2000 in at and float(np.median(at[2000])) < BELOW * found.level,
        "slowly": slower is not None and slower < 0.05 and slow.ended.mean() <= quick.ended.mean(),
        "without it the digit is solved less often": solve[0].ended.mean() < solve[1].ended.mean(),
    }


def third_digit(found: Third, this: Study) -> Result:
    """001-47."""
    (slow, quick), (leave, leave_mlp), solve, at = found.between, found.leave, found.solve, found.at
    runs, steps = found.losses[0].shape
    held = [name for name, holds in claims(found).items() if holds]
    return Result(
        "001-47",
        "Without an MLP the third digit is at {at_1000} after a thousand steps; {solved} solve it "
        + ("by two thousand." if steps == 2000 else "in the end."),
        dict(
            at_1000=mean("loss at step 1000, no MLP", at.get(1000, np.array([])), "nats"),
            at_2000=mean("loss at step 2000, no MLP", at.get(2000, np.array([])), "nats"),
            leave=time("leaves ln 2, no MLP", leave, steps),
            leave_mlp=time("leaves ln 2, with MLP", leave_mlp, steps),
            slow=time("from ln 2 to half of it, no MLP", slow, steps),
            quick=time("from ln 2 to half of it, with MLP", quick, steps),
            solved=share(f"below {SOLVED} nats at the end, no MLP", int(solve[0].ended.sum()), runs),
            solved_mlp=share(f"below {SOLVED} nats at the end, with MLP", int(solve[1].ended.sum()), runs),
        ),
        "Four claims: the median loss is within .15 nats of the level at step 1000; below .95 of it at "
        "2000; from the level to half of it the log-rank test (p < .05) finds runs without an MLP slower, "
        "and no more of them get there; fewer of them solve the digit. A claim that fails is refuted: "
        "confirmed if all four hold, refuted if none does, mixed otherwise; open without 2000 steps.",
        "confirmed"
        if len(held) == 4
        else "open: too few steps; 2000 would tell"
        if 2000 not in at
        else f"mixed: confirmed {', '.join(held)}; refuted the rest"
        if held
        else "refuted",
        [f"{this['third_digits']} digits, where the note has 5; heads and width are the note's."],
    )
