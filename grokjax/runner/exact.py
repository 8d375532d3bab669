"""Which of a task's exact loss levels the measured shelves show."""

from collections.abc import Iterable
from typing import NamedTuple

from grokjax import tasks
from grokjax.curves import shelves
from grokjax.tasks import Task
from grokjax.tasks.protocol import Levels

SAME = 0.15
"""Levels closer than this share are one line in a picture."""


class Shown(NamedTuple):
    """A level of a digit that shelves show; `known` is `none` and `nats` None where no exact level fits."""

    digit: int
    known: str
    nats: float | None


def digits(task: Task) -> dict[int, int]:
    """The digit (0 = units) of each metrics column."""
    return dict(sorted(zip(task.columns, tasks.answer_digits(task), strict=True)))


def by_digit(levels: Levels, task: Task) -> Levels:
    """The levels of columns as those of the digits that the columns are."""
    own = digits(task)
    return {own[column]: named for column, named in levels.items()}


def shown(
    rows: Iterable[shelves.Row], levels: Levels, **strictness: float
) -> dict[Shown, dict[int, shelves.Shelf]]:
    """For every level, highest digit and level first, the runs that show it.

    levels: by digit;  strictness: that of `shelves.fits`, which says what fits a level
    Of several shelves of a run at one level the longest stands for it.
    """
    found: dict[Shown, dict[int, shelves.Shelf]] = {}
    for row in rows:
        fits = shelves.fits(row.shelf, levels.get(row.digit, []), **strictness)
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


def lines(levels: Levels, measured: Iterable[Shown], task: Task) -> Levels:
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
