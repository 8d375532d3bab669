"""The mean entropy of a carry: a sum, its tail by Euler-Maclaurin, and what it stands for."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokjax.theory import sums


@given(size=st.integers(1, 40), carry=st.fractions(0, 1, max_denominator=50))
@settings(deadline=None, max_examples=60)
def test_it_is_the_entropy_of_a_sum_of_uniform_numbers(size, carry):
    """H(X + Y + C) = ln m + T(m, c), the law of the left side by counting."""
    law = np.convolve(np.convolve(np.ones(size), np.ones(size)) / size**2, [float(1 - carry), float(carry)])
    entropy = -sum(p * np.log(p) for p in law if p > 0)
    assert sums.carry_entropy(size, carry).nats == pytest.approx(entropy - np.log(size), abs=1e-12)


@pytest.mark.parametrize("carry", [Fraction(0), Fraction(9, 20), Fraction(1, 2), Fraction(1, 3)])
@pytest.mark.parametrize("size", [40, 1000, 10**5])
def test_the_tail_is_within_its_bound(monkeypatch, size, carry):
    enumerated = sums.carry_entropy(size, carry)
    monkeypatch.setattr(sums, "ENUMERATED", 0)
    tail = sums.carry_entropy.__wrapped__(size, carry)
    assert enumerated.error == 0 < tail.error
    assert abs(tail.nats - enumerated.nats) <= tail.error + 4e-16
    assert size == 40 or tail.error < 1e-13


def test_the_limit_is_half_a_nat(monkeypatch):
    limit = sums.carry_entropy(10**18, Fraction(1, 3))
    monkeypatch.setattr(sums, "ENDLESS", 10**30)
    tail = sums.carry_entropy.__wrapped__(10**18, Fraction(1, 3))
    assert limit.nats == 0.5 and abs(tail.nats - 0.5) <= limit.error + tail.error
