"""Which levels h(c) / b^j have more shelves than chance gives: answers of `lower_shelves`."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.frame.bounds import above, below, clustered, clustered_share
from experiments.frame.measured import Measured, exact, mean, share
from experiments.frame.result import Result
from experiments.plateaus import tolerance
from experiments.plateaus.cascade_cells import Cell

SURE = 0.05
"""The p of Holm's test over all cells and levels, below which a level's hits are more than chance."""
NULL = (
    f"A shelf lies at a level {tolerance.WINDOW} it; chance: the same runs' hits at levels shifted by "
    "factors of 1/4 to 4; p exact, Holm over all cells and j."
)
MARGIN, LEAST = 0.05, 16
"""The share of runs, above that by chance, up to which a level counts as having no shelf; the fewest runs
that can say so.
"""


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


def pooled(hits: Sequence[Hit], what: str) -> dict[str, Measured]:
    """The curves with a shelf at these levels, the chance of one, and the difference, curve by curve; curves
    of one run are not independent.
    """
    if not hits:
        return {}
    at = np.concatenate([one.found.at_level for one in hits])
    by_chance = np.concatenate([one.found.at_shifted for one in hits])
    runs = [run for one in hits for run in one.cell.runs]
    of = "runs" if len(set(runs)) == len(runs) else "curves"
    return dict(
        hit=clustered_share(f"{what}: runs with a shelf there", at, runs, of),
        chance=clustered(f"{what}: share of shifted levels at which a run has one", by_chance, runs, "", of),
        excess=clustered(f"{what}: hits less those by chance", at - by_chance, runs, "", of),
    )


def a_tenth(hits: Sequence[Hit]) -> Result:
    """001-29."""
    own = [one for one in hits if one.j == 1]
    ten = [one for one in own if one.cell.base == 10]
    if not own:
        return Result(
            "001-29",
            "No cell has the level where it can be told from others.",
            {},
            NULL,
            "open: the level is not told apart; more digits would tell",
        )
    rows = pooled(own, "level of one known lower pair, all bases")
    rows |= {f"ten_{name}": row for name, row in pooled(ten, "the same, base 10").items()}
    if ten:
        rows["ten_below"] = beneath(ten)
    rows |= {f"cell_{i}": one.row for i, one in enumerate(own)}
    where, key = ("In base ten ", "ten_") if ten else ("", "")
    return Result(
        "001-29",
        f"{where}{{{key}hit}} have a shelf at the level of one known lower pair; at shifted levels the share "
        f"is {{{key}chance}}.",
        rows,
        f"{NULL} Confirmed if in a cell more than half of the runs have it, more than by chance; mixed if "
        "only fewer do, or only all cells together are above chance. Of all bases, and of base 10: refuted "
        f"if neither, and the whole interval of the excess over chance is below {MARGIN}; else open.",
        of_tenth(own, ten, rows),
        [
            "From three digits on ln 2 / b and h(c) / b differ by under 1.5%: one level to this tolerance.",
            "The window was fixed beforehand; what rests from 5% to 15% below the level lies outside of it, "
            "and is counted in the rows.",
        ],
    )


def beneath(hits: Sequence[Hit]) -> Measured:
    """The curves with a shelf a little below the window of their level."""
    low, high = 1 - tolerance.ABOVE, 1 - tolerance.BELOW
    there = [
        any(low * one.found.level <= shelf.level < high * one.found.level for shelf in shelves)
        for one in hits
        for shelves in one.cell.shelves
    ]
    runs = [run for one in hits for run in one.cell.runs]
    return clustered_share(
        "base 10: curves with a shelf from 5% to 15% below the level",
        np.array(there, float),
        runs,
        "curves",
    )


def of_tenth(own: Sequence[Hit], ten: Sequence[Hit], rows: dict[str, Measured]) -> str:
    """The verdict of 001-29."""
    most = [one for one in own if one.sure and one.share > 0.5]
    if most:
        return f"confirmed: {'; '.join(one.cell.title for one in most)}"
    if any(one.sure for one in own) or above(rows["excess"], 0):
        return "mixed: more often than by chance, in a minority of the runs"
    refuted = [state(own, rows["excess"]) == "refuted"]
    refuted += [state(ten, rows["ten_excess"]) == "refuted"] if ten else []
    if all(refuted):
        return "refuted"
    if refuted[0]:
        return "mixed: refuted of all bases together; open of base 10 alone, where more runs would tell"
    return "open: neither above chance nor surely within it; more runs would tell"


def state(hits: Sequence[Hit], excess: Measured) -> str:
    """Whether one level has shelves: confirmed, refuted or open."""
    if any(one.sure for one in hits):
        return "confirmed"
    return "refuted" if below(excess, MARGIN) and (excess.n or 0) >= LEAST else "open"


def cascade(hits: Sequence[Hit], cells: Sequence[Cell]) -> Result:
    """001-69."""
    asked = sorted({one.j for one in hits})
    rows: dict[str, Measured] = {}
    states: dict[str, list[int]] = {"confirmed": [], "refuted": [], "open": []}
    for j in asked:
        of = [one for one in hits if one.j == j]
        found = pooled(of, f"j = {j}, all cells")
        rows |= {f"{name}_{j}": row for name, row in found.items()}
        states[state(of, found["excess"])].append(j)
    rows |= {f"cell_{i}": one.row for i, one in enumerate(one for one in hits if one.sure)} | of_binary(cells)
    shown = {j: rows[f"hit_{j}"] for j in (0, 1) if f"hit_{j}" in rows}
    kinds = [kind for kind, of in states.items() if of]
    few = not any(one.sure and one.share > 0.5 for one in hits)
    words = {"confirmed": ", in a minority of the runs" * few}
    parts = [f"{kind} of j = {', '.join(map(str, states[kind]))}{words.get(kind, '')}" for kind in kinds]
    return Result(
        "001-69",
        "Where the digit pair is known {hit_0} have a shelf, where one lower pair is as well {hit_1}."
        if len(shown) == 2
        else "Where the digit pair is known {hit_0} have a shelf."
        if 0 in shown
        else "No level can be told from others here.",
        rows,
        f"{NULL} A j is confirmed if a cell has more hits than by chance; refuted if none has and the whole "
        f"interval of the excess over chance, all cells together, is below {MARGIN}; else open, and if it "
        f"rests on fewer than {LEAST} runs. Confirmed or refuted if all j are, else mixed.",
        "open: no level can be told apart; more digits would tell"
        if not asked
        else "open: no level has shelves beyond chance, nor surely none; more runs would tell"
        if kinds == ["open"]
        else kinds[0]
        if len(kinds) == 1 and not (few and kinds[0] == "confirmed")
        else f"mixed: {'; '.join(parts)}",
        ["In base 2 the level of j = 0 is ln 2 to this tolerance: its shelves are listed, not counted."],
    )


def of_binary(cells: Sequence[Cell]) -> dict[str, Measured]:
    """Of base 2 the levels of shelves about j = 0, which cannot be told from ln 2."""
    rows = {}
    binary = [one for one in cells if one.base == 2 and 0 in one.cascade and one.digit < one.n]
    for i, one in enumerate(binary):
        near = [shelf.level for own in one.shelves if (shelf := tolerance.at(own, one.cascade[0]))]
        rows[f"binary_{i}"] = mean(f"{one.title}: shelves about j = 0", np.array(near), "nats")
        rows[f"binary_exact_{i}"] = exact(f"{one.title}: level of j = 0; ln 2 is .6931", one.cascade[0])
    return rows
