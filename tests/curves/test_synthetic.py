import itertools

import numpy as np
import pytest

from grokjax.curves import synthetic, synthetic_mixture

STAIRS = [
    synthetic.staircase,
    synthetic.close_levels,
    synthetic.drifting,
    synthetic.leaning,
    synthetic.approach,
]


def test_a_seed_gives_one_curve():
    for kind in (synthetic_mixture.with_shelves, synthetic.staircase):
        np.testing.assert_array_equal(kind(3).curve, kind(3).curve)
        assert not np.array_equal(kind(3).curve[:50], kind(4).curve[:50])


@pytest.mark.parametrize("kind", STAIRS)
@pytest.mark.parametrize("seed", range(5))
def test_a_curve_is_at_its_level_on_every_shelf_in_order(kind, seed):
    curve, stretches, noise = kind(seed, 2000)
    assert stretches and stretches[-1].last_step < len(curve)
    for level, first, last, _ in stretches:
        assert abs(curve[first : last + 1].mean() - level) < 5 * noise / np.sqrt(last - first) + 0.03 * level
        assert np.ptp(np.interp([first, last], np.arange(len(curve)), curve)) < 0.1 * level + 6 * noise
    assert all(one.last_step < other.first_step for one, other in itertools.pairwise(stretches))


def test_close_levels_are_seven_hundredths_apart():
    _, upper, lower = synthetic.close_levels(0, 20000).stretches
    assert upper.level - lower.level == pytest.approx(0.07, abs=0.01)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 0.98])
def test_the_noise_has_its_deviation_and_its_correlation(correlation):
    curve = synthetic.approach(0, 200_000, noise=0.05, correlation=correlation).curve[100_000:]
    assert curve.std() == pytest.approx(0.05, rel=0.05)
    assert np.corrcoef(curve[1:], curve[:-1])[0, 1] == pytest.approx(correlation, abs=0.02)


@pytest.mark.parametrize("kind", [synthetic.power_law, synthetic.descent])
@pytest.mark.parametrize("seed", range(5))
def test_curves_without_shelves_fall_all_the_way(kind, seed):
    curve, stretches, _ = kind(seed, 2000, noise=0.0)
    assert not stretches and (np.diff(curve) < 0).all()


def test_no_part_of_a_descent_is_twice_as_steep_as_another():
    slopes = np.concatenate(
        [np.diff(synthetic.descent(seed, noise=0.0).curve)[:: 1999 // 7] for seed in (1,)]
    )
    assert slopes.min() / slopes.max() <= 2


@pytest.mark.parametrize("seed", range(20))
def test_the_mixture_is_at_its_level_on_every_planted_shelf(seed):
    curve, stretches, noise = synthetic_mixture.with_shelves(seed)
    assert stretches and noise <= 0.03
    for level, first, last, _ in stretches:
        assert last - first >= 39
        assert abs(np.median(curve[first : last + 1]) - level) < 5 * noise / np.sqrt(last - first) + 0.02


@pytest.mark.parametrize("seed", range(20))
def test_the_mixture_without_shelves_falls_by_three_deviations_in_forty_steps(seed):
    curve, stretches, noise = synthetic_mixture.without_shelves(seed)
    fall = np.median(curve[:40]) - np.median(curve[-40:])
    assert not stretches and fall > 0.9 * synthetic_mixture.SLOPE * noise * (len(curve) - 40) / 40
