"""Drops of planted curves: falls at known steps between levels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokjax.curves import drops

STEPS = np.arange(0, 2000, 10)


def planted(*falls, start=8.0):
    """log loss that falls by `size` along a line between two steps, for each (first, last, size)."""
    log = np.full(len(STEPS), np.log(start))
    for first, last, size in falls:
        log -= size * np.clip((STEPS - first) / (last - first), 0, 1)
    return np.exp(log)


def test_each_fall_between_levels_is_one_drop():
    curve = planted((300, 400, 2.0), (900, 1000, 3.0))
    first, second = drops.drops(curve, window=100, steps=STEPS)
    assert (first.first, first.last) == (300, 400) and (second.first, second.last) == (900, 1000)
    assert first.high == pytest.approx(8) and first.low == pytest.approx(8 * np.exp(-2))
    assert second.low == pytest.approx(8 * np.exp(-5))


def test_a_slow_fall_is_none_and_a_rise_before_it_is_no_part():
    assert drops.drops(planted((0, 2000, 3.0)), window=100, steps=STEPS) == []
    curve = planted((100, 500, -2.0), (500, 600, 4.0))
    (drop,) = drops.drops(curve, window=100, steps=STEPS)
    assert (drop.first, drop.last) == (500, 600)


def test_what_happens_below_the_floor_is_none():
    curve = planted((300, 400, 7.0), (900, 1000, 7.0))
    (drop,) = drops.drops(curve, window=100, floor=0.1, steps=STEPS)
    assert drop.first == 300 and drop.last <= 400
    assert len(drops.drops(curve, window=100, steps=STEPS)) == 2


@settings(deadline=None, max_examples=30)
@given(st.integers(100, 700), st.integers(30, 100), st.floats(0.8, 5), st.floats(1e-3, 50))
def test_no_unit_of_the_loss_matters(first, length, size, unit):
    first -= first % 10
    curve = planted((first, first + length, size))
    once, again = (drops.drops(scale * curve, window=100, steps=STEPS) for scale in (1.0, unit))
    assert len(once) == 1 and [drop[:2] for drop in once] == [drop[:2] for drop in again]
    assert abs(once[0].first - first) <= 10 and abs(once[0].last - first - length) <= 10


def test_missing_entries_and_mistakes():
    curve = planted((300, 400, 2.0))
    curve[-20:] = np.nan
    assert len(drops.drops(curve, window=100, steps=STEPS)) == 1
    assert drops.drops(np.full(5, np.nan), window=2) == []
    for wrong in (dict(window=0), dict(window=3, factor=1.0)):
        with pytest.raises(ValueError, match="how fast is a drop"):
            drops.drops(curve, **wrong)
    with pytest.raises(ValueError, match=r"steps has shape \(3,\)"):
        drops.drops(curve, window=3, steps=np.arange(3))
