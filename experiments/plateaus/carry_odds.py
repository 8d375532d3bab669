"""What odds of no carry to carry does a model give after one digit d of the column below?

    python -m experiments.plateaus.carry_odds

What odds of no carry to carry does a model give after one digit d of the column below: the exact (10 − d −
c):(d + c)?

The tens of 2 digits in single mode, --d_model 16, --batch 256, --steps 3000; digits 1 and 2 of 3 digits in
sequence mode, least significant first, --sequence_d_model 64, --sequence_batch 128, --sequence_steps 1500;
--seeds 8. Each run is measured at the snapshot whose loss is nearest to the exact level of "digit pair and
one
lower digit", .4912 in digit 1 and .5037 in digit 2.
Time: 150 s on two cores that others used too; GPU: not measured.

Found: the odds are exact as a law of the digits (with c = .45 in digit 2), but no run rests at its level, and
  no run's odds are these when
its loss passes there: they are flatter in d (slope .57 of the mean log-odds on the exact ones in single mode,
  .45 and .36 in sequence mode) and spread by 1.6 to 1.7 nats at one d, where a model that used d alone would
  have slope 1 and no spread. What is used is more than one digit, and not yet well.
"""

import functools
import math
import sys
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float

from experiments.frame import snapshots, study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Study
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
    "sequence_d_model": 64,
    "sequence_batch": 128,
    "sequence_steps": 1500,
    "seeds": 8,
}
SMALL: dict[str, study.Setting] = {
    "d_model": 8,
    "batch": 16,
    "steps": 50,
    "sequence_d_model": 8,
    "sequence_batch": 16,
    "sequence_steps": 50,
    "seeds": 2,
}
SIZE = 5000
"""Problems of 3 digits that are measured on; those of 2 digits are enumerated."""
NEAR = 0.05
"""A run was on a level if a snapshot's loss is within this of it (nats), and stays there if a shelf is."""


class Odds(NamedTuple):
    """At the snapshot of each run that is nearest to the level: its loss, and the log-odds by d, for a digit
    of a task.

    shelves: how many runs have a shelf at the level;  slope: of the mean log-odds of a run on the exact ones
    """

    name: str
    digit: int
    level: float
    loss: Float[np.ndarray, " S"]
    of_means: Float[np.ndarray, "S base"]
    mean: Float[np.ndarray, "S base"]
    deviation: Float[np.ndarray, "S base"]
    exact: Float[np.ndarray, " base"]
    shelves: int

    @property
    def slope(self) -> statistics.Interval:
        """The least-squares slope of `mean` on `exact`, where finite: 1 for a run that knows d alone."""
        kept = np.isfinite(self.exact)
        features = np.stack([self.exact[kept], np.ones(kept.sum())], 1)
        return statistics.coefficients(features, self.mean[:, kept])[0]

    @property
    def error(self) -> statistics.Interval:
        """The largest |of_means − exact| over d, of each run."""
        kept = np.isfinite(self.exact)
        return statistics.mean(np.abs(self.of_means - self.exact)[:, kept].max(1).tolist())


Measured = tuple[Float[Array, ""], list[carry_odds.LogOdds]]


def of_run(digit: int, fixed: evaluation_sets.Problems, run: Run) -> Measured:
    """The loss on the problems, and the odds by the digit of either operand."""
    log_probs = predictions.log_probabilities(run, fixed.tokens, digit)
    return loss_decomposition.split(log_probs, fixed, digit).loss, [
        carry_odds.given_digit(log_probs, fixed, digit, operand) for operand in (0, 1)
    ]


def odds(sweep: Sweep, name: str, digit: int) -> Odds:
    """The odds of a digit, the mean over the two operands."""
    task, column = sweep.task, 0 if sweep.task.mode == "single" else digit
    level = sums.carry_entropy(task.base, columns.carry_probability(task.base, digit - 1)).nats
    fixed = evaluation_sets.every(task) if task.num_digits <= 2 else evaluation_sets.drawn(task, SIZE)
    function = functools.partial(of_run, digit, fixed)
    picked = snapshots.runs(sweep, snapshots.nearest(sweep, column, level))
    loss, both = map_runs(function)(picked)
    at = lambda field: np.mean([getattr(one, field) for one in both], 0)
    curves = sweep.metrics["loss"][:, :, column]
    on_it = sum(statistics.at_level(shelves.find(curve), level, NEAR) is not None for curve in curves)
    return Odds(
        name, digit, level, loss, at("of_means"), at("mean"), at("deviation"), both[0].exact[0], on_it
    )


