"""Additive logits that answer right in sequence mode, most significant first: there the bound of `experts`
says nothing.

Given the higher answer digits a_n … a_{k+1}, `t = [Σ_i (x_i + y_i) b^i − Σ_{j>k} a_j b^j] / b^k` lies in [0,
b) and its whole part is a_k: the answer is a threshold of a score to which each token adds its part. With the
half step `b^−k/2` added, t stays that far from every threshold, and the logits `β (z t − z (z+1)/2)`,
additive as t is, prefer z to z−1 by β (t − z): their loss is at most (b−1) e^(−β b^−k/2). The leading digit
(k = n) needs no answer digit, so the same holds for it in every mode and order.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray


class Tables(NamedTuple):
    """The logits that each token adds, by column (0 = units) and value, and those that are always there."""

    operand: Float[ndarray, "n V V"]
    answer: Float[ndarray, "n+1 V V"]
    constant: Float[ndarray, " V"]


def tables(base: int, num_digits: int, digit: int, scale: float) -> Tables:
    """The tables for answer digit `digit` (0 = units, num_digits = leading) at β = `scale`. Raises ValueError
    for another digit.
    """
    if not 0 <= digit <= num_digits:
        raise ValueError(f"digit={digit} must be from 0 to num_digits={num_digits}")
    outcomes = np.arange(base)
    part = lambda column: scale * float(base) ** (column - digit) * np.multiply.outer(outcomes, outcomes)
    operand = np.array([part(column) for column in range(num_digits)])
    answer = np.array([-part(column) if column > digit else 0 * part(0) for column in range(num_digits + 1)])
    return Tables(
        operand, answer, scale * (outcomes * float(base) ** -digit / 2 - outcomes * (outcomes + 1) / 2)
    )


def logits(
    weights: Tables, operands: Int[ndarray, "B 2 n"], answers: Int[ndarray, "B n+1"]
) -> Float[ndarray, "B V"]:
    """The sum of every token's table, for digits with the units first."""
    columns = np.arange(operands.shape[2])
    places = np.arange(answers.shape[1])
    return (
        weights.constant
        + weights.operand[columns, operands].sum((1, 2))
        + weights.answer[places, answers].sum(1)
    )
