"""Few points for long curves: nothing is outside what they say, and what they say is near."""

import base64
import itertools

import numpy as np
import pytest

from grokjax.runner.page import thinning


def unpacked(packed):
    """As the page's script reads it."""
    codes = np.frombuffer(base64.b64decode(packed["codes"]), "<u2").astype(float)
    values = packed["low"] + (packed["high"] - packed["low"]) * codes / (thinning.MISSING - 1)
    return np.where(codes == thinning.MISSING, np.nan, np.exp(values) if packed["logarithmic"] else values)


@pytest.mark.parametrize("length", [1, 7, 399, 400, 401, 5000, 100_000])
def test_the_stretches_cover_every_entry_once(length):
    ends = thinning.edges(length, 400)
    assert ends[0] == 0 and ends[-1] == length and (np.diff(ends) > 0).all() and len(ends) <= 401


def test_a_point_holds_what_lies_in_its_stretch():
    values = np.random.default_rng(0).lognormal(size=(3, 5000))
    values[1, 2000:] = np.nan
    found = thinning.thinned(values, np.arange(5000), 100)
    ends = thinning.edges(5000, 100)
    for b, (first, last) in enumerate(itertools.pairwise(ends)):
        assert first <= found.steps[b] < last
        np.testing.assert_allclose(found.mean[0, b], values[0, first:last].mean())
        assert found.least[0, b] == values[0, first:last].min()
        assert found.largest[0, b] == values[0, first:last].max()
    assert np.isnan(found.mean[1, -1]) and np.isfinite(found.mean[1, 0])


def test_codes_are_within_a_twentieth_of_a_per_cent_over_14_decades():
    values = np.geomspace(1e-12, 1e2, 999)[None]
    found = unpacked(thinning.packed(values, True))
    np.testing.assert_allclose(found, values[0], rtol=5e-4)


def test_what_is_missing_stays_missing_and_a_loss_of_0_is_the_least_one():
    found = unpacked(thinning.packed(np.array([[np.nan, 0.0, 1e-3, 1.0]]), True))
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], [1e-3, 1e-3, 1.0], rtol=1e-6)
    assert np.isnan(unpacked(thinning.packed(np.full((1, 2), np.nan), True))).all()
    np.testing.assert_allclose(
        unpacked(thinning.packed(np.array([[0.0, 0.25, 1.0]]), False)), [0, 0.25, 1], atol=1e-5
    )


def test_hundreds_of_runs_stay_within_the_size_of_the_file():
    assert thinning.points(8 * 6) == thinning.MOST_POINTS
    assert thinning.points(512 * 8) * 512 * 8 * 3 * 2 < 3e6
