"""Which runs have a shelf at which exact level, for `shelf_atlas`."""

import math
from typing import Any

import numpy as np

from experiments.plateaus import tolerance
from grokjax.curves import shelves, statistics
from grokjax.runner import exact
from grokjax.tasks.protocol import Levels
from grokjax.theory import levels as theory

Shown = dict[exact.Shown, dict[int, shelves.Shelf]]


def at_levels(rows: list[shelves.Row], levels: Levels) -> Shown:
    """For every digit and exact level the runs with a shelf there, the longest of each; `none` where a shelf
    lies at no level. Of several levels the nearest counts.
    """
    found: Shown = {}
    for row in rows:
        near = [
            (abs(row.level - nats), name, nats)
            for name, nats in levels.get(row.digit, [])
            if nats > 0 and tolerance.lies_at(row.level, nats)
        ]
        _, name, nats = min(near, default=(0.0, "none", None))
        runs = found.setdefault(exact.Shown(row.digit, name, nats), {})
        before = runs.get(row.run)
        if before is None or row.last_step - row.first_step > before.last_step - before.first_step:
            runs[row.run] = row.shelf
    return dict(sorted(found.items(), key=lambda item: (-item[0].digit, -(item[0].nats or -1.0))))


def title(digit: int) -> str:
    """The name of a panel."""
    return f"digit {digit}" + " (units)" * (digit == 0) + ", sequence mode"


def row(level: exact.Shown, runs: dict[int, shelves.Shelf], num_runs: int) -> dict[str, Any]:
    """One level that shelves show: the nearest exact one, the measured one, how many runs show it, when and
    for how long.
    """
    found = statistics.summarise([runs.get(run) for run in range(num_runs)])
    measured = statistics.mean([shelf.level for shelf in runs.values()])
    return dict(
        digit=level.digit,
        known=level.known,
        exact=level.nats,
        measured=measured,
        share=found.share,
        onset=found.onset,
        length=found.length,
        still_on_it=found.on_it,
    )


def longest(curve: np.ndarray) -> shelves.Shelf | None:
    """The longest shelf of a curve; one that the run is still on counts with its length so far."""
    return max(shelves.find(curve), key=lambda shelf: shelf.last_step - shelf.first_step, default=None)


def at_start(shelf: shelves.Shelf | None) -> bool:
    """Whether a shelf is that at ln 10."""
    return shelf is not None and shelf.level > 0.95 * math.log(10)


def at_second(n: int, loss: np.ndarray) -> tuple[float, list[shelves.Shelf]]:
    """The exact level of the digit after the leading one given that one, and each run's stretch about it."""
    exact_second = next(
        x.nats
        for x in theory.named(10, n, "msb", "sequence")
        if x.digit == n - 1 and x.known == "answer_so_far"
    )
    stretches = [
        shelves.within(curve, exact_second - AT_SECOND, exact_second + AT_SECOND)
        for curve in loss[:, :, n - 1]
    ]
    return exact_second, [stretch for stretch in stretches if stretch is not None]


AT_SECOND = 0.06
"""Nats about the level given the leading digit alone in which a loss counts as being there."""
