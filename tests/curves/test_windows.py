import numpy as np
import pytest

from grokjax.curves import changepoints, windows

NOISE = 0.01


def level(corners, values):
    """The level windows of an exact broken line whose noise is said to be `NOISE`."""
    corners, values = np.array(corners), np.array(values, float)
    pieces = changepoints.Pieces(
        corners[:-1], corners[1:], values[:-1], values[1:], np.full(len(values) - 1, NOISE)
    )
    return windows.level(pieces, windows.bridged(pieces), 0.05)


def test_a_flat_piece_between_falls_is_level():
    assert level([0, 20, 300, 340, 500], [2.5, 2.3, 2.3, 0.7, 0.0]) == [(20, 300)]


def test_the_end_of_a_fall_is_level():
    assert level([0, 100, 400], [2.3, 0.01, 0.01]) == [(100, 400)]


@pytest.mark.parametrize("deviations, count", [(1.0, 1), (2.0, 0)])
def test_steepness_counts_in_noise_deviations_per_forty_steps(deviations, count):
    fall = deviations * NOISE * 100 / 40
    assert len(level([0, 20, 120, 140], [2.0, 1.0, 1.0 - fall, 0.0])) == count


def test_an_even_slope_is_not_level_however_slow():
    assert level([0, 4000], [2.0, 1.0]) != [(0, 4000)]
    assert level([0, 50, 1000, 5000], [2.3, 2.0, 1.8, 1.0]) == level([0, 50, 1000], [2.3, 2.0, 1.8])


def test_a_burst_is_bridged_and_a_step_is_not():
    assert level([0, 50, 250, 270, 290, 500], [2.0, 1.0, 1.0, 1.5, 1.0, 1.0]) == [(50, 500)]
    assert level([0, 50, 250, 270, 500], [2.0, 1.0, 1.0, 0.8, 0.8]) == [(50, 250), (270, 500)]


def test_too_short_is_not_level():
    assert level([0, 50, 50 + windows.LEAST_STEPS - 1, 100], [2.0, 1.0, 1.0, 0.0]) == []
    assert level([0, 50, 50 + windows.LEAST_STEPS, 100], [2.0, 1.0, 1.0, 0.0]) == [
        (50, 50 + windows.LEAST_STEPS)
    ]
