"""The tolerance of shelves: planted hits are more than chance, shelves anywhere are not."""

import numpy as np
import pytest

from experiments.plateaus import tolerance
from grokjax.curves.shelves import Shelf

LEVELS = [2.3026, 0.6881, 0.0693]


def at(*levels):
    return [Shelf(level, 0.001, 0, 99, True) for level in levels]


def test_planted_shelves_are_more_than_chance():
    found = tolerance.hits([at(0.72)] * 12 + [at(1.1)] * 4, LEVELS[1], LEVELS)
    assert found.at_level.sum() == 12 and found.p < 1e-3


def test_shelves_anywhere_are_no_more_than_chance():
    random = np.random.default_rng(0)
    runs = [at(*np.exp(random.uniform(np.log(0.02), np.log(2), 3))) for _ in range(200)]
    found = tolerance.hits(runs, LEVELS[1], LEVELS)
    assert found.p > 0.01 and abs(found.at_level.mean() - found.chance) < 0.1


@pytest.mark.parametrize("level", LEVELS[1:])
def test_no_shifted_level_shares_a_loss_with_a_known_one(level):
    away = tolerance.shifted(level, LEVELS)
    assert away and not any(tolerance.overlap(x, known) for x in away for known in LEVELS)


def test_a_level_that_another_hides_has_no_hits():
    assert tolerance.hits([at(0.69)], 0.6853, [np.log(2), 0.6853]) is None
