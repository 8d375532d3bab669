import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats

from grokjax.curves import statistics


def test_survival_is_the_textbook_example():
    """Six times with one censored at 4: the shares are products of (1 - ended / at risk)."""
    curve = statistics.survival([2, 3, 4, 5, 6, 9], [True, True, False, True, True, False])
    np.testing.assert_allclose(curve.time, [0, 2, 3, 4, 5, 6, 9])
    np.testing.assert_allclose(curve.share, [1, 5 / 6, 4 / 6, 4 / 6, 4 / 9, 2 / 9, 2 / 9])
    assert curve.censored.tolist() == [4, 9]
    assert (curve.low <= curve.share).all() and (curve.share <= curve.high).all()


@settings(deadline=None, max_examples=25)
@given(
    times=some.lists(some.integers(1, 30), min_size=1, max_size=25),
    flags=some.lists(some.booleans(), min_size=25, max_size=25),
)
def test_survival_agrees_with_scipy_and_the_order_of_runs_does_not_matter(times, flags):
    ended = np.array(flags[: len(times)])
    curve = statistics.survival(times, ended)
    function = stats.ecdf(stats.CensoredData.right_censored(np.array(times, float), ~ended)).sf
    np.testing.assert_allclose(curve.share, function.evaluate(curve.time))
    for one, other in zip(curve, statistics.survival(times[::-1], ended[::-1]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (curve.low >= 0).all() and (curve.low <= curve.high).all() and (curve.high <= 1).all()


def test_the_median_of_runs_that_all_ended_is_the_median():
    assert statistics.median([1, 5, 3]).value == 3
    assert statistics.median([1, 2, 3, 4]).value == 2.5
    assert statistics.median([]) == (None, None, None)


def test_censored_runs_push_the_median_up_and_may_leave_it_open():
    assert statistics.median([5, 6, 7, 8, 9], [True, False, False, True, True]).value == 8
    assert statistics.median([5, 6, 7, 8, 9], [True, False, False, False, False]).value is None


def test_the_interval_of_the_median_covers_it():
    """Exponential times censored at their 70% quantile: 95% intervals cover ln 2 in 95 of 100 samples."""
    generator, covered = np.random.default_rng(0), 0
    for _ in range(300):
        times, horizon = generator.exponential(size=40), -np.log(0.3)
        found = statistics.median(np.minimum(times, horizon), times < horizon)
        covered += (found.low or 0) <= np.log(2) <= (found.high or np.inf)
    assert 0.92 <= covered / 300 <= 0.985


def test_so_few_runs_that_no_interval_holds_the_median_have_none():
    """From the least to the greatest of five runs the median lies in 1 - 2 / 32 = 94% of samples."""
    for n in range(1, 6):
        assert statistics.median(np.arange(n) + 1.0) == ((n + 1) / 2, None, None)
    assert statistics.median(np.arange(5) + 1.0, confidence=0.9).low is not None
    assert statistics.median(np.arange(6) + 1.0).low is not None
    assert statistics.median([10.0]) == (10.0, None, None)


@pytest.mark.parametrize("censored", [0.0, 0.3])
@pytest.mark.parametrize("num", [6, 8, 16])
def test_the_interval_of_the_median_of_few_runs_covers_it_too(num, censored):
    generator, covered = np.random.default_rng(num), 0
    horizon = -np.log(censored) if censored else np.inf
    for _ in range(300):
        times = generator.exponential(size=num)
        found = statistics.median(np.minimum(times, horizon), times < horizon)
        covered += (found.low or 0) <= np.log(2) <= (found.high or np.inf)
    assert covered / 300 >= 0.9


def test_a_time_that_is_no_number_is_named():
    with pytest.raises(ValueError, match=r"times must be numbers; those of runs \[1, 3\] are NaN"):
        statistics.median([1.0, np.nan, 3.0, np.nan])


TWO = (
    statistics.Times(np.array([6.0, 7, 10, 15, 19, 25]), np.array([True, False, True, True, False, True])),
    statistics.Times(np.array([1.0, 2, 3, 4, 8, 9]), np.array([True, True, True, True, True, False])),
)


def test_log_rank_is_the_formula_of_the_textbook():
    first, second = TWO
    observed = expected = variance = 0.0
    for t in np.unique(np.concatenate([first.time[first.ended], second.time[second.ended]])):
        n1, n2 = (first.time >= t).sum(), (second.time >= t).sum()
        d1, d = ((first.time == t) & first.ended).sum(), 1
        observed, expected = observed + d1, expected + d * n1 / (n1 + n2)
        variance += n1 * n2 / (n1 + n2) ** 2
    found = statistics.log_rank(first, second)
    assert abs(found.statistic) == pytest.approx(abs(observed - expected) / np.sqrt(variance))
    assert found.p == pytest.approx(stats.chi2.sf(found.statistic**2, 1))
    assert statistics.log_rank(second, first).p == pytest.approx(found.p)
    never = statistics.Times(np.ones(3), np.zeros(3, bool))
    assert statistics.log_rank(never, never) == (None, None)


def test_the_hazard_ratio_is_the_planted_one_within_its_interval():
    generator, covered, values = np.random.default_rng(0), 0, []
    until = lambda times: statistics.Times(np.minimum(times, 1.2), times < 1.2)
    for _ in range(100):
        found = statistics.hazard_ratio(
            until(generator.exponential(1 / 3, 40)), until(generator.exponential(1.0, 40))
        )
        covered += found.low <= 3 <= found.high
        values.append(found.value)
    assert np.exp(np.log(values).mean()) == pytest.approx(3, rel=0.1) and covered >= 89


def test_the_hazard_ratio_turns_over_with_the_groups_and_may_be_open():
    one, other = statistics.hazard_ratio(*TWO), statistics.hazard_ratio(*TWO[::-1])
    assert one.value < 1 and one.value * other.value == pytest.approx(1)
    assert one.low * other.high == pytest.approx(1)
    sooner = statistics.Times(np.array([1.0, 2]), np.array([True, True]))
    later = statistics.Times(np.array([3.0, 4]), np.array([True, True]))
    assert statistics.hazard_ratio(sooner, later) == (None, None, None)


def test_a_group_that_got_there_after_the_other_was_out_of_sight_determines_nothing():
    late = statistics.Times(np.array([200.0, 210, 220]), np.ones(3, bool))
    unseen = statistics.Times(np.array([3.0, 4, 5]), np.zeros(3, bool))
    assert statistics.log_rank(late, unseen) == (None, None)
