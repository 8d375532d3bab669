import numpy as np
import pytest

from grokjax.curves.detector import pieces, plateaus

NOISE = 0.01


def level(corners, values):
    """The level windows of an exact broken line whose noise is said to be `NOISE`."""
    corners, values = np.array(corners), np.array(values, float)
    found = pieces.Pieces(corners[:-1], corners[1:], values[:-1], values[1:], np.full(len(values) - 1, NOISE))
    return plateaus.level(found, 0.05)


def test_a_flat_piece_between_falls_is_level():
    assert level([0, 20, 300, 340, 500], [2.5, 2.3, 2.3, 0.7, 0.0]) == [(20, 300)]


def test_the_end_of_a_fall_is_level():
    assert level([0, 100, 400], [2.3, 0.01, 0.01]) == [(100, 400)]


@pytest.mark.parametrize(("fall", "count"), [(0.03, 1), (0.08, 1), (0.3, 0)])
def test_a_window_moves_no_farther_than_its_band(fall, count):
    """With 5% about the level 1 a window may fall by .1, however the noise compares."""
    assert len(level([0, 20, 320, 340], [2.0, 1.0, 1.0 - fall, 0.0])) == count


def test_an_even_slope_is_not_level_however_slow():
    assert level([0, 4000], [2.0, 1.0]) == []
    assert level([0, 50, 1000, 5000], [2.3, 2.0, 1.8, 1.0]) == []


@pytest.mark.parametrize("times", [1, 2, 10])
def test_what_comes_before_and_after_must_be_faster(times):
    """A part of a descent that falls by .05 in 500 steps, between others `times` as steep."""
    fall = 0.05 * times
    assert len(level([0, 500, 1000, 1500], [1 + fall, 1.0, 0.95, 0.95 - fall])) == (times > 3)


def test_windows_on_both_sides_of_the_longest_are_found():
    corners, values = [0, 1000, 1100, 4000, 4100, 5000], [2.3, 2.3, 1.0, 1.0, 0.3, 0.3]
    assert level(corners, values) == [(0, 1000), (1100, 4000), (4100, 5000)]


def test_two_levels_in_one_band_are_two_windows_if_the_step_between_them_is_plain():
    assert level([0, 50, 1000, 1020, 2000], [2.3, 1.0, 1.0, 0.93, 0.93]) == [(50, 1000), (1020, 2000)]
    assert len(level([0, 50, 1000, 1020, 2000], [2.3, 1.0, 1.0, 0.995, 0.995])) == 1


def test_a_burst_is_bridged_and_a_step_is_not():
    assert level([0, 50, 250, 270, 290, 500], [2.0, 1.0, 1.0, 1.5, 1.0, 1.0]) == [(50, 500)]
    assert level([0, 50, 250, 270, 500], [2.0, 1.0, 1.0, 0.8, 0.8]) == [(50, 250), (270, 500)]


def test_too_short_is_not_level():
    around = lambda length: level([0, 8, 8 + length, 16 + length], [9.0, 1.0, 1.0, 0.0])
    assert around(plateaus.LEAST_STEPS - 5) == []
    assert around(plateaus.LEAST_STEPS) == [(8, 8 + plateaus.LEAST_STEPS)]
