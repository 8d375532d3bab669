"""When does a digit leave ln b, by base, digit and number of digits?

    python -m experiments.plateaus.exit_times

Sequence mode, most significant digit first; a law for each digit, tested against the cells it was fitted to.

Bases --bases 3,5,10 at n = --lengths 2,3,4,5 digits of an operand, for --steps 500,800,1000,1200;
--other_bases 7,16 at --digits 3; --seeds 8. All at the notes' size, --d_model 128 with 4 heads and --batch
256. The exit is the first step at which the running median of the loss is below 95% of ln b. The digit that
follows the leading one starts below ln b, since it sees that digit: it is left out. Bases --narrow_bases 3,10
at 3 digits once more at width --narrow 64, half the batch, --narrow_steps 1000: are the powers the same?

Each digit has its own censored regression (`exit_law`): ln(step) is normal about power · ln b and a level for
each length, with a spread for each length; runs that have not left count as later than their last step.
- Does a power of the base miss its cells? Its likelihood against that of free cells, on data made by it.
- Have digits 0 and 1 one power? The interval of the difference, from runs drawn again.
- Does the step grow as c^n, as n^q, or neither? Each against free levels, and the likelihoods beside each
  other; a difference below 2 is not told apart.
The rule of the verdict was written before the numbers (`exit_answers.RULE`).
Time: 8 minutes on two cores; GPU: not measured.

Changed after a referee: one law of both digits, with the base varied at one length only, missed its own cells
(powers near .3 and 1 averaged to .5), a growth exponential in n was assumed, and runs were narrower than the
notes', where exits come up to four times later. So the digits are fitted apart, lack of fit is tested, the
base is varied at every length, two growths are compared, and the size is the notes'.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import number
from experiments.frame.study import Study
from experiments.plateaus import exit_answers, exit_law
from experiments.plateaus.exit_law import Cell, Law
from grokjax import figures
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval

DEFAULTS: dict[str, study.Setting] = {
    "bases": (3, 5, 10),
    "lengths": (2, 3, 4, 5),
    "steps": (500, 800, 1000, 1200),
    "other_bases": (7, 16),
    "digits": 3,
    "d_model": 128,
    "batch": 256,
    "narrow_bases": (3, 10),
    "narrow": 64,
    "narrow_steps": 1000,
    "seeds": 8,
}
LARGE: dict[str, study.Setting] = {
    "bases": (3, 5, 7, 10, 16),
    "other_bases": (2, 4),
    "steps": (1000, 2000, 3000, 4000),
    "narrow_steps": 2000,
    "seeds": 32,
}
SMALL: dict[str, study.Setting] = {
    "bases": (3,),
    "lengths": (2, 3),
    "steps": (20, 20),
    "other_bases": (4,),
    "digits": 2,
    "d_model": 8,
    "batch": 16,
    "narrow_bases": (3,),
    "narrow": 4,
    "narrow_steps": 20,
    "seeds": 2,
}
MEANINGS = {
    "lengths": "digits of each operand, each tried with all bases",
    "steps": "optimiser steps of the runs, for each of the lengths",
    "digits": "digits of each operand with which the further bases and the narrow runs are tried",
    "narrow_bases": "bases of the narrow runs",
    "narrow_steps": "optimiser steps of the narrow runs",
}
LEFT = 0.95


def measure(this: Study) -> Finding:
    """The exits of every cell, and the laws through them."""
    lengths, steps = this["lengths"], this["steps"]
    if len(lengths) != len(steps) or this["digits"] not in lengths:
        raise ValueError(f"--steps={steps} must be as many as --lengths={lengths}, which must hold --digits")
    until, n = dict(zip(lengths, steps, strict=True)), this["digits"]
    more = {n: this["other_bases"]}
    tasks = [(base, k) for k in lengths for base in sorted({*this["bases"], *more.get(k, ())})]
    size = dict(d_model=this["d_model"], batch=this["batch"])
    slim = dict(d_model=this["narrow"], batch=this["batch"] // 2, steps=this["narrow_steps"])
    cells = [cell for base, k in tasks for cell in of_task(this, "", base, k, steps=until[k], **size)]
    narrow = [cell for base in this["narrow_bases"] for cell in of_task(this, "_narrow", base, n, **slim)]
    laws = [exit_law.law(exit_law.of_digit(cells, digit)) for digit in exit_answers.RULED]
    named = f"width {this['d_model']}", f"width {this['narrow']}"
    same = [cell for cell in cells if cell.n == n and cell.base in this["narrow_bases"]]
    sizes = {
        f"{named[0]}, batch {size['batch']}": powers(same),
        f"{named[1]}, batch {slim['batch']}": powers(narrow),
    }
    note = 10 if 10 in this["bases"] else max(this["bases"]), max(lengths)
    first = [cell for cell in cells if (cell.base, cell.n) == note]
    return Finding(
        task="addition, sequence mode, most significant first",
        size=f"1 layer, {named[0]}, 4 heads, batch {this['batch']}, rate 1e-3, decay .5, "
        f"{', '.join(map(str, steps))} steps for n = {', '.join(map(str, lengths))} digits; "
        f"{named[1]}, batch {slim['batch']}, {slim['steps']} steps beside it",
        seeds=this.seeds,
        answers=[
            exit_answers.its_law(cells, laws, powers(cells), sizes),
            exit_answers.first_descent(first, this["d_model"], this["batch"]),
        ],
        numbers={
            "exits": [described(cell, laws) for cell in cells],
            "narrow_exits": [described(cell, []) for cell in narrow],
            "power_by_length": {f"n = {k}": powers([c for c in cells if c.n == k]) for k in lengths},
        },
        plot=pictured(cells, narrow, laws, named),
    )


def of_task(this: Study, size: str, base: int, n: int, **options: int) -> list[Cell]:
    """The exits of the digits of a task that start at ln b."""
    loss = this.sweep(f"base_{base}_digits_{n}{size}", base=base, digits=n, **options).metrics["loss"]
    times = [statistics.until_below(loss[:, :, digit], LEFT * math.log(base)) for digit in range(n - 1)]
    return [Cell(base, n, digit, one, loss.shape[1] - 1) for digit, one in enumerate(times)]


def powers(cells: Sequence[Cell], draws: int = exit_law.DRAWS) -> dict[str, Interval]:
    """The power of the base of every digit that has one, and the `difference` of those of digits 0 and 1."""
    known = sorted({cell.digit for cell in cells})
    digits = [digit for digit in known if exit_law.settled(exit_law.of_digit(cells, digit))]

    def numbers(some: Sequence[Cell]) -> Mapping[str, float]:
        found = {f"{digit}": exit_law.power(exit_law.of_digit(some, digit)) for digit in digits}
        both = {"0", "1"} <= found.keys()
        return found | ({"difference": found["1"] - found["0"]} if both else {})

    return exit_law.resampled(cells, numbers, draws) if digits else {}


def described(cell: Cell, laws: Sequence[Law | None]) -> dict[str, Any]:
    """A cell for reading: what the runs do not determine is later than the last step."""
    later = f"> {number(cell.until, 'steps')}"
    median, left = cell.times.median, int(cell.times.ended.sum())
    steps = [end if end is not None else later for end in median]
    # fewer than 6 runs have no interval
    shown = {"interval": steps[1:]} if median.low is not None else {}
    found = [law.predicted[cell.base, cell.n] for law in laws if law and law.digit == cell.digit]
    return dict(base=cell.base, n=cell.n, digit=cell.digit, median=steps[0], **shown, left=left) | (
        {"by_the_law": round(found[0])} if found else {}
    )


def pictured(
    cells: Sequence[Cell], narrow: Sequence[Cell], laws: Sequence[Law | None], names: tuple[str, str]
) -> figures.Plot:
    """A dot for each run at its exit, an arrow up for one that has not left, and the laws as lines."""
    panels = {
        f"{n} digits, {name}": series([cell for cell in some if cell.n == n], known)
        for name, some, known in ((names[0], cells, laws), (names[1], narrow, []))
        for n in sorted({cell.n for cell in some})
    }
    return figures.points(
        panels,
        xlabel="base",
        ylabel="step at which the digit leaves ln b",
        scale="log",
        xscale="log",
        legend="a dot: a run",
    )


def series(cells: Sequence[Cell], laws: Sequence[Law | None]) -> dict[str, figures.Points]:
    """The runs of every digit by base, and what its law gives."""
    found = {}
    for digit in sorted({cell.digit for cell in cells}):
        own = sorted(exit_law.of_digit(cells, digit))
        at = [(cell.base, step, ended) for cell in own for step, ended in zip(*cell.times, strict=True)]
        found[f"digit {digit}"] = figures.Points(
            [base for base, *_ in at],
            [(max(step, 1), None, None) if ended else (None, max(step, 1), None) for _, step, ended in at],
        )
    for law in filter(None, laws):
        own = exit_law.of_digit(cells, law.digit)
        line = sorted((cell.base, law.predicted[cell.base, cell.n]) for cell in own)
        if line:
            found[f"law of digit {law.digit}"] = figures.Points(
                [base for base, _ in line], [(step, None, None) for _, step in line]
            )
    return found


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
