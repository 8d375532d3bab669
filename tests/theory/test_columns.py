"""Carries between columns, exactly."""

import itertools
from fractions import Fraction

import pytest

from grokjax.theory import columns


@pytest.mark.parametrize("base", [2, 7, 10])
def test_carry_probability_obeys_its_recursion(base):
    assert columns.carry_probability(base, 0) == 0
    for k in range(6):
        following = Fraction(base - 1, 2 * base) + columns.carry_probability(base, k) / base
        assert columns.carry_probability(base, k + 1) == following


def test_carry_probabilities_of_the_notes():
    assert [columns.carry_probability(10, k) for k in range(4)] == [
        0,
        Fraction(9, 20),
        Fraction(99, 200),
        Fraction(999, 2000),
    ]


def test_carry_given_one_digit_by_counting():
    """The odds (10 − d − c) : (d + c) of the notes, at base 4."""
    for column, digit in itertools.product((1, 2, 3), range(4)):
        lower = 4 ** (column - 1)
        pairs = [(x, y) for x in range(digit * lower, (digit + 1) * lower) for y in range(4**column)]
        carried = sum(x + y >= 4**column for x, y in pairs)
        assert columns.carry_given_digit(4, column, digit) == Fraction(carried, len(pairs))


@pytest.mark.parametrize(("column", "digit"), [(0, 3), (1, 10), (1, -1)])
def test_a_digit_that_is_none_is_refused(column, digit):
    with pytest.raises(ValueError, match=f"digit={digit}"):
        columns.carry_given_digit(10, column, digit)
