"""Paired ratios of times: by hand, and with runs that never get there."""

import numpy as np
import pytest

from grokjax.curves.statistics import Times, paired_ratio


def times(*values, end=100):
    """A time of None has not been reached by `end`."""
    return Times(
        np.array([end if x is None else x for x in values], float), np.array([x is not None for x in values])
    )


def test_without_censoring_it_is_the_median_ratio_between_order_statistics():
    draws = np.random.default_rng(0).uniform(1, 90, size=(2, 12))
    found = paired_ratio(times(*draws[0]), times(*draws[1]))
    ratios = np.sort(draws[0] / draws[1])
    assert found.median == pytest.approx((np.median(ratios), ratios[2], ratios[9]))
    assert found.earlier == (ratios < 1).sum() and found.later == (ratios > 1).sum()
    assert found.unknown == 0 and 0 < found.p <= 1


def test_a_pair_with_one_end_bounds_its_ratio_and_decides_its_order():
    found = paired_ratio(times(10, 20, None, None, 50), times(40, None, 50, None, 50))
    assert (found.earlier, found.later, found.unknown) == (2, 1, 2)
    many = paired_ratio(times(*[10] * 10), times(*[20] * 6, *[None] * 4))
    assert many.median == (0.5, None, 0.5) and many.p == pytest.approx(2 / 1024)
    half = paired_ratio(times(*[10] * 10), times(*[20] * 5, *[None] * 5))
    assert half.median == (None, None, 0.5)
    most = paired_ratio(times(*[10] * 10), times(*[20] * 9, None))
    assert most.median == (0.5, 0.5, 0.5)
    never = paired_ratio(times(*[None] * 10), times(*[50] * 10))
    assert never.median == (None, 2.0, None) and never.later == 10


def test_pairs_without_an_order_determine_nothing():
    found = paired_ratio(times(None, None), times(None, None))
    assert found.median == (None, None, None) and found.p is None and found.unknown == 2
    with pytest.raises(ValueError, match="run by run"):
        paired_ratio(times(1, 2), times(1))


def test_the_interval_holds_the_median_of_censored_pairs():
    rng, held = np.random.default_rng(1), []
    for _ in range(400):
        own, other = rng.exponential(60, size=(2, 15))
        cut = lambda x: times(*[value if value < 100 else None for value in x])
        _, low, high = paired_ratio(cut(own), cut(other * 2)).median
        held.append((low or 0) <= 0.5 <= (high or np.inf))
    assert np.mean(held) > 0.94
