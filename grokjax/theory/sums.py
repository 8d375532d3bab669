"""The entropy of a carry when the visible answer digits tell which block of values the sum fell into:
enumerated or bounded.
"""

import functools
import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from scipy.special import entr

ENUMERATED = 2**17
"""Up to this many terms a mean is summed term by term; beyond it Euler-Maclaurin takes over, with its
remainder as a bound.
"""
HEAD = 16
PRECISION = 32
ENDLESS = 10**17
"""From here on a mean is its integral ½: a function that rises and falls by ln 2 differs from its integral by
at most 2 ln 2/m.
"""


class Bounded(NamedTuple):
    """A number of nats, and how far the exact one can be from it (0: summed term by term, right to float64
    rounding).
    """

    nats: float
    error: float = 0.0


def binary_entropy(probability: float | Fraction) -> float:
    """`h(p) = −p ln p − (1−p) ln(1−p)` in nats."""
    return float(entr(float(probability)) + entr(float(1 - probability)))


@functools.cache
def carry_entropy(size: int, carry: Fraction) -> Bounded:
    """`T(m, c) = mean over d = 0 … m−1 of h((d + c)/m)` for `size` m and `carry` c: what the visible answer
    leaves open of a carry.

    Let X, Y be uniform on 0 … m−1, C a carry into them of probability c, all independent. Their sum is X + Y
    + C = r + m·K, and of the 2m² equally weighted ways d + c of them in m give K = 1 where the residue is r =
    m − 1 − d: r is uniform, and T is the entropy of the carry out K given the visible r. With it the law of X
    + Y + C (triangular, the sum of two uniform numbers) has entropy ln m + T(m, c). One digit d of a column
    tells as much: m = base.
    """
    if size <= ENUMERATED:
        up = (np.arange(size) + float(carry)) / size
        down = (np.arange(size) + float(1 - carry)) / size
        return Bounded(float(np.mean(entr(up) + entr(down))))
    if size >= ENDLESS:
        return Bounded(0.5, 2 * math.log(2) / size)
    with localcontext() as context:
        context.prec = PRECISION
        (low, rest), (high, more) = _log_sum(size, carry), _log_sum(size, 1 - carry)
        exact = Decimal(size).ln() - (low + high) / size**2
        return Bounded(float(exact), float((rest + more) / size**2) + math.ulp(1.0))


def _log_sum(size: int, shift: Fraction) -> tuple[Decimal, Decimal]:
    """`Σ_{i<size} (i+shift) ln(i+shift)` by Euler-Maclaurin from the term HEAD on, and a bound on its
    remainder.

    After the terms B₂, B₄, B₆ of a function f whose sixth derivative keeps one sign the remainder is at most
    2ζ(6)/(2π)⁶ · |f⁽⁵⁾(end) − f⁽⁵⁾(start)| (Knuth, TAOCP 1.2.11.2); for f = t ln t, f⁽⁵⁾ = −6/t⁴, and 2ζ(6) <
    2.04.
    """
    offset = Decimal(shift.numerator) / shift.denominator
    head = sum((t * t.ln() for i in range(HEAD) if (t := i + offset)), Decimal(0))
    start, end = HEAD + offset, size + offset
    tail = _antiderivative(end) - _antiderivative(start)
    return head + tail, Decimal("2.04") / Decimal("6.28") ** 6 * 6 / start**4


def _antiderivative(t: Decimal) -> Decimal:
    """`∫ t ln t − (t ln t)/2 + B₂/2! f′ + B₄/4! f‴ + B₆/6! f⁽⁵⁾` at t, without constants."""
    log = t.ln()
    return t * t * log / 2 - t * t / 4 - t * log / 2 + log / 12 + 1 / (720 * t * t) - 6 / (30240 * t**4)
