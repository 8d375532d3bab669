import numpy as np
import pytest
from scipy import stats

from grokjax.curves import statistics


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


def test_coefficients_are_the_planted_ones_whatever_is_missing():
    features = np.stack([np.ones(6), np.arange(6)], 1)
    slopes = np.array([1.0, 2.0, 3.0])
    values = 5 + slopes[:, None] * np.arange(6)
    values[0, 3] = np.nan
    constant, slope = statistics.coefficients(features, np.concatenate([values, np.full((1, 6), np.nan)]))
    assert constant.value == pytest.approx(5) and slope == pytest.approx(statistics.mean(slopes))


@pytest.mark.parametrize("num", [1, 2, 9])
def test_few_runs_have_no_bootstrap_interval(num):
    values = np.random.default_rng(0).exponential(size=num)
    assert statistics.bootstrap(values) == (pytest.approx(values.mean()), None, None)
    assert statistics.bootstrap(np.random.default_rng(0).exponential(size=10)).low is not None


def test_the_mean_is_students_and_survives_values_that_are_alike():
    values = np.random.default_rng(2).normal(size=7)
    half = stats.t.ppf(0.975, 6) * values.std(ddof=1) / np.sqrt(7)
    np.testing.assert_allclose(
        statistics.mean(values), [values.mean(), values.mean() - half, values.mean() + half]
    )
    assert statistics.mean([3.0, 3.0, 3.0]) == (3.0, 3.0, 3.0)
    assert statistics.mean([2.0]) == (2.0, None, None)


def test_the_mean_covers_skewed_values_as_its_docstring_says():
    draws = np.random.default_rng(3).exponential(size=(1000, 8))
    found = [statistics.mean(row) for row in draws]
    assert np.mean([one.low <= 1 <= one.high for one in found]) == pytest.approx(0.89, abs=0.03)


def test_the_ends_of_an_interval_are_said_as_far_as_they_are_known():
    ends = [statistics.Interval(2.0, low, high).ends() for low in (1.0, None) for high in (3.25, None)]
    assert ends == ["1 to 3.25", "1 or more", "up to 3.25", ""]
    assert statistics.Interval(None, 1500.0, 0.0).ends("{:.0f}".format) == "1500 to 0"
