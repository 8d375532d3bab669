"""Is ln 2 / b a real shelf, and at which of the levels h(c) / b^j do runs stop?

    python -m experiments.plateaus.lower_shelves

The level h(c) / b^j is the least loss of one who knows the digit pair and j pairs below it (c: the chance of
a carry into the lowest of them); ln 2 / b is about that of j = 1.

No weight decay, which would lift low shelves; rate 1e-3, 4 heads, 1 layer. Single mode:
- digit 2 of --third_digits 3 in --bases 2,3,4,5,7,10, digit 3 of 4 in --deep_bases 2, and the leading digit
  in base 10: --third_d_model 64, batch 128, --third_steps 2000, --seeds 16;
- digit 1 of 2 in base 10: --widths 16,64, batch 128, --single_steps 6000;
- digits --singles 2,3 of --digits 5 at the note's size: --d_model 128, --batch 256, --steps 2500, --fewer 8.
Sequence mode, most significant digit first, at the note's size as well.

One tolerance for all rows: a shelf lies at a level if it is from 5% below to 15% above it (the tens are known
to rest up to 13% above theirs, `tens_excess`). The null: how often the same runs have a shelf at levels
shifted by factors of 1/4 to 4 that no exact level of the cascade shares a loss with.
Time: 8 minutes on two cores that others used too; GPU: not measured.
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, exact, interval, mean, share
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.plateaus import stops, tolerance
from experiments.plateaus.cascade_cells import Cell, alone, of_column, pictured, row
from grokjax.curves import statistics

DEFAULTS: dict[str, study.Setting] = {
    "bases": (2, 3, 4, 5, 7, 10),
    "deep_bases": (2,),
    "third_digits": 3,
    "third_d_model": 64,
    "third_steps": 2000,
    "widths": (16, 64),
    "single_steps": 6000,
    "singles": (2, 3),
    "digits": 5,
    "d_model": 128,
    "batch": 256,
    "steps": 2500,
    "seeds": 16,
    "fewer": 8,
}
LARGE: dict[str, study.Setting] = {
    "bases": (2, 3, 4, 5, 6, 7, 8, 9, 10),
    "third_steps": 6000,
    "singles": (0, 1, 2, 3, 4, 5),
    "steps": 6000,
    "seeds": 32,
    "fewer": 32,
}
SMALL: dict[str, study.Setting] = {
    "bases": (3,),
    "deep_bases": (0,),
    "third_digits": 2,
    "third_d_model": 8,
    "third_steps": 50,
    "widths": (4,),
    "single_steps": 50,
    "singles": (1,),
    "digits": 2,
    "d_model": 8,
    "batch": 16,
    "steps": 50,
    "seeds": 2,
    "fewer": 2,
}

SURE = 0.05
"""The p of Holm's test over all cells and levels, below which a level's hits are more than chance."""
NULL = (
    f"A shelf lies at a level {tolerance.WINDOW} it; chance: the same runs' hits at levels shifted by "
    "factors of 1/4 to 4; p exact, Holm over all cells and j."
)


class Hit(NamedTuple):
    """The hits of one level in one cell, and Holm's p of them."""

    cell: Cell
    j: int
    found: tolerance.Hits
    p: float

    @property
    def sure(self) -> bool:
        """Whether there are more than chance gives."""
        return self.p < SURE

    @property
    def share(self) -> float:
        """The share of runs with a shelf there."""
        return float(self.found.at_level.mean())

    @property
    def row(self) -> Measured:
        """The runs with a shelf there."""
        return share(
            f"{self.cell.title}, j = {self.j} ({self.found.level:.4f} nats): runs with a shelf, "
            f"{self.found.chance:.2f} by chance, p {self.p:.2g}",
            int(self.found.at_level.sum()),
            len(self.found.at_level),
        )


def measure(this: Study) -> Finding:
    """Which levels the runs of every cell show."""
    n, third = this["digits"], this["third_digits"]
    small = dict(d_model=this["third_d_model"], batch=128, steps=this["third_steps"])
    full = dict(d_model=this["d_model"], batch=this["batch"], seeds=this["fewer"])
    deep = [alone(this, base, third, 2, **small) for base in this["bases"]]
    deep += [alone(this, base, third + 1, third, **small) for base in this["deep_bases"] if base]
    deep += [alone(this, 10, third, third, **small)]
    deep += [alone(this, 10, n, digit, **full) for digit in this["singles"]]
    tens = [
        alone(this, 10, 2, 1, d_model=width, batch=128, steps=this["single_steps"])
        for width in this["widths"]
    ]
    sweep = this.sweep("sequence", digits=n, weight_decay=0, **full)
    written = [of_column(sweep, digit, digit, this["d_model"]) for digit in range(1, n)]
    cells = [*tens, *deep, *written]
    return Finding(
        task="addition: one digit alone at `=` in bases 2 to 10, and all digits, most significant first",
        size=f"1 layer, 4 heads, rate 1e-3, no decay; {n} digits: width {this['d_model']}, batch "
        f"{this['batch']}, {this['steps']} steps; {third} digits: width {this['third_d_model']}, batch 128, "
        f"{this['third_steps']} steps; 2 digits: widths {', '.join(map(str, this['widths']))}, batch 128, "
        f"{this['single_steps']} steps",
        seeds=this.seeds,
        answers=answers(cells, tens, written, this["single_steps"]),
        numbers={one.title: row(one) for one in cells},
        plot=pictured(cells),
    )


