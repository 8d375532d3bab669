import numpy as np
import pytest

from grokjax.curves import changepoints


def test_noise_is_found_on_a_steep_slope_among_spikes():
    generator = np.random.default_rng(0)
    curve = np.linspace(5, 0, 800) + 0.02 * generator.standard_normal(800)
    curve[::50] += 1.0
    assert np.median(changepoints.noise(curve)) == pytest.approx(0.02, rel=0.15)


def test_noise_follows_its_change():
    generator = np.random.default_rng(1)
    deviation = np.repeat([0.03, 0.005], 500)
    found = changepoints.noise(2 + deviation * generator.standard_normal(1000))
    assert found[:400].mean() == pytest.approx(0.03, rel=0.2) and found[600:].mean() == pytest.approx(
        0.005, rel=0.2
    )


def test_spikes_are_marked_and_a_sudden_fall_is_not():
    curve = np.repeat([2.0, 0.5], 100) + 0.01 * np.random.default_rng(2).standard_normal(200)
    curve[[30, 31, 32, 150]] += 0.5
    assert np.flatnonzero(changepoints.spikes(curve, np.full(200, 0.01))).tolist() == [30, 31, 32, 150]


def test_the_pieces_of_a_broken_line_are_found():
    corners, values = [0, 200, 260, 600], [2.3, 2.3, 0.7, 0.5]
    curve = np.interp(np.arange(600), corners, values) + 0.01 * np.random.default_rng(3).standard_normal(600)
    pieces = changepoints.pieces(curve)
    assert len(pieces.start) == 3 and pieces.start[0] == 0 and pieces.stop[-1] == 600
    np.testing.assert_array_equal(pieces.start[1:], pieces.stop[:-1])
    np.testing.assert_allclose(pieces.start[1:], corners[1:3], atol=2 * changepoints.BIN)
    np.testing.assert_allclose(
        changepoints.path(pieces), np.interp(np.arange(600), corners, values), atol=0.08
    )
    np.testing.assert_allclose(pieces.noise, 0.01, rtol=0.3)


def test_a_line_is_one_piece_whatever_its_place_and_unit():
    curve = np.linspace(1, 0, 300) + 0.02 * np.random.default_rng(4).standard_normal(300)
    for scale, offset in ((1, 0), (1e-3, 0), (1, 1e3)):
        pieces = changepoints.pieces(scale * curve + offset)
        assert pieces.start.tolist() == [0]
        assert pieces.last[0] - pieces.first[0] == pytest.approx(-scale, rel=0.05)
