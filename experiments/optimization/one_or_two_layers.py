"""One layer or two?

    python -m experiments.optimization.one_or_two_layers

The same seeds and batches at both depths: when each shelf is left, and how many problems are right in the
end.

--digits 3, --d_model 64 with 4 heads, --batch 128, rate 1e-3, decay .1, --steps 1500, --seeds 8: sequence
mode, the most significant digit first, and single mode for each of --singles (1, the tens). Runs of one seed
see the same problems at every step, whatever their depth. A shelf is left when the running median of the loss
is below 95% of its level: ln b, and the entropy of the carry, which remains when
the digit pair is known. Exact match: all digits right, on 2048 fresh problems; in single mode the one digit.

Time: 6 minutes on two cores that others used too; GPU: not measured.

Found: two layers leave 4 of 7 shelves sooner (leading digit .63, tens alone from the carry .72, hundreds .78
  of the steps of one layer), the units later (1.26), the tens in sequence mode at the same time. At the end
  they are right as often in sequence mode (.87 and .86), and more often on the tens alone (1.00 and .97).
"""

import math
import sys
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval, Times
from grokjax.theory.columns import carry_probability

DEFAULTS: dict[str, study.Setting] = {
    "digits": 3,
    "d_model": 64,
    "batch": 128,
    "steps": 1500,
    "seeds": 8,
    "singles": (1,),
}
SMALL: dict[str, study.Setting] = {
    "digits": 2,
    "d_model": 8,
    "batch": 16,
    "steps": 20,
    "seeds": 2,
    "singles": (1,),
}
LEFT, EXAMPLES, DEPTHS = 0.95, 2048, (1, 2)


class Shelf(NamedTuple):
    """One shelf of one task at both depths, the same seeds in the same order."""

    place: str
    kind: str
    times: tuple[Times, Times]

    @property
    def ratio(self) -> Interval:
        """Steps of two layers over those of one, geometric mean over the seeds that left it with both."""
        one, two = self.times
        both = one.ended & two.ended
        found = statistics.mean(np.log(np.maximum(two.time[both], 1) / np.maximum(one.time[both], 1)))
        return Interval(*(None if x is None else math.exp(x) for x in found))


def measure(this: Study) -> Finding:
    """The shelves and the exact matches of every task."""
    size = dict(digits=this["digits"], d_model=this["d_model"], batch=this["batch"], weight_decay=0.1)
    tasks: dict[str, tuple[Sweep, Sweep]] = {
        "sequence": pair(this, "sequence", **size),
        **{f"single {k}": pair(this, f"single_{k}", mode="single", digit=k, **size) for k in this["singles"]},
    }
    shelves = [shelf for name, sweeps in tasks.items() for shelf in of_task(name, sweeps)]
    exact = {name: [exact_match(sweep) for sweep in sweeps] for name, sweeps in tasks.items()}
    panels = {
        kind: {
            f"{depth} layer{'s' * (depth > 1)}": figures.Points(
                [s.place for s in shelves if s.kind == kind],
                [s.times[depth - 1].median for s in shelves if s.kind == kind],
            )
            for depth in DEPTHS
        }
        for kind in dict.fromkeys(s.kind for s in shelves)
    }
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode most significant digit first, and single mode",
        size=f"1 and 2 layers, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, decay "
        f".1, {this['steps']} steps",
        seeds=this.seeds,
        answers=[answer(shelves, exact)],
        numbers={
            "shelves": [
                dict(
                    place=s.place,
                    kind=s.kind,
                    left=[t.share for t in s.times],
                    step=[t.median for t in s.times],
                    two_over_one=s.ratio,
                )
                for s in shelves
            ],
            "exact": {name: [statistics.mean(x) for x in both] for name, both in exact.items()},
        },
        plot=figures.points(
            panels,
            xlabel="mode and digit",
            ylabel="step at which the shelf is left",
            scale="log",
            joined=False,
        ),
    )


def pair(this: Study, label: str, **options: Any) -> tuple[Sweep, Sweep]:
    """The sweeps of one layer and of two."""
    one, two = (this.sweep(f"{label}_{depth}", layers=depth, **options) for depth in DEPTHS)
    return one, two


def of_task(name: str, sweeps: tuple[Sweep, Sweep]) -> list[Shelf]:
    """The shelves that the digits of a task have; the digit that follows the leading one in sequence mode
    starts below ln b.
    """
    task, found = sweeps[0].task, []
    for column in sorted(task.columns):
        digit, single = (task.digit, True) if task.mode == "single" else (column, False)
        carry = float(carry_probability(task.base, digit))
        place = f"{'single' if single else 'seq'} {digit}"
        levels = {"ln b": math.log(task.base)} if digit < task.num_digits - (not single) else {}
        levels |= {"carry": -carry * math.log(carry) - (1 - carry) * math.log(1 - carry)} if digit else {}
        for kind, level in levels.items():
            one, two = (
                statistics.until_below(sweep.metrics["loss"][:, :, column], LEFT * level) for sweep in sweeps
            )
            found.append(Shelf(place, kind, (one, two)))
    return found


def exact_match(sweep: Sweep) -> Float[np.ndarray, " S"]:
    """The share of fresh problems of which all answers are right at the end."""
    batch = sweep.task.batch(jax.random.key(0), EXAMPLES)
    right = lambda run: run.scores(batch).correct.all(-1).mean()
    return np.asarray(map_epochs(sweep, right, sweep.epochs[-1:]))[0]


def answer(shelves: list[Shelf], exact: dict[str, list[np.ndarray]]) -> Answer:
    """000-06."""
    both = lambda pair, form: " and ".join(said(x, form) for x in pair)
    text = "; ".join(
        f"{s.place}, {s.kind}: {both([t.median for t in s.times], '.0f')}, ratio {said(s.ratio, '.2f')}"
        for s in shelves
    )
    ends = "; ".join(f"{name} {both(map(statistics.mean, found), '.3f')}" for name, found in exact.items())
    known = [s.ratio for s in shelves if s.ratio.low is not None and s.ratio.high is not None]
    sooner, later = sum(x.high < 1 for x in known), sum(x.low > 1 for x in known)  # type: ignore[operator,misc]
    change = [statistics.mean(two - one) for one, two in exact.values()]
    better, worse = (
        sum(end is not None and sign * end > 0 for x in change for end in [x.low if sign > 0 else x.high])
        for sign in (1, -1)
    )
    summary = (
        f"two layers leave {sooner} of {len(shelves)} shelves sooner and {later} later, and are right more "
        f"often in {better} of "
        f"{len(exact)} tasks and less often in {worse}"
    )
    return Answer(
        "000-06",
        "1L or 2L?",
        "step at which each shelf is left with one layer and with two, medians, and two over one, paired by "
        "seed; exact match at the end",
        f"{text}; exact {ends}",
        f"confirmed: two: {summary}"
        if sooner > len(shelves) / 2 and not worse
        else f"refuted: one is enough here: {summary}"
        if not sooner and not better
        else f"open: it depends on the digit: {summary}",
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
