"""Carries between the columns of an addition of uniform digits, and what the sum of all digits tells: exact,
by programmes over columns.
"""

from fractions import Fraction

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import entr


def carry_probability(base: int, column: int) -> Fraction:
    """The probability `c_k` of a carry into column k (0 = units): `c_0 = 0`, `c_{k+1} = (b−1)/(2b) + c_k/b`,
    so `c_k = (1 − b^−k)/2`.
    """
    return (1 - Fraction(1, base**column)) / 2


def carry_given_digit(base: int, column: int, digit: int) -> Fraction:
    """The probability of a carry into `column` when one operand's digit of the column below is `digit`: `(d +
    c_{k−1})/b`.
    """
    if column < 1 or not 0 <= digit < base:
        raise ValueError(
            f"column={column}, digit={digit}: a carry needs a column of at least 1 and a digit of 0 to "
            f"{base - 1}"
        )
    return (digit + carry_probability(base, column - 1)) / base


def digit_sum_losses(base: int, num_digits: int) -> Float[ndarray, " C"]:
    """The loss (nats) of each answer digit, units first, the leading one last, given the sum of all digits of
    both operands.

    One programme carries the joint law of (carry, sum of digits) up the columns; the digits above a column
    add to the sum alone.
    """
    below = np.array([[1.0], [0.0]])
    losses = []
    for column in range(num_digits):
        joint = _add_column(base, below)
        above = _powers(base, 2 * (num_digits - 1 - column))
        losses.append(_conditional_entropy(np.array([np.convolve(row, above) for row in joint.sum(0)])))
        below = joint.sum(1)
    return np.array([*losses, _conditional_entropy(below)])


def digit_sum_losses_without_carries(base: int, num_digits: int) -> Float[ndarray, " C"]:
    """The same for digitwise addition, whose columns are alike and which has no leading digit."""
    above = _powers(base, 2 * (num_digits - 1))
    own = _add_column(base, np.array([[1.0], [0.0]])).sum(0)
    return np.full(num_digits, _conditional_entropy(np.array([np.convolve(row, above) for row in own])))


def _pairs(base: int) -> Float[ndarray, " Z"]:
    """The law of the sum of two uniform digits, 0 … 2b−2."""
    return np.convolve(np.ones(base), np.ones(base)) / base**2


def _powers(base: int, count: int) -> Float[ndarray, " Z"]:
    """The law of the sum of `count` uniform digits."""
    law = np.ones(1)
    for _ in range(count // 2):
        law = np.convolve(law, _pairs(base))
    return law


def _add_column(base: int, below: Float[ndarray, "2 Z"]) -> Float[ndarray, "2 V U"]:
    """The joint law of (carry out, answer digit, sum of digits) after one more column, from that of (carry
    in, sum of digits) below it.
    """
    joint = np.zeros((2, base, below.shape[1] + 2 * base - 2))
    for total, weight in enumerate(_pairs(base)):
        for carry in (0, 1):
            joint[divmod(total + carry, base)][total : total + below.shape[1]] += weight * below[carry]
    return joint


def _conditional_entropy(joint: Float[ndarray, "V Z"]) -> float:
    """`H(row | column)` of a joint law."""
    return float(entr(joint).sum() - entr(joint.sum(0)).sum())
