"""What many runs show of one shelf."""

from collections.abc import Sequence
from typing import NamedTuple

from grokjax.curves.shelves import Shelf
from grokjax.curves.statistics.intervals import Interval, wilson
from grokjax.curves.statistics.survival import median


class Summary(NamedTuple):
    """What S runs show of one shelf: how many have it, how many are still on it, and medians (steps)."""

    runs: int
    shown: int
    on_it: int
    share: Interval
    onset: Interval
    exit: Interval
    length: Interval


def summarise(found: Sequence[Shelf | None], confidence: float = 0.95) -> Summary:
    """Returns the summary of one shelf, or None, of every run (from `at_level` or `shelves.within`).

    A run that is still on it is censored, not dropped.
    """
    shown = [shelf for shelf in found if shelf is not None]
    left = [shelf.left for shelf in shown]
    return Summary(
        runs=len(found),
        shown=len(shown),
        on_it=len(shown) - sum(left),
        share=wilson(len(shown), len(found), confidence),
        onset=median([shelf.first_step for shelf in shown], None, confidence),
        exit=median([shelf.last_step + 1 for shelf in shown], left, confidence),
        length=median([shelf.last_step + 1 - shelf.first_step for shelf in shown], left, confidence),
    )


def at_level(shelves: Sequence[Shelf], nats: float, tolerance: float = 0.05) -> Shelf | None:
    """Returns the longest of one run's shelves within `tolerance` of a level, both in nats, or None."""
    near = [shelf for shelf in shelves if abs(shelf.level - nats) <= tolerance]
    return max(near, key=lambda shelf: shelf.last_step - shelf.first_step, default=None)
