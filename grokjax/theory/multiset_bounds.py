"""Proven bounds on what the multiset of all digits tells, where the multisets are too many to enumerate: by
moments over random pairs.

Let M be the multiset of the 2n digits, Q = C(2n, 2) its number of pairs. Given M every pair is as likely to
be a column's own.
"""

import math
from fractions import Fraction

from grokjax.theory import columns, multisets
from grokjax.theory.sums import Bounded


def losses(base: int, num_digits: int) -> tuple[Bounded, ...]:
    """The loss (nats) of each answer digit, units first and the leading one last, given the multiset, each
    with its bound.

    The loss given the sum of the digits, a function of the multiset, is above each of them. The loss of digit
    k for fewer columns, all of
    which are enumerated, is below: the digits of the others only hide the rest.
    """
    coarse = columns.digit_sum_losses(base, num_digits).tolist()
    lower = [_digit_at_least(base, num_digits, digit) for digit in range(num_digits)]
    fewer = max(n for n in range(1, num_digits) if multisets.countable(base, n))
    if num_digits <= 2 * fewer:  # with more columns the moments say more
        lower = [*map(max, lower, multisets.losses(base, fewer)[:-1]), *lower[fewer:]]
    upper = [min(coarse[0], pair_sum(base, num_digits)[1]), *coarse[1:-1]]
    low, high = leading(base, num_digits)
    return tuple(_between(*ends) for ends in [*zip(lower, upper, strict=True), (low, min(high, coarse[-1]))])


def _between(low: float, high: float) -> Bounded:
    return Bounded((low + high) / 2, (high - low) / 2 + 1e-14)


def _digit_at_least(base: int, num_digits: int, digit: int) -> float:
    """A lower bound for a digit other than the leading one.

    Tell the predictor the pairs below it, from the nearest downwards, until one does not sum to b−1: the
    carry is known then, and the digit pair is a random one of the J columns fewer that are left. Knowing more
    it loses `H(x + y mod b | M of n−J columns)`.
    """
    left = [
        (1 - 1 / base) * base ** (1 - told) * pair_sum(base, num_digits - told)[0]
        for told in range(1, digit + 1)
    ]
    return sum(left) + base**-digit * pair_sum(base, num_digits - digit)[0]


def pair_sum(base: int, num_columns: int) -> tuple[float, float]:
    """Bounds on the entropy of x + y mod b, (x, y) a random pair of M: ln b less its mean divergence from
    uniform.

    With (1+δ_z)/b the law given M and μ_r = E mean_z δ^r, the divergence E mean_z (1+δ) ln(1+δ) is at least
    μ₂/2 − μ₃/6, at most μ₂/2 − μ₃/6 + μ₄/3 and at most ln(1 + μ₂). (As functions of δ ≥ −1 both differences
    are 0 at 0; the first has the derivative ln(1+δ) − δ + δ²/2, of the sign of δ; the second the curvature
    δ²(3+4δ)/(1+δ), convex from −¾ on, concave before and 0 at −1.)
    """
    second, third, fourth = (float(moment) for moment in moments(base, num_columns))
    main = second / 2 - third / 6
    return max(0.0, math.log(base) - min(main + fourth / 3, math.log1p(second))), math.log(base) - max(
        main, 0.0
    )


def moments(base: int, num_columns: int) -> tuple[Fraction, Fraction, Fraction]:
    """μ₂, μ₃, μ₄ of `pair_sum`, exactly: E mean_z (1+δ)^r is b^(r−1) times the chance that r random pairs of
    M have equal sums.

    Pairs that differ as sets of places have equal sums with chance 1/b each, independently, but for four of
    them in a cycle, where x₁ + x₂ = x₂ + x₃ = x₃ + x₄ implies x₄ + x₁.
    """
    pairs = math.comb(2 * num_columns, 2)
    second = Fraction(base - 1, pairs)
    third = Fraction((base - 1) * (base - 2), pairs**2)
    stirling = (1, 7, 6, 1)
    coincide = sum(
        Fraction(count * math.perm(pairs, distinct), base ** (distinct - 1))
        for distinct, count in enumerate(stirling, start=1)
    )
    cycles = 72 * math.comb(2 * num_columns, 4) * (Fraction(1, base**2) - Fraction(1, base**3))
    raw = base**3 * (coincide + cycles) / pairs**4
    return second, third, raw - 1 - 6 * second - 4 * third


def leading(base: int, num_digits: int) -> tuple[float, float]:
    """Bounds on the loss of the leading digit: with W = 1 − 2 P(carry | M), `ln 2 · (1 − E W²) ≤ E h ≤ ln 2 −
    E W²/2`.

    (`h((1−W)/2) = ln 2 − Σ_j W^2j / (2j(2j−1))`, |W| ≤ 1.) Let s = ±1, or 0 where it sums to b−1, say what
    the top pair decides. Then W = D + T, D = E[s | M], T what lower columns decide, and `E W² = 2 E[D W] − E
    D² + E T²` with `0 ≤ E T² ≤ E W² of n−1 columns / b`, by Jensen. E D² is the mean of s over two random
    pairs, E D W that of s over a random pair and the carry of one arrangement: both go by what the pair
    shares with the other's top pair. With φ(u) = E_v s(u, v) = (b−1−2u)/b, a digit at a random place of n
    columns has the mean y_n of φ times the sign of the carry.
    """
    nonzero, variance = 1 - Fraction(1, base), Fraction(base**2 - 1, 3 * base**2)
    place, mixed, squared = Fraction(0), Fraction(0), Fraction(1)
    for n in range(1, num_digits + 1):
        pairs, touching = math.comb(2 * n, 2), 4 * (n - 1)
        own = (nonzero + touching * variance) / pairs
        mixed = (
            nonzero + touching * (variance + place / base) + math.comb(2 * n - 2, 2) * mixed / base
        ) / pairs
        place = variance / n + (1 - Fraction(1, n)) * place / base
        least = 2 * mixed - own
        squared = min(Fraction(1), least + squared / base)
    return math.log(2) * float(1 - squared), math.log(2) - float(least) / 2
