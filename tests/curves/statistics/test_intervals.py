import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats

from grokjax.curves import statistics
from grokjax.curves.shelves import Shelf


def test_wilson_agrees_with_its_formula():
    k, n, z = 3, 8, 1.959963984540054
    centre, spread = (k + z**2 / 2) / (n + z**2), z / (n + z**2) * np.sqrt(k * (n - k) / n + z**2 / 4)
    np.testing.assert_allclose(statistics.wilson(k, n), (k / n, centre - spread, centre + spread))
    assert statistics.wilson(0, 8).low == 0 and statistics.wilson(8, 8).high == 1
    assert statistics.wilson(0, 0) == (None, None, None)
    with pytest.raises(ValueError, match="successes=9 must be from 0 to n=8"):
        statistics.wilson(9, 8)


@pytest.mark.parametrize(("share", "low", "high"), [(0.5, 0.94, 0.985), (0.25, 0.94, 0.985)])
def test_the_interval_of_a_quantile_holds_it_as_often_as_it_says(share, low, high):
    truth = stats.expon.ppf(share)
    draws = np.random.default_rng(0).exponential(size=(2000, 40))
    found = [statistics.quantile(row, share) for row in draws]
    assert low < np.mean([one.low <= truth <= one.high for one in found]) < high
    assert statistics.quantile([1.0, 2.0, 3.0]) == (2.0, None, None) and statistics.quantile([]) == (
        None,
        None,
        None,
    )


def test_the_bootstrap_of_a_mean_is_close_to_students_interval():
    values = np.random.default_rng(1).normal(size=100)
    np.testing.assert_allclose(statistics.bootstrap(values), statistics.mean(values), atol=0.03)
    found = statistics.bootstrap(values, np.median)
    assert found.value == np.median(values) and found.low < found.value < found.high
    assert statistics.bootstrap([2.0, 2.0]) == (2.0, None, None) and statistics.bootstrap([]) == (
        None,
        None,
        None,
    )


def test_common_shares():
    assert statistics.common_share({1, 2, 3}, {2, 3, 4}) == 0.5 and statistics.common_share(set(), set()) == 0
    random = np.random.default_rng(0)
    draws = [(set(random.choice(512, 100, False)), set(random.choice(512, 150, False))) for _ in range(300)]
    assert (
        abs(
            np.mean([statistics.common_share(*pair) for pair in draws])
            - statistics.common_share_by_chance(100, 150, 512)
        )
        < 0.005
    )


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
    """Exponential times censored at their 70% quantile: 95% intervals cover ln 2 in about 95 of 100 samples."""
    generator, covered = np.random.default_rng(0), 0
    for _ in range(300):
        times, horizon = generator.exponential(size=40), -np.log(0.3)
        found = statistics.median(np.minimum(times, horizon), times < horizon)
        covered += (found.low or 0) <= np.log(2) <= (found.high or np.inf)
    assert 0.92 <= covered / 300 <= 0.985


def test_a_summary_counts_and_censors():
    runs = [
        Shelf(0.69, 0.01, 10, 109, True),
        Shelf(0.70, 0.01, 20, 219, True),
        Shelf(0.69, 0.01, 30, 529, False),
        None,
    ]
    summary = statistics.summarise(runs)
    assert (summary.runs, summary.shown, summary.on_it) == (4, 3, 1)
    assert summary.share == statistics.wilson(3, 4)
    assert (summary.onset.value, summary.exit.value, summary.length.value) == (20, 220, 200)
    assert statistics.summarise(runs[::-1]) == summary
    assert statistics.summarise([None]).onset.value is None


def test_at_level_is_the_longest_near_the_level():
    shelves = [
        Shelf(2.3, 0.01, 0, 99, True),
        Shelf(0.70, 0.01, 150, 199, True),
        Shelf(0.68, 0.01, 250, 399, False),
    ]
    assert statistics.at_level(shelves, 0.6931) == shelves[2]
    assert statistics.at_level(shelves, 1.5) is None


def test_first_below_is_not_fooled_by_a_spike():
    curve = np.repeat([2.3, 0.7], 100).astype(float)
    curve[50] = 0.0
    assert statistics.first_below(curve, 2.2) == 100
    assert statistics.first_below(curve, 0.1) is None
    curve[150:] = np.nan
    assert statistics.first_below(curve, 2.2) == 100


def test_times_of_runs_that_never_get_there_are_censored():
    curves = np.array([np.where(np.arange(60) < at, 2.0, 1.0) for at in (20, 40, 99)])
    curves[2, 50:] = np.nan
    found = statistics.until_below(curves, 1.5, steps=10 * np.arange(60))
    assert found.time.tolist() == [200, 400, 490] and found.ended.tolist() == [True, True, False]
    assert found.median.value == 400 and found.share.value == pytest.approx(2 / 3)


def test_coefficients_are_the_planted_ones_whatever_is_missing():
    features = np.stack([np.ones(6), np.arange(6)], 1)
    slopes = np.array([1.0, 2.0, 3.0])
    values = 5 + slopes[:, None] * np.arange(6)
    values[0, 3] = np.nan
    constant, slope = statistics.coefficients(features, np.concatenate([values, np.full((1, 6), np.nan)]))
    assert constant.value == pytest.approx(5) and slope == pytest.approx(statistics.mean(slopes))


def test_aligned_curves_meet_at_their_exits():
    fall = lambda at: np.where(np.arange(300) < at, 2.0, 1.0)
    curves = np.stack([fall(100), fall(170), fall(290), fall(999)])
    found = statistics.aligned(curves, [100, 170, 290, None], (-20, 20))
    np.testing.assert_array_equal(found.median, np.where(found.offset < 0, 2.0, 1.0))
    assert found.runs[0] == 3 and found.runs[-1] == 2
    turned = statistics.aligned(curves[::-1], [None, 290, 170, 100], (-20, 20))
    np.testing.assert_array_equal(found.upper, turned.upper)
    assert np.isnan(statistics.aligned(curves, [None] * 4, (0, 3)).median).all()
    with pytest.raises(ValueError, match=r"window=\(3, 0\)"):
        statistics.aligned(curves, [1, 2, 3, 4], (3, 0))
