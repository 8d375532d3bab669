"""How well a shelf detector does on curves whose shelves are known."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from grokjax.curves.synthetic import Planted, Stretch


def overlap(one: tuple[int, int], other: tuple[int, int]) -> float:
    """Returns the share of their union that two stretches have in common; a stretch is (first, last) step."""
    common = min(one[1], other[1]) - max(one[0], other[0]) + 1
    return max(0, common) / (max(one[1], other[1]) - min(one[0], other[0]) + 1)


def hits(found: Sequence[tuple[int, int]], truth: Sequence[Stretch]) -> list[tuple[int, int]]:
    """Returns pairs (index in found, index in truth) of stretches that share half of their union or more.

    No stretch occurs twice.
    """
    pairs = sorted(
        (
            (overlap(stretch, (shelf.first_step, shelf.last_step)), i, j)
            for i, stretch in enumerate(found)
            for j, shelf in enumerate(truth)
        ),
        reverse=True,
    )
    kept: list[tuple[int, int]] = []
    for share, i, j in pairs:
        if share >= 0.5 and all(i != a and j != b for a, b in kept):
            kept.append((i, j))
    return kept


class Found(Protocol):
    """What a detector says of a shelf, as `shelves.Shelf` does."""

    @property
    def level(self) -> float: ...
    @property
    def standard_error(self) -> float: ...
    @property
    def first_step(self) -> int: ...
    @property
    def last_step(self) -> int: ...


class Score(NamedTuple):
    """How a detector does on a number of curves.

    - `planted`, `found`, `hits`: shelves that are there, that it sees, and that it sees rightly.
    - `level_errors`: how far the levels of the hits are from the truth (nats).
    - `covered`: the hits whose level is within 1.96 of their standard errors of the truth.
    - `curves`, and `false`: those on which it sees a shelf that is not there.
    """

    planted: int
    found: int
    hits: int
    level_errors: tuple[float, ...]
    covered: int
    curves: int
    false: int

    @property
    def recall(self) -> float:
        """The share of the planted shelves that are hit; 1 where none is planted."""
        return self.hits / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        """The share of the shelves found that are hits; 1 where nothing is found."""
        return self.hits / self.found if self.found else 1.0


def score(
    find: Callable[[np.ndarray], Sequence[Found]], kind: Callable[[int], Planted], seeds: Iterable[int]
) -> Score:
    """Returns the score of a detector on the curves of one kind, one for each seed."""
    counts, errors, covered, false = np.zeros(3, int), [], 0, []
    for seed in seeds:
        curve, stretches, _ = kind(seed)
        found = find(curve)
        pairs = hits([(shelf.first_step, shelf.last_step) for shelf in found], stretches)
        counts += len(stretches), len(found), len(pairs)
        away = [abs(found[i].level - stretches[j].level) for i, j in pairs]
        covered += sum(x <= 1.96 * found[i].standard_error for x, (i, _) in zip(away, pairs, strict=True))
        errors += away
        false.append(len(found) > len(pairs))
    planted, found_in_all, hit = counts.tolist()
    return Score(planted, found_in_all, hit, tuple(errors), covered, len(false), sum(false))
