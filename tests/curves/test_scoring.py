import pytest

from grokjax.curves import scoring, synthetic, synthetic_mixture


def test_hits_share_half_of_their_union():
    truth = [synthetic.Stretch(1.0, 0, 99), synthetic.Stretch(0.5, 200, 299)]
    assert scoring.overlap((0, 99), (50, 149)) == pytest.approx(1 / 3)
    assert scoring.hits([(0, 49), (250, 310), (0, 99)], truth) == [(2, 0)]
    assert scoring.hits([(0, 49)], truth) == [(0, 0)]
    assert scoring.hits([(0, 48)], truth) == []


def test_the_truth_scores_in_full_and_silence_finds_nothing():
    with_shelves, without = synthetic_mixture.with_shelves, synthetic_mixture.without_shelves
    truth = {with_shelves(seed).curve.tobytes(): with_shelves(seed).stretches for seed in range(5)}
    perfect = scoring.score(lambda curve: truth.get(curve.tobytes(), ()), with_shelves, range(5))
    assert perfect.recall == perfect.precision == 1 and perfect.false == 0 and max(perfect.level_errors) == 0
    assert perfect.covered == perfect.hits
    assert scoring.score(lambda curve: [], with_shelves, range(5)).recall == 0
    everywhere = lambda curve: [synthetic.Stretch(0.0, 0, len(curve) - 1)]
    found = scoring.score(everywhere, without, range(5))
    assert found.false == found.curves == 5 == found.found and found.precision == 0 and found.recall == 1
