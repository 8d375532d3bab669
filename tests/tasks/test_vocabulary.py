"""Digits of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokjax import tasks


@given(st.integers(2, 36), st.integers(1, 30), st.data())
def test_digits_rebuild_the_number(base, num_digits, data):
    number = data.draw(st.integers(0, base**num_digits - 1))
    (digits,) = tasks.digits([number], base, num_digits)
    assert len(digits) == num_digits and sum(digit * base**k for k, digit in enumerate(digits)) == number


@pytest.mark.parametrize("number", [-1, 1000])
def test_numbers_that_do_not_fit_are_refused(number):
    with pytest.raises(ValueError, match=f"number={number} .* num_digits=3 .* base=10"):
        tasks.digits([5, number], 10, 3)
