import numpy as np
import pytest

from grokjax.curves import synthetic


def test_a_seed_gives_one_curve():
    np.testing.assert_array_equal(synthetic.with_shelves(3).curve, synthetic.with_shelves(3).curve)
    assert len(synthetic.with_shelves(3).curve) != len(synthetic.with_shelves(4).curve)


@pytest.mark.parametrize("seed", range(20))
def test_the_curve_is_at_its_level_on_every_planted_shelf(seed):
    curve, stretches, noise = synthetic.with_shelves(seed)
    assert stretches and noise <= 0.03
    for level, first, last in stretches:
        assert last - first >= 39
        assert abs(np.median(curve[first : last + 1]) - level) < 5 * noise / np.sqrt(last - first) + 0.02


@pytest.mark.parametrize("seed", range(20))
def test_a_curve_without_shelves_falls_by_three_deviations_in_forty_steps(seed):
    curve, stretches, noise = synthetic.without_shelves(seed)
    fall = np.median(curve[:40]) - np.median(curve[-40:])
    assert not stretches and fall > 0.9 * synthetic.SLOPE * noise * (len(curve) - 40) / 40


def test_hits_share_half_of_their_union():
    truth = [synthetic.Stretch(1.0, 0, 99), synthetic.Stretch(0.5, 200, 299)]
    assert synthetic.overlap((0, 99), (50, 149)) == pytest.approx(1 / 3)
    assert synthetic.hits([(0, 49), (250, 310), (0, 99)], truth) == [(2, 0)]
    assert synthetic.hits([(0, 49)], truth) == [(0, 0)]
    assert synthetic.hits([(0, 48)], truth) == []


def test_the_truth_scores_in_full_and_silence_finds_nothing():
    truth = {
        synthetic.with_shelves(seed).curve.tobytes(): synthetic.with_shelves(seed).stretches
        for seed in range(5)
    }
    perfect = synthetic.score(lambda curve: truth.get(curve.tobytes(), ()), range(5))
    assert perfect.recall == perfect.precision == 1 and perfect.false == 0 and max(perfect.level_errors) == 0
    assert synthetic.score(lambda curve: [], range(5)).recall == 0
    everywhere = synthetic.score(lambda curve: [synthetic.Stretch(0.0, 0, len(curve) - 1)], range(5))
    assert everywhere.false == everywhere.curves == 5 and everywhere.found == 5
