import numpy as np
import pytest

from grokjax.curves import synthetic
from grokjax.curves.detector import noise


def test_the_deviation_is_found_on_a_steep_slope_among_bursts():
    generator = np.random.default_rng(0)
    curve = np.linspace(5, 0, 800) + 0.02 * generator.standard_normal(800)
    curve[::50] += 1.0
    assert np.median(noise.deviation(curve)) == pytest.approx(0.02, rel=0.15)


def test_the_deviation_follows_its_change():
    generator = np.random.default_rng(1)
    deviation = np.repeat([0.03, 0.005], 500)
    found = noise.deviation(2 + deviation * generator.standard_normal(1000))
    assert found[:400].mean() == pytest.approx(0.03, rel=0.2)
    assert found[600:].mean() == pytest.approx(0.005, rel=0.2)


def test_bursts_are_marked_and_a_sudden_fall_is_not():
    curve = np.repeat([2.0, 0.5], 100) + 0.01 * np.random.default_rng(2).standard_normal(200)
    curve[[30, 31, 32, 150]] += 0.5
    assert np.flatnonzero(noise.bursts(curve, np.full(200, 0.01))).tolist() == [30, 31, 32, 150]


def test_the_variance_of_means_of_slow_noise_is_that_of_its_formula():
    """A mean of n neighbours of AR(1) noise has the variance sum over lags of (1 − lag / n) rho^lag."""
    memory = noise.Memory(0.5, 2.0, 0.8)
    for n in (1, 3, 50):
        lags = np.arange(1, n)
        exact = 0.5 + 2.0 * (1 + 2 * ((1 - lags / n) * 0.8**lags).sum())
        assert memory.of_mean(n) == pytest.approx(exact)


@pytest.mark.parametrize(("correlation", "inflation"), [(0.0, 1.0), (0.5, 6.0), (0.9, 190.0), (0.98, 4950.0)])
def test_the_memory_of_noise_is_found_under_a_staircase(correlation, inflation):
    """In units of 1 − rho, the step-to-step variance; means have (1 + rho) / (1 − rho) per step."""
    found = []
    for seed in range(5):
        curve = synthetic.staircase(seed, 20000, correlation=correlation).curve
        found.append(noise.memory(curve, noise.deviation(curve)).of_mean(1e6))
    assert np.median(found) == pytest.approx(inflation, rel=0.25)


def test_a_curve_that_bends_has_no_memory():
    curve = synthetic.power_law(0, 2000, noise=0.003).curve
    assert noise.memory(curve, noise.deviation(curve)).of_mean(500) < 3
