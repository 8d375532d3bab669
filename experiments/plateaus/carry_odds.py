"""What odds of no carry to carry does a model give after one digit d of the column below?

    python -m experiments.plateaus.carry_odds

Exact are (10 − d − c) : (d + c), where c is the chance of a carry into the column below.

Single mode, no decay: the tens of 2 digits, --d_model 16, --batch 256, --steps 3000, --seeds 32, on all 10^4
problems; digit 2 of --third_digits 3, --third_d_model 64, batch 256, --third_steps 1500, --fewer 16 seeds, on
20,000 problems. A run is measured at the snapshot whose training loss is nearest to the exact level of "digit
pair and one lower digit" (.4912 for the tens, .5037 for digit 2), and counts if its loss on the problems is
within .03 nats of it. A model that used d alone would have mean log-odds with slope 1 on the exact ones, and
no spread at one d.
Time: 70 s on two cores; GPU: not measured.

Changed after a review: runs that never come near the level took part in the means; and digits in
sequence mode, least significant first, where the digit written before has the same level.
"""

import functools
import math
import sys
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float

from experiments.frame import snapshots, study
from experiments.frame.finding import Finding
from experiments.frame.measured import exact, mean, share
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.plateaus import tolerance
from grokjax import figures
from grokjax.checkpoints import Sweep
from grokjax.curves import shelves, statistics
from grokjax.interp.addition import carry_odds, evaluation_sets, loss_decomposition, predictions
from grokjax.mapping import map_runs
from grokjax.run import Run
from grokjax.theory import columns, sums

DEFAULTS: dict[str, study.Setting] = {
    "d_model": 16,
    "batch": 256,
    "steps": 3000,
    "third_digits": 3,
    "third_d_model": 64,
    "third_steps": 1500,
    "seeds": 32,
    "fewer": 16,
}
LARGE: dict[str, study.Setting] = {"third_steps": 3000, "seeds": 64, "fewer": 64}
SMALL: dict[str, study.Setting] = {
    "d_model": 8,
    "batch": 16,
    "steps": 50,
    "third_digits": 3,
    "third_d_model": 8,
    "third_steps": 50,
    "seeds": 2,
    "fewer": 2,
}
SIZE = 20_000
"""Problems of 3 digits that are measured on; those of 2 digits are enumerated."""
NEAR = 0.03
"""Nats within which a snapshot is at the level."""
SLOPE, SPREAD = (0.8, 1.2), 0.3
"""What counts as the slope of one who uses d alone, and the most that log-odds spread at one d (nats)."""
FEWEST = 5


class Odds(NamedTuple):
    """At the snapshot of each run that is nearest to the level: its loss, and the log-odds by d, for a digit
    of a task.

    rests: which runs have a shelf at the level
    """

    digit: int
    level: float
    loss: Float[np.ndarray, " S"]
    of_means: Float[np.ndarray, "S base"]
    mean: Float[np.ndarray, "S base"]
    deviation: Float[np.ndarray, "S base"]
    exact: Float[np.ndarray, " base"]
    rests: Bool[np.ndarray, " S"]

    @property
    def near(self) -> Bool[np.ndarray, " S"]:
        """The runs that come to the level."""
        return np.abs(self.loss - self.level) <= NEAR

    @property
    def slopes(self) -> Float[np.ndarray, " S"]:
        """Of each run the least-squares slope of `mean` on `exact`, where finite: 1 for d alone."""
        kept = np.isfinite(self.exact)
        x = self.exact[kept] - self.exact[kept].mean()
        return self.mean[:, kept] @ x / (x @ x)


Found = tuple[Float[Array, ""], list[carry_odds.LogOdds]]


def of_run(digit: int, fixed: evaluation_sets.Problems, run: Run) -> Found:
    """The loss on the problems, and the odds by the digit of either operand."""
    log_probs = predictions.log_probabilities(run, fixed.tokens, digit)
    return loss_decomposition.split(log_probs, fixed, digit).loss, [
        carry_odds.given_digit(log_probs, fixed, digit, operand) for operand in (0, 1)
    ]


def odds(sweep: Sweep, digit: int) -> Odds:
    """The odds of a digit, the mean over the two operands."""
    task = sweep.task
    level = sums.carry_entropy(task.base, columns.carry_probability(task.base, digit - 1)).nats
    fixed = evaluation_sets.every(task) if task.num_digits <= 2 else evaluation_sets.drawn(task, SIZE)
    function = functools.partial(of_run, digit, fixed)
    picked = snapshots.runs(sweep, snapshots.nearest(sweep, 0, level))
    loss, both = map_runs(function)(picked)
    at = lambda field: np.mean([getattr(one, field) for one in both], 0)
    curves = sweep.metrics["loss"][:, :, 0]
    on_it = np.array([tolerance.at(shelves.find(curve), level) is not None for curve in curves])
    return Odds(digit, level, loss, at("of_means"), at("mean"), at("deviation"), both[0].exact[0], on_it)


