"""What the multiset of all digits tells about each answer digit: every multiset is enumerated, its carries by
recursion over pairs.

A predictor that sees each token but not its place knows this much: the most that attention which ignores
position can pass on.
"""

import functools
import math

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import entr, gammaln

MOST = 12 * 10**7
"""The most (multiset, pair of digits, column) triples that are enumerated, 6 digits in base 10: 4 s and .5
GB.
"""


def countable(base: int, num_digits: int) -> bool:
    """Whether the multisets of all digits of two operands are few enough to be enumerated."""
    return math.comb(2 * num_digits + base - 1, base - 1) * (base * (base + 1) // 2) * num_digits <= MOST


def weights(counts: Int[ndarray, "N V"]) -> Float[ndarray, " N"]:
    """The probability of each multiset when its digits are uniform: multinomial."""
    size, base = int(counts[0].sum()), counts.shape[1]
    return np.exp(gammaln(size + 1) - gammaln(counts + 1).sum(1) - size * math.log(base))


@functools.lru_cache(maxsize=64)
def multisets(base: int, size: int) -> Int[ndarray, "N V"]:
    """Every multiset of `size` digits as counts per digit, in the order of `removals`."""
    if base == 1:
        return np.array([[size]], np.int16)
    parts = [multisets(base - 1, below) for below in range(size + 1)]
    last = np.repeat(np.arange(size, -1, -1, dtype=np.int16), [len(part) for part in parts])
    return np.concatenate([np.concatenate(parts), last[:, None]], axis=1)


@functools.lru_cache(maxsize=64)
def removals(base: int, size: int) -> Int[ndarray, "N V"]:
    """Where in `multisets(base, size − 1)` each multiset stands after one digit d is taken from it (0 where
    it has none).

    With p_i = m_0 + … + m_i + i a multiset stands at Σ C(p_i, i+1) (i < b−1), its rank in colexicographic
    order.
    """
    counts = multisets(base, size)
    places = np.arange(base - 1)
    bars = np.cumsum(counts[:, :-1], axis=1, dtype=np.int64) + places
    binomial = np.array(
        [[math.comb(bar, place + 1) for place in range(base - 1)] for bar in range(size + base)]
    ).reshape(-1, base - 1)
    before = np.cumsum(binomial[bars, places], axis=1)
    after = np.cumsum(binomial[np.maximum(bars - 1, 0), places][:, ::-1], axis=1)[:, ::-1]
    edge = np.zeros((len(counts), 1), np.int64)
    ranks = np.concatenate([edge, before], axis=1) + np.concatenate([after, edge], axis=1)
    return np.where(counts > 0, ranks, 0)


@functools.lru_cache(maxsize=64)
def carries(base: int, size: int) -> Float[ndarray, "N T"]:
    """`r_j(M)`, j = 0 … size/2: the probability of a carry out of j columns filled with random digits of each
    multiset M.

    Only a pair that sums to b−1 hands on the carry from below: `r_j(M) = P(x+y ≥ b) + Σ_x P(x, b−1−x)
    r_{j−1}(M − x − (b−1−x))`.
    """
    counts = multisets(base, size)
    if size == 0:
        return np.zeros((1, 1))
    table = np.zeros((len(counts), size // 2 + 1))
    for x in range(base):
        for y in range(base - 1 - x, base):
            chance = _pair(counts, x, y)
            passed = carries(base, size - 2)[_without(base, size, x, y)] if x + y == base - 1 else 1.0
            table[:, 1:] += chance[:, None] * passed
    return table


@functools.lru_cache(maxsize=16)
def losses(base: int, num_digits: int) -> tuple[float, ...]:
    """The exact loss (nats) of each answer digit, units first and the leading one last, given the multiset of
    all digits.
    """
    size = 2 * num_digits
    out = np.clip(carries(base, size)[:, -1], 0, 1)
    leading = weights(multisets(base, size)) @ (entr(out) + entr(1 - out))
    return (*_digit_losses(base, size, carries(base, size - 2)), float(leading))


def losses_without_carries(base: int, num_digits: int) -> tuple[float, ...]:
    """The same for digitwise addition, whose columns are alike and which has no leading digit."""
    size = 2 * num_digits
    return _digit_losses(base, size, np.zeros((len(multisets(base, size - 2)), 1))) * num_digits


def _digit_losses(base: int, size: int, below: Float[ndarray, "M T"]) -> tuple[float, ...]:
    """The mean entropy of x + y + C mod b, (x, y) random digits of a multiset and C a carry whose chance the
    other digits decide.
    """
    counts = multisets(base, size)
    law = np.zeros((base, len(counts), below.shape[1]))
    for x in range(base):
        for y in range(x, base):
            pair = _pair(counts, x, y)[:, None] * (1 if x == y else 2)
            carried = pair * below[_without(base, size, x, y)]
            law[(x + y) % base] += pair - carried
            law[(x + y + 1) % base] += carried
    return tuple((weights(counts) @ entr(np.maximum(law, 0)).sum(0)).tolist())


def _pair(counts: Int[ndarray, "N V"], x: int, y: int) -> Float[ndarray, " N"]:
    """The probability that two digits drawn from each multiset are x, then y."""
    size = int(counts[0].sum())
    return counts[:, x] * (counts[:, y].astype(float) - (x == y)) / (size * (size - 1))


def _without(base: int, size: int, x: int, y: int) -> Int[ndarray, " N"]:
    """Where each multiset stands in `multisets(base, size − 2)` without x and y (0 where it lacks one; its
    weight is 0 then).
    """
    return removals(base, size - 1)[removals(base, size)[:, x], y]
