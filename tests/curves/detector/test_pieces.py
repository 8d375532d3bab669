import numpy as np
import pytest

from grokjax.curves.detector import pieces


def test_the_pieces_of_a_broken_line_are_found():
    corners, values = [0, 200, 260, 600], [2.3, 2.3, 0.7, 0.5]
    curve = np.interp(np.arange(600), corners, values) + 0.01 * np.random.default_rng(3).standard_normal(600)
    found = pieces.fit(curve)
    assert len(found.start) == 3 and found.start[0] == 0 and found.stop[-1] == 600
    np.testing.assert_array_equal(found.start[1:], found.stop[:-1])
    np.testing.assert_allclose(found.start[1:], corners[1:3], atol=2 * pieces.BIN)
    np.testing.assert_allclose(pieces.path(found), np.interp(np.arange(600), corners, values), atol=0.08)
    np.testing.assert_allclose(found.noise, 0.01, rtol=0.3)


def test_a_line_is_one_piece_whatever_its_place_and_unit():
    curve = np.linspace(1, 0, 300) + 0.02 * np.random.default_rng(4).standard_normal(300)
    for scale, offset in ((1, 0), (1e-3, 0), (1, 1e3)):
        found = pieces.fit(scale * curve + offset)
        assert found.start.tolist() == [0]
        assert found.last[0] - found.first[0] == pytest.approx(-scale, rel=0.05)


def test_noise_that_wanders_is_hardly_cut():
    """With the memory of 4000 steps there are about 40 that do not know of each other."""
    for seed in range(3):
        noise = np.random.default_rng(seed).standard_normal(4000)
        for t in range(1, 4000):
            noise[t] += 0.98 * noise[t - 1]
        assert len(pieces.fit(2 + 0.01 * noise).start) <= 3


def test_the_error_of_a_mean_counts_the_memory():
    generator, means, errors = np.random.default_rng(0), [], []
    for _ in range(60):
        noise = generator.standard_normal(4000)
        for t in range(1, 4000):
            noise[t] += 0.8 * noise[t - 1]
        means.append(noise[1000:2000].mean())
        errors.append(pieces.fit(noise).error(1000, 2000))
    assert np.median(errors) == pytest.approx(np.std(means), rel=0.25)
