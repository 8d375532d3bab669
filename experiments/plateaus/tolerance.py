"""The one tolerance within which a shelf lies at an exact level, and how often chance alone does it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from grokjax.curves.shelves import Shelf

BELOW, ABOVE = 0.05, 0.15
"""A shelf lies at a level if it is at most 5% below it or 15% above it.

The loss of a run that knows what the level says, and no more, lies above it by the spread of its log-odds
(`tens_excess`: up to .07 nats at .69); below it only the noise of the batches brings it.
"""
WINDOW = f"from {BELOW:.0%} below to {ABOVE:.0%} above"
SHIFTS = np.geomspace(1 / 4, 4, 33)
"""Factors of a level at which nothing is to be expected."""
LEAST_SHIFTS = 5


class Hits(NamedTuple):
    """Which of S runs have a shelf at a level, and at which share of the shifted levels each has one."""

    level: float
    at_level: Float[np.ndarray, " S"]
    at_shifted: Float[np.ndarray, " S"]
    num_shifted: int

    @property
    def chance(self) -> float:
        """How often a run has a shelf at one shifted level; at least half a hit in all of them."""
        return max(float(self.at_shifted.mean()), 0.5 / (self.num_shifted * len(self.at_shifted)))

    @property
    def p(self) -> float:
        """The chance of so many hits or more at `chance`: exact, one-sided."""
        hit = int(self.at_level.sum())
        return float(stats.binomtest(hit, len(self.at_level), self.chance, alternative="greater").pvalue)


def lies_at(nats: float, level: float) -> bool:
    """Whether a shelf of so many nats lies at an exact level."""
    return (1 - BELOW) * level <= nats <= (1 + ABOVE) * level


def at(shelves: Iterable[Shelf], level: float) -> Shelf | None:
    """The longest of one run's shelves at a level."""
    near = [shelf for shelf in shelves if lies_at(shelf.level, level)]
    return max(near, key=lambda shelf: shelf.last_step - shelf.first_step, default=None)


def overlap(one: float, other: float) -> bool:
    """Whether some loss lies at both levels."""
    low, high = sorted((one, other))
    return (1 - BELOW) * high <= (1 + ABOVE) * low


def shifted(level: float, known: Sequence[float]) -> list[float]:
    """Levels about this one that no loss can have in common with it, or with another known one.

    known: every exact level of the digit, that of the start among them: what lies above that is left out
    """
    others = [other for other in {level, *known} if other > 0]
    return [
        level * factor
        for factor in SHIFTS
        if level * factor < max(others) and not any(overlap(level * factor, other) for other in others)
    ]


def hits(runs: Sequence[Sequence[Shelf]], level: float, known: Sequence[float]) -> Hits | None:
    """The hits of a level, by the shelves of every run.

    None where it cannot be told from another known one, or where fewer than LEAST_SHIFTS shifted levels are.
    """
    away = shifted(level, known)
    if len(away) < LEAST_SHIFTS or any(
        other != level and overlap(other, level) for other in known if other > 0
    ):
        return None
    found = np.array(
        [[any(lies_at(s.level, nats) for s in shelves) for nats in (level, *away)] for shelves in runs], float
    )
    return Hits(level, found[:, 0], found[:, 1:].mean(1), len(away))
