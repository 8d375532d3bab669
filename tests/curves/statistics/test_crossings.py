import numpy as np
import pytest

from grokjax.curves import statistics


def test_first_below_is_not_fooled_by_a_spike():
    curve = np.repeat([2.3, 0.7], 100).astype(float)
    curve[50] = 0.0
    assert statistics.first_below(curve, 2.2) == 100
    assert statistics.first_below(curve, 0.1) is None
    curve[150:] = np.nan
    assert statistics.first_below(curve, 2.2) == 100


def test_times_of_runs_that_never_get_there_are_censored():
    curves = np.array([np.where(np.arange(60) < at, 2.0, 1.0) for at in (20, 40, 99)])
    curves[2, 50:] = np.nan
    found = statistics.until_below(curves, 1.5, steps=10 * np.arange(60))
    assert found.time.tolist() == [200, 400, 490] and found.ended.tolist() == [True, True, False]
    assert found.median.value == 400 and found.share.value == pytest.approx(2 / 3)


@pytest.mark.parametrize("at", [30, 90, 94, 97, 99])
@pytest.mark.parametrize("padding", [0, 1, 40])
def test_a_crossing_near_the_end_is_found_however_the_curve_is_padded(at, padding):
    curve = np.where(np.arange(100) < at, 2.0, 1.0)
    padded = np.concatenate([curve, np.full(padding, np.nan)])
    assert statistics.first_below(padded, 1.5) == statistics.first_below(curve, 1.5) == at
    found = statistics.until_below(padded[None], 1.5)
    assert found.time.tolist() == [at] and found.ended.tolist() == [True]


def test_a_curve_without_a_number_never_gets_there():
    assert statistics.first_below(np.full(20, np.nan), 1.0) is None
    assert statistics.until_below(np.full((1, 20), np.nan), 1.0).ended.tolist() == [False]
