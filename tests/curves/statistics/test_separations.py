"""The area under the curve: against pairs that are counted, and how often its interval holds the truth."""

import numpy as np
import pytest
from scipy import stats

from grokjax.curves.statistics import auc


def test_it_is_the_share_of_ordered_pairs():
    first, second = [1.0, 2.0, 3.0], [2.0, 4.0]
    pairs = [(y > x) + 0.5 * (y == x) for x in first for y in second]
    found = auc(first, second)
    assert found.value == pytest.approx(np.mean(pairs)) and found.low < found.value < found.high
    assert auc(second, first).value == pytest.approx(1 - found.value)


def test_groups_that_are_apart_still_have_an_interval():
    found = auc(range(20), range(100, 120))
    assert (found.value, found.high) == (1, 1) and 0.8 < found.low < 0.99
    assert auc(range(100, 120), range(20))[::2] == pytest.approx((0, 1 - found.low))
    assert auc([], [1.0]) == (None, None, None)


def test_the_interval_holds_the_truth_of_normal_values():
    draws, shift = np.random.default_rng(0).normal(size=(600, 2, 12)), 1.5
    truth = stats.norm.cdf(shift / np.sqrt(2))
    found = [auc(x, y + shift) for x, y in draws]
    assert 0.93 < np.mean([each.low <= truth <= each.high for each in found]) < 0.99
