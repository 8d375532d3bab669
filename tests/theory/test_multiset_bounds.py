"""Bounds by moments, held to enumeration where that is possible."""

import numpy as np
import pytest

from grokjax.theory import multiset_bounds, multisets

SIZES = [(2, 12), (3, 8), (4, 5), (6, 5), (10, 3)]


@pytest.mark.parametrize("by_moments", [True, False])
@pytest.mark.parametrize(("base", "num_digits"), SIZES)
def test_the_exact_loss_is_within_the_bound(monkeypatch, base, num_digits, by_moments):
    exact = multisets.losses(base, num_digits)
    if by_moments:  # and not by the exact loss of fewer columns
        monkeypatch.setattr(multisets, "countable", lambda base, num_digits: num_digits == 1)
    bounds = multiset_bounds.losses(base, num_digits)
    assert len(exact) == len(bounds)
    assert all(abs(nats - bound.nats) <= bound.error for nats, bound in zip(exact, bounds, strict=True))


@pytest.mark.parametrize(("base", "num_digits"), SIZES)
def test_the_moments_are_exact(base, num_digits):
    """Those of the law of x + y mod b, averaged over all multisets."""
    counts = multisets.multisets(base, 2 * num_digits)
    law = np.zeros((base, len(counts)))
    for x, y in np.ndindex(base, base):
        law[(x + y) % base] += (
            counts[:, x] * (counts[:, y] - (x == y)) / (2 * num_digits * (2 * num_digits - 1))
        )
    powers = [((base * law - 1) ** power).mean(0) @ multisets.weights(counts) for power in (2, 3, 4)]
    assert powers == pytest.approx(
        [float(moment) for moment in multiset_bounds.moments(base, num_digits)], abs=1e-12
    )


@pytest.mark.parametrize(("base", "num_digits"), SIZES)
def test_bounds_of_one_pair(base, num_digits):
    low, high = multiset_bounds.pair_sum(base, num_digits)
    assert low <= multisets.losses_without_carries(base, num_digits)[0] <= high


def test_bounds_close_as_columns_are_added():
    wide, narrow = (multiset_bounds.losses(10, n) for n in (10, 40))
    assert all(few.error > 2 * many.error for few, many in zip(wide, narrow[:10], strict=False))
    assert wide[-1].error > 2 * narrow[-1].error


@pytest.mark.parametrize("value", [-1 + 1e-9, -0.9, -0.75, -0.3, -1e-3, 1e-3, 0.4, 3, 30])
def test_the_inequalities_behind_the_bounds(value):
    entropy = (1 + value) * np.log1p(value)
    low = value + value**2 / 2 - value**3 / 6
    assert low <= entropy <= low + value**4 / 3