def measure(this: Study) -> Finding:
    """The odds in both modes."""
    single = this.sweep(
        "single",
        mode="single",
        digits=2,
        digit=1,
        d_model=this["d_model"],
        batch=this["batch"],
        weight_decay=0,
        epoch_steps=50,
        save="every:1",
    )
    sequence = this.sweep(
        "lsb",
        digits=3,
        order="lsb",
        d_model=this["sequence_d_model"],
        batch=this["sequence_batch"],
        weight_decay=0,
        steps=this["sequence_steps"],
        epoch_steps=25,
        save="every:1",
    )
    found = [
        odds(single, "single mode", 1),
        odds(sequence, "sequence, lsb", 1),
        odds(sequence, "sequence, lsb", 2),
    ]
    panels = {f"{one.name}, digit {one.digit}": series(one) for one in found}
    return Finding(
        task="tens of 2-digit addition, single mode; 3-digit addition, sequence mode, least significant "
        "first",
        size=f"1 layer, 4 heads, rate 1e-3, no decay; width {this['d_model']}, batch {this['batch']}, "
        f"{this['steps']} steps; width "
        f"{this['sequence_d_model']}, batch {this['sequence_batch']}, {this['sequence_steps']} steps",
        seeds=this.seeds,
        answers=[
            answer(found[:2], 1, "001-39", "O(+0:+1 | d) = (10 − d) : d when digit = 1"),
            answer(found[2:], 2, "001-40", "similarly for higher digits"),
        ],
        numbers={f"{one.name}, digit {one.digit}": row(one) for one in found},
        plot=figures.points(
            panels,
            xlabel="digit d of one operand in the column below",
            ylabel="ln (no carry : carry)",
            joined=False,
        ),
    )


def series(one: Odds) -> dict[str, figures.Points]:
    """Exact odds, those of the mean chances, and the mean log-odds."""
    places = list(range(len(one.exact)))
    means = lambda values: [statistics.mean(column.tolist()) for column in values.T]
    finite = [(x, None, None) if math.isfinite(x) else (None, None, None) for x in one.exact.tolist()]
    return {
        "exact": figures.Points(places, finite),
        "of the mean chances": figures.Points(places, means(one.of_means)),
        "mean log-odds": figures.Points(places, means(one.mean)),
    }


def row(one: Odds) -> dict[str, Any]:
    """The numbers of a digit."""
    near = int((np.abs(one.loss - one.level) <= NEAR).sum())
    return dict(
        level=one.level,
        runs=len(one.loss),
        runs_near_the_level=near,
        runs_with_a_shelf=one.shelves,
        loss=statistics.mean(one.loss.tolist()),
        slope=one.slope,
        largest_error_of_means=one.error,
        deviation=statistics.mean(one.deviation.mean(1).tolist()),
    )


def answer(found: list[Odds], digit: int, id: str, question: str) -> Answer:
    """The exact odds by enumeration, and what the runs give."""
    off = max(abs(enumerated(digit, d) - float(columns.carry_given_digit(10, digit, d))) for d in range(10))
    shown = "; ".join(
        f"{one.name}: {counted(one.shelves, len(one.loss))}, error {said(one.error, '.2f')}, slope "
        f"{said(one.slope, '.2f')}, "
        f"deviation {said(row(one)['deviation'], '.2f')}"
        for one in found
    )
    form = "c = 0" if digit == 1 else "(10 − d − c) : (d + c), c = .45"
    rests = "; no run rests at that level" if not any(one.shelves for one in found) else ""
    return Answer(
        id,
        question,
        f"enumerated P(carry | d) − (d + c)/10, largest; runs with a shelf at {found[0].level:.4f}; at the "
        "snapshot nearest "
        "to it: error of the log-odds of the mean chances, slope of the mean log-odds on the exact ones, "
        "their deviation at one d",
        f"{off:.1g}; {shown}",
        f"confirmed: as a law of the digits ({form}){rests}" if off < 1e-12 else "refuted",
    )


def enumerated(digit: int, d: int) -> float:
    """The share of carries into `digit` among all problems whose first operand has the digit d in the column
    below.
    """
    below = 10 ** (digit - 1)
    first, second = np.arange(below)[:, None] + d * below, np.arange(10 * below)[None]
    return float((first + second >= 10 * below).mean())


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
