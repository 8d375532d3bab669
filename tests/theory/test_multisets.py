"""The enumeration of multisets; what it says of the answer digits is held to brute force in test_levels."""

import math

import numpy as np
import pytest

from grokjax.theory import multisets


@pytest.mark.parametrize(("base", "size"), [(2, 5), (3, 4), (5, 6), (10, 3)])
def test_every_multiset_once_and_its_weights_sum_to_one(base, size):
    counts = multisets.multisets(base, size)
    assert len({tuple(row) for row in counts}) == len(counts) == math.comb(size + base - 1, size)
    assert (counts.sum(1) == size).all() and (counts >= 0).all()
    assert multisets.weights(counts).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("base", "size"), [(2, 5), (3, 4), (5, 6)])
def test_removals_point_at_the_multiset_without_the_digit(base, size):
    counts, smaller, places = (
        multisets.multisets(base, size),
        multisets.multisets(base, size - 1),
        multisets.removals(base, size),
    )
    for digit in range(base):
        there = counts[:, digit] > 0
        expected = counts[there] - np.eye(base, dtype=int)[digit]
        assert (smaller[places[there, digit]] == expected).all()


def test_digitwise_addition_leaves_the_sum_of_a_random_pair():
    """One column: its pair is the multiset. Two columns of bits: one 1 among four, each place as likely."""
    assert multisets.losses_without_carries(10, 1) == (0,)
    odd = 8 / 16 * math.log(2)  # three of one kind and one of the other: even odds of a mixed pair
    even = 6 / 16 * (math.log(3) - 2 / 3 * math.log(2))  # two and two: mixed with chance 2/3
    assert multisets.losses_without_carries(2, 2)[0] == pytest.approx(odd + even, abs=1e-12)