def measure(this: Study) -> Finding:
    """The odds in both modes."""
    alone: dict[str, Any] = dict(mode="single", batch=this["batch"], weight_decay=0, save="every:1")
    single = this.sweep("single", digits=2, digit=1, d_model=this["d_model"], epoch_steps=25, **alone)
    third = this.sweep(
        "third",
        digits=this["third_digits"],
        digit=2,
        d_model=this["third_d_model"],
        seeds=this["fewer"],
        steps=this["third_steps"],
        epoch_steps=10,
        **alone,
    )
    found = [odds(single, 1), odds(third, 2)]
    titles = (
        f"tens of 2 digits alone, width {this['d_model']}",
        f"digit 2 of {this['third_digits']} alone, width {this['third_d_model']}",
    )
    panels = {title: series(one) for title, one in zip(titles, found, strict=True)}
    return Finding(
        task=f"tens of 2-digit addition and digit 2 of {this['third_digits']}-digit addition, each alone",
        size=f"1 layer, 4 heads, batch {this['batch']}, rate 1e-3, no decay; width {this['d_model']}, "
        f"{this['steps']} steps; width {this['third_d_model']}, {this['third_steps']} steps",
        seeds=this.seeds,
        answers=[
            answer("001-39", found[0], (1,)),
            answer("001-40", found[1], (2, 3)),
        ],
        numbers={f"digit {one.digit}": row(one) for one in found},
        plot=figures.points(
            panels,
            xlabel="digit d of one operand in the column below",
            ylabel="ln (no carry : carry), nats",
            joined=False,
        ),
    )


def series(one: Odds) -> dict[str, figures.Points]:
    """The mean log-odds of each run that comes to the level, and the exact ones over them."""
    places = [d for d, x in enumerate(one.exact.tolist()) if math.isfinite(x)]
    own = one.mean[one.near]
    return {
        "each run at the level": figures.Points.of_runs(places, own[:, places].T),
        "exact": figures.Points(places, [(float(one.exact[d]), None, None) for d in places]),
    }


def row(one: Odds) -> dict[str, Any]:
    """The numbers of a digit."""
    return dict(
        level=one.level,
        runs=len(one.loss),
        runs_at_the_level=int(one.near.sum()),
        runs_with_a_shelf=int(one.rests.sum()),
        slope=statistics.mean(one.slopes[one.near]),
        deviation=statistics.mean(one.deviation[one.near].mean(1)),
    )


def answer(id: str, one: Odds, digits: tuple[int, ...]) -> Result:
    """The exact odds by enumeration, and what the runs that come to the level give."""
    off = max(
        abs(enumerated(digit, d) - float(columns.carry_given_digit(10, digit, d)))
        for digit in digits
        for d in range(10)
    )
    near, n, held = int(one.near.sum()), len(one.loss), of_runs(one)
    words = {True: "confirmed", False: "refuted", None: "undecided"}
    what = {True: "know one digit", False: "know more than one digit", None: "may know one digit"}[held]
    law = "Not exact by counting" if off > 1e-12 else "Exact by counting"
    return Result(
        id,
        f"{law}; runs that pass that loss {what}: slope {{slope}} on the exact log-odds, spread {{spread}}.",
        dict(
            law=exact("largest |enumerated P(carry | d) − (d + c) / 10|", off, ""),
            near=share(f"runs that come within {NEAR} nats of {one.level:.4f}", near, n),
            rest=share("runs with a shelf there", int(one.rests.sum()), n),
            slope=mean("slope of their mean log-odds on the exact ones", one.slopes[one.near], ""),
            spread=mean("spread of their log-odds at one d", one.deviation[one.near].mean(1), "nats"),
        ),
        f"Law: confirmed if enumeration agrees to 1e-12. Runs at the level ({FEWEST} or more): confirmed if "
        f"the slope lies from {SLOPE[0]} to {SLOPE[1]} and the spread below {SPREAD} nats, refuted if either "
        "lies outside (whole intervals).",
        "refuted: enumeration disagrees"
        if off > 1e-12
        else "confirmed"
        if held
        else f"mixed: confirmed as a law of the digits; {words[held]} of the runs",
        [f"A shelf lies at the level {tolerance.WINDOW} it."],
    )


def of_runs(one: Odds) -> bool | None:
    """Whether runs at the level use d alone; None where they are too few, or the intervals too wide."""
    slope = statistics.mean(one.slopes[one.near])
    spread = statistics.mean(one.deviation[one.near].mean(1))
    if one.near.sum() < FEWEST or None in (*slope, *spread):
        return None
    low, high = float(slope.low or 0), float(slope.high or 0)
    if low >= SLOPE[0] and high <= SLOPE[1] and float(spread.high or 0) < SPREAD:
        return True
    return False if high < SLOPE[0] or low > SLOPE[1] or float(spread.low or 0) > SPREAD else None


def enumerated(digit: int, d: int) -> float:
    """The share of carries into `digit` among all problems whose first operand has the digit d in the column
    below.
    """
    below = 10 ** (digit - 1)
    first, second = np.arange(below)[:, None] + d * below, np.arange(10 * below)[None]
    return float((first + second >= 10 * below).mean())


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
