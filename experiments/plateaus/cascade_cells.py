"""One digit of an addition over its runs: the shelves found, and the exact levels h(c) / b^j beside them."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.frame.study import Study
from experiments.plateaus import tolerance
from grokjax import figures, tasks
from grokjax.checkpoints import Sweep
from grokjax.curves import shelves
from grokjax.curves.shelves import Shelf


class Cell(NamedTuple):
    """The runs of one digit of a task: the loss of each [S, T], its shelves, and the exact levels by j.

    start: the level from which the digit starts, ln b
    """

    mode: str
    base: int
    n: int
    digit: int
    width: int
    start: float
    cascade: dict[int, float]
    loss: Float[np.ndarray, "S T"]
    shelves: list[list[Shelf]]

    @property
    def title(self) -> str:
        """The name of the cell, for a row of a table."""
        which = "leading digit" if self.digit == self.n else f"digit {self.digit}"
        mode = " written after higher ones" if self.mode == "sequence" else " alone"
        return f"base {self.base}, {which} of {self.n}{mode}, width {self.width}"

    @property
    def short(self) -> str:
        """The same, for a panel of a third of a page; `written`: in sequence mode, else alone."""
        which = "leading" if self.digit == self.n else f"digit {self.digit}"
        mode = " written" if self.mode == "sequence" else ""
        return f"base {self.base}, {which} of {self.n}{mode}, width {self.width}"

    @property
    def runs(self) -> list[tuple[int | str, ...]]:
        """Which run each of its curves is of: the digits that a run writes are of one run."""
        alone = self.digit if self.mode == "single" else "all digits"
        return [(self.base, self.n, self.width, alone, run) for run in range(len(self.shelves))]

    @property
    def low(self) -> int:
        """How many shelves its runs have below the level from which it starts."""
        return sum(shelf.level < 0.9 * self.start for own in self.shelves for shelf in own)

    def known(self, j: int) -> str:
        """What is known at the level of j."""
        if self.digit == self.n:
            return ("nothing", "top pair", f"top {j} pairs")[min(j, 2)]
        return "pair" + (f" + {j} lower" if j else "")

    def hits(self, j: int) -> tolerance.Hits | None:
        """The runs with a shelf at the level of j known lower pairs; None where that cannot be told."""
        if j not in self.cascade:
            return None
        return tolerance.hits(self.shelves, self.cascade[j], [self.start, *self.cascade.values()])


def alone(this: Study, base: int, n: int, digit: int, **options: Any) -> Cell:
    """Train one digit in single mode, and find its shelves."""
    sweep = this.sweep(
        f"base_{base}_digit_{digit}_of_{n}_width_{options['d_model']}",
        mode="single",
        base=base,
        digits=n,
        digit=digit,
        weight_decay=0,
        **options,
    )
    return of_column(sweep, digit, 0, options["d_model"])


def of_column(sweep: Sweep, digit: int, column: int, width: int) -> Cell:
    """The shelves of one column of the metrics, beside the levels of its digit."""
    task, loss = sweep.task, sweep.metrics["loss"][:, :, column]
    known = dict(tasks.exact_levels(task)[column])
    leading = digit == task.num_digits
    visible = "answer_so_far+" if task.mode == "sequence" else ""
    name = lambda j: (
        ("nothing" if not j else f"lower:{j}")
        if leading
        else visible + "digit_pair" + (f"+lower:{j}" if j else "")
    )
    cascade = {j: known[name(j)] for j in range(digit + 1) if known.get(name(j), 0.0) > 1e-9}
    found = [shelves.find(curve) for curve in loss]
    return Cell(
        task.mode, task.base, task.num_digits, digit, width, math.log(task.base), cascade, loss, found
    )


def row(one: Cell) -> dict[str, list[float | None]]:
    """Of every level of the cascade: its nats, the share of runs with a shelf there, and at shifted levels;
    no shares where it is not told apart.
    """
    return {
        f"j={j}": [level, None, None]
        if (found := one.hits(j)) is None
        else [level, float(found.at_level.mean()), float(found.at_shifted.mean())]
        for j, level in one.cascade.items()
    }


def pictured(cells: Sequence[Cell]) -> figures.Plot:
    """The shelves of the cells that have any below their start, at most nine: those of base 10 first, alone
    before written, of other bases those with most shelves.
    """
    most = sorted((one for one in cells if one.low), key=lambda one: -one.low)
    ten = [one for one in most if one.base == 10]
    single, written = ([one for one in ten if one.mode == mode] for mode in ("single", "sequence"))
    drawn = [*single[:6], *written[:1], *[one for one in most if one.base != 10], *written[1:]][:9]
    order = lambda one: (one.base != 10, one.mode == "sequence", one.base, one.n, one.digit, one.width)
    drawn = sorted(drawn or cells[:1], key=order)
    stretches = {
        one.short: [(s.level, s.first_step, s.last_step) for own in one.shelves for s in own] for one in drawn
    }
    lines = {
        one.short: [("ln b", one.start), *((one.known(j), level) for j, level in one.cascade.items())]
        for one in drawn
    }
    return figures.shelf_map(stretches, levels=lines)
