"""The exact loss levels of a task, for the metrics columns that its answers have, and which of them the
measured shelves show.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from grokjax import tasks
from grokjax.curves import shelves
from grokjax.theory import levels

UNEVEN = ("held_out", "lengths", "cascade", "num_examples", "scratchpad")
"""Options of an addition with which digits are not uniform, or the prompt tells more: no level is known."""

SAME = 0.15
"""Levels closer than this share are one line in a picture."""

Levels = dict[int, list[tuple[str, float]]]


class Shown(NamedTuple):
    """A level of a digit that shelves show; `known` is `none` and `nats` None for those that no exact level
    fits.
    """

    digit: int
    known: str
    nats: float | None


def of_task(task: Any) -> Levels:
    """For each column the (name, nats) of what a predictor may know; of other tasks than addition only the
    loss of knowing nothing.
    """
    if isinstance(task, tasks.Addition):
        return of_addition(task)
    symbols = (
        task.modulus
        if isinstance(task, tasks.ModularAddition)
        else task.vocabulary - 1
        if isinstance(task, tasks.Induction)
        else task.num_outputs
    )
    return {column: [("nothing", math.log(symbols))] for column in task.columns}


def of_addition(task: tasks.Addition) -> Levels:
    """The levels of its answer digits; none where an option makes them other than the theory's."""
    if any(getattr(task, name) not in (None, (), False) for name in UNEVEN):
        return {}
    # Without the leading digit no level that knows the answers so far is the theory's.
    mode = "single" if task.mode == "single" or not task.leading else task.mode
    rows = (
        levels.named(task.base, task.num_digits, task.order, mode, outputs=task.outputs)
        if task.carry
        else levels.digitwise(task.base, task.num_digits, mode)
    )
    return {
        column: [(row.known, row.nats) for row in rows if row.digit == digit and row.nats is not None]
        for column, digit in digits(task).items()
    }


def digits(task: Any) -> dict[int, int]:
    """The digit (0 = units) of each column: the column itself, but for single mode, which has one column."""
    single = getattr(task, "mode", None) == "single"
    return {column: task.digit if single else column for column in sorted(task.columns)}


def shown(
    rows: Iterable[shelves.Row], levels: Levels, *, least: float = 0.02
) -> dict[Shown, dict[int, shelves.Shelf]]:
    """For every level, highest digit and level first, the runs that show it; of several shelves of a run at
    one level the longest.

    A level fits within 5% or `least` nats, whichever is more.
    """
    found: dict[Shown, dict[int, shelves.Shelf]] = {}
    for row in rows:
        fits = shelves.fits(row.shelf, levels.get(row.digit, []), least=least)
        runs = found.setdefault(
            Shown(row.digit, fits[0].name, fits[0].nats) if fits else Shown(row.digit, "none", None), {}
        )
        before = runs.get(row.run)
        if before is None or row.last_step - row.first_step > before.last_step - before.first_step:
            runs[row.run] = row.shelf
    order = sorted(
        found, key=lambda level: (level.digit, -1.0 if level.nats is None else level.nats), reverse=True
    )
    return {level: found[level] for level in order}


def lines(levels: Levels, measured: Iterable[Shown], task: Any) -> Levels:
    """The levels of each column that a picture has room for: those that shelves show, then those that lie
    well apart from them.
    """
    fitted = {(level.digit, level.known) for level in measured}
    chosen: Levels = {}
    for column, digit in digits(task).items():
        kept = chosen.setdefault(column, [])
        for name, nats in sorted(levels.get(column, []), key=lambda level: (digit, level[0]) not in fitted):
            if nats > 0 and all(abs(nats - other) > SAME * max(nats, other) for _, other in kept):
                kept.append((name, nats))
    return chosen