def answers(
    cells: Sequence[Cell], tens: Sequence[Cell], written: Sequence[Cell], tens_steps: int
) -> list[Result]:
    """The four rows."""
    known = [(one, j, found) for one in cells for j in one.cascade if (found := one.hits(j)) is not None]
    p = statistics.holm([found.p for *_, found in known])
    hits = [Hit(*one, float(chance)) for one, chance in zip(known, p, strict=True)]
    return [
        a_tenth(hits),
        cascade(hits, cells),
        stops.two_shelves("001-67", tens, tens_steps),
        stops.stop("001-68", written),
    ]


def pooled(hits: Sequence[Hit], what: str) -> dict[str, Measured]:
    """The runs with a shelf at these levels, the chance of one, and the difference, run by run."""
    if not hits:
        return {}
    at = np.concatenate([one.found.at_level for one in hits])
    by_chance = np.concatenate([one.found.at_shifted for one in hits])
    of = "runs × levels" if len({one.j for one in hits}) > 1 else "runs"
    return dict(
        hit=share(f"{what}: runs with a shelf there", int(at.sum()), len(at), of),
        chance=mean(f"{what}: share of shifted levels at which a run has one", by_chance, "", of),
        excess=interval(
            f"{what}: hits less those by chance", statistics.bootstrap(at - by_chance), "", len(at), of
        ),
    )


def a_tenth(hits: Sequence[Hit]) -> Result:
    """001-29."""
    own = [one for one in hits if one.j == 1]
    ten = [one for one in own if one.cell.base == 10]
    rows = pooled(own, "level of one known lower pair, all bases")
    rows |= {f"ten_{name}": row for name, row in pooled(ten, "the same, base 10").items()}
    rows |= {f"cell_{i}": one.row for i, one in enumerate(own)}
    most = [one for one in own if one.sure and one.share > 0.5]
    some = [one for one in own if one.sure]
    above = "excess" in rows and (rows["excess"].low or 0) > 0
    if not own:
        return Result(
            "001-29",
            "No cell has the level where it can be told from others.",
            {},
            NULL,
            "open: the level is not told apart; more digits would tell",
        )
    return Result(
        "001-29",
        "{hit} have a shelf at the level of one known lower pair; at shifted levels the share is {chance}.",
        rows,
        f"{NULL} Confirmed if in a cell more than half of the runs have it, more than by chance; mixed if "
        "only fewer do, or only all cells together are above chance; refuted if neither.",
        f"confirmed: {'; '.join(one.cell.title for one in most)}"
        if most
        else "mixed: more often than by chance, in a minority of the runs"
        if some or above
        else "refuted",
        ["ln 2 / b and h(c) / b differ by less than 1.5% from three digits on: one level to this tolerance."],
    )


def cascade(hits: Sequence[Hit], cells: Sequence[Cell]) -> Result:
    """001-69."""
    asked = sorted({one.j for one in hits})
    appears = [j for j in asked if any(one.sure for one in hits if one.j == j)]
    rows: dict[str, Measured] = {}
    for j in asked:
        found = pooled([one for one in hits if one.j == j], f"j = {j}, all cells")
        rows |= {f"{name}_{j}": row for name, row in found.items()}
    rows |= {f"cell_{i}": one.row for i, one in enumerate(one for one in hits if one.sure)}
    binary = [one for one in cells if one.base == 2 and 0 in one.cascade and one.digit < one.n]
    for i, one in enumerate(binary):
        near = [shelf.level for own in one.shelves if (shelf := tolerance.at(own, one.cascade[0]))]
        rows[f"binary_{i}"] = mean(f"{one.title}: shelves about j = 0", np.array(near), "nats")
        rows[f"binary_exact_{i}"] = exact(f"{one.title}: level of j = 0; ln 2 is .6931", one.cascade[0])
    shown = {j: rows[f"hit_{j}"] for j in (0, 1) if f"hit_{j}" in rows}
    rest = [j for j in asked if j not in appears]
    return Result(
        "001-69",
        "Runs have a shelf where the digit pair is known in {hit_0}, where one lower pair is as well in "
        "{hit_1}."
        if len(shown) == 2
        else "Runs have a shelf where the digit pair is known in {hit_0}."
        if 0 in shown
        else "No level can be told from others here.",
        rows,
        f"{NULL} Confirmed if every j has a cell with more hits than by chance, refuted if none has, "
        "mixed if some have.",
        "open: no level can be told apart; more digits would tell"
        if not asked
        else "confirmed"
        if appears == asked
        else f"mixed: confirmed of j = {', '.join(map(str, appears))}; refuted of j = "
        f"{', '.join(map(str, rest))}"
        if appears
        else "refuted",
        ["In base 2 the level of j = 0 is ln 2 to this tolerance: its shelves are listed, not counted."],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
