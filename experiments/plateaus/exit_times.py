"""When does a digit leave ln b, by base, digit and number of digits?

    python -m experiments.plateaus.exit_times

Sequence mode, most significant digit first, and a fitted law.

--bases 3,5,7,10,16 at --digits 3; in base 10 also --lengths 2,4,5; --d_model 64 with 4 heads, --batch 128,
--steps 3000, --seeds 8. The exit is the first step at which the running median of the loss is below 95% of ln
b. The digit that follows the leading one starts below ln b, since it sees that digit: it is left out.

The law is an accelerated failure time model: ln(step) is normal about constant + power·ln b + column·k +
digits·n + both·k·ln b, runs that have not left count as later than their last step, and whole seeds are drawn
again for the intervals. Its fit is told beside it: the share of the variance between cells' medians that it
explains. The 5-digit question is asked at --wide 128 as well, at the batch and rate of the notes.
Time: 14 minutes on two cores; GPU: not measured.
"""

import math
import sys
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import interval, share, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax import figures
from grokjax.curves import statistics

DEFAULTS: dict[str, study.Setting] = {
    "bases": (3, 5, 7, 10, 16),
    "digits": 3,
    "lengths": (2, 4, 5),
    "d_model": 64,
    "batch": 128,
    "wide": 128,
    "steps": 3000,
    "wide_steps": 1500,
    "seeds": 8,
}
LARGE: dict[str, study.Setting] = {"d_model": 128, "steps": 6000, "seeds": 32}
SMALL: dict[str, study.Setting] = {
    "bases": (3,),
    "digits": 2,
    "lengths": (3,),
    "d_model": 8,
    "batch": 16,
    "wide": 8,
    "steps": 20,
    "wide_steps": 20,
    "seeds": 2,
}
LEFT = 0.95
DRAWS = 200
"""Draws of whole seeds for the intervals of the law."""
TERMS = ("constant", "power_of_base", "per_column", "per_digit", "column_by_base")


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
    law, explained = fitted(cells)
    wide = of_task(this, 10, max(cell.n for cell in cells), wide=True)
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
        answers=[its_law(cells, law, explained), first_descent(this, cells, wide)],
        numbers={
            "exits": [
                dict(base=c.base, n=c.n, digit=c.digit, median=c.times.median, left=c.times.share)
                for c in cells
            ],
            "law_of_ln_step": law,
            "explained": explained,
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


def of_task(this: Study, base: int, n: int, wide: bool = False) -> list[Cell]:
    """The exits of the digits that start at ln b; at the notes' width, batch and rate, or the others'."""
    size = (
        dict(d_model=this["wide"], batch=2 * this["batch"], steps=this["wide_steps"])
        if wide
        else dict(d_model=this["d_model"], batch=this["batch"])
    )
    label = f"base_{base}_digits_{n}" + ("_wide" if wide else "")
    loss = this.sweep(label, base=base, digits=n, **size).metrics["loss"]
    return [
        Cell(base, n, digit, statistics.until_below(loss[:, :, digit], LEFT * math.log(base)))
        for digit in range(n - 1)
    ]


def fitted(cells: list[Cell]) -> tuple[dict[str, statistics.Interval], float]:
    """The law by `TERMS`, with intervals from drawing whole seeds again, and the share of the variance
    between the cells' median ln(step) that it explains.
    """
    features = np.array(
        [(1.0, math.log(cell.base), cell.digit, cell.n, cell.digit * math.log(cell.base)) for cell in cells]
    )
    steps = np.log(np.maximum([cell.times.time for cell in cells], 1.0))
    ended = np.array([cell.times.ended for cell in cells])
    best, random = censored(features, steps, ended), np.random.default_rng(0)
    seeds = steps.shape[1]
    draws = [random.integers(0, seeds, seeds) for _ in range(DRAWS)]
    drawn = np.array([censored(features, steps[:, kept], ended[:, kept], best) for kept in draws])
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    seen = np.array([cell.times.median.value is not None for cell in cells])
    medians = np.log([cell.times.median.value or 1.0 for cell in cells])[seen]
    rest = medians - (features @ best[:-1])[seen]
    explained = 1 - rest.var() / medians.var() if seen.sum() > len(TERMS) and medians.var() else math.nan
    law = {
        name: statistics.Interval(float(best[i]), float(low[i]), float(high[i]))
        for i, name in enumerate(TERMS)
    }
    return law, float(explained)


def censored(
    features: np.ndarray, steps: np.ndarray, ended: np.ndarray, first: np.ndarray | None = None
) -> np.ndarray:
    """The coefficients, and ln of the spread, of greatest likelihood: normal ln(step) [N, S], of which those
    that have not ended are greater.
    """

    def loss(at: np.ndarray) -> float:
        off = (steps - (features @ at[:-1])[:, None]) / np.exp(at[-1])
        likely = np.where(ended, norm.logpdf(off) - at[-1], norm.logsf(off))
        return float(-likely.sum() + 1e-6 * at @ at)

    if first is None:
        plain = np.linalg.lstsq(features, steps.mean(1), rcond=None)[0]
        first = np.append(plain, 0.0)
    return minimize(loss, first, method="L-BFGS-B").x


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


def its_law(cells: list[Cell], law: dict[str, statistics.Interval], explained: float) -> Result:
    """001-15."""
    seeds = len(cells[0].times.ended)
    left, runs = (sum(int(c.times.ended.sum()) for c in cells), sum(len(c.times.ended) for c in cells))
    rows = {name: interval(name.replace("_", " "), law[name], "", seeds) for name in TERMS}
    power = law["power_of_base"]
    settled = left > runs / 2 and explained > 0.8
    apart = [
        n.replace("_", " ")
        for n, x in law.items()
        if n != "constant" and x.low is not None and x.high is not None and not x.low <= 0 <= x.high
    ]
    return Result(
        "001-15",
        "At digit 0 the step grows as the base to the power {power_of_base}, and by a factor e^{per_digit} "
        "for each digit of the operands.",
        dict(
            power_of_base=rows["power_of_base"],
            per_digit=rows["per_digit"],
            **{name: rows[name] for name in ("constant", "per_column", "column_by_base")},
            explained=interval(
                "variance of the cells' median ln step explained",
                statistics.Interval(explained, None, None),
                "",
                len(cells),
                "cells",
            ),
            seen=share("exits seen", left, runs, "runs × digits"),
        ),
        "Confirmed as a law if more than half of the exits are seen and it explains more than 80% of the "
        "variance between cells; a term counts where its interval leaves out 0.",
        f"confirmed: {', '.join(apart)} differ from 0"
        if settled and power.low is not None and apart
        else "open: a log-linear law does not fit, or too few exits are seen; more bases at more steps "
        "would tell",
        ["Base and length are varied one at a time: length in base 10 only, bases at one length."],
    )


def first_descent(this: Study, cells: list[Cell], wide: list[Cell]) -> Result:
    """001-57."""
    known = [cell.times.median.value for cell in wide if cell.times.median.value is not None]
    early = min(wide, key=lambda cell: cell.times.median.value or math.inf)
    late = max(wide, key=lambda cell: cell.times.median.value or math.inf)
    own = [cell for cell in cells if cell.n == wide[0].n]
    named = lambda of, what, steps: {
        f"{what}_{c.digit}": time(f"{what}, digit {c.digit} leaves ln 10", c.times, steps) for c in of
    }
    return Result(
        "001-57",
        f"Hundreds of steps at the note's width: digit {early.digit} leaves ln 10 first, at {{first}}, "
        f"digit {late.digit} last, at {{last}}.",
        dict(
            first=time("the first digit to leave", early.times, this["wide_steps"]),
            last=time("the last digit to leave", late.times, this["wide_steps"]),
            **named(wide, "wide", this["wide_steps"]),
            **named(own, "narrow", this["steps"]),
        ),
        "Confirmed if the first median exit of the 5-digit runs at width 128 is between 100 and 1000 steps.",
        "confirmed"
        if known and 100 <= min(known) < 1000
        else "refuted"
        if known
        else "open: no digit has left in so many steps; more would tell",
        ["The released run has width 512, batch 64 and rate 1e-4; here width 128, batch 256, rate 1e-3."],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
