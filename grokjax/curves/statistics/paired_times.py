"""Times of runs against those of their partners, where some runs of either had not got there by the end."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from grokjax.curves.statistics.intervals import Interval
from grokjax.curves.statistics.survival import Times


class Ratio(NamedTuple):
    """Times over those of the partners: the median ratio, the pairs in either order, the test of that.

    earlier, later: pairs in which the order is known;  unknown: pairs that ended together, or not at all
    p: two-sided, of the exact sign test (Dixon & Mood 1946); None without a pair whose order is known
    """

    median: Interval
    earlier: int
    later: int
    unknown: int
    p: float | None


def paired_ratio(times: Times, partners: Times, confidence: float = 0.95) -> Ratio:
    """Returns how many times as long the runs take as their partners, run by run.

    A pair of which one run had not got there bounds its ratio from one side, and a pair of two such runs
    not at all. The interval of the median lies between order statistics of the lower and of the upper
    bounds, so it holds the median at least as often as `confidence` says. Its value is None where the
    bounds leave it open, and so is an end without a bound.
    """
    own, other, got, there = times.time, partners.time, times.ended, partners.ended
    if own.shape != other.shape or own.ndim != 1 or not len(own):
        raise ValueError(f"times have shapes {own.shape} and {other.shape}; both must be [S], run by run")
    ratio = np.maximum(own, 1) / np.maximum(other, 1)
    low, high = np.where(there, ratio, 0.0), np.where(got, ratio, np.inf)
    earlier = int((got & (own < other)).sum())
    later = int((there & (other < own)).sum())
    decided = earlier + later
    p = float(stats.binomtest(earlier, decided).pvalue) if decided else None
    return Ratio(_median(low, high, confidence), earlier, later, len(own) - decided, p)


def _median(low: Float[np.ndarray, " S"], high: Float[np.ndarray, " S"], confidence: float) -> Interval:
    """The median of values that are known between bounds."""
    least, most = np.sort(low), np.sort(high)
    count = len(low)
    k = int(stats.binom(count, 0.5).ppf((1 - confidence) / 2))  # as in `quantile`: no interval for k = 0
    middle = slice((count - 1) // 2, count // 2 + 1)
    ends = [float(x[middle].mean()) for x in (least, most)]
    known = lambda x: float(x) if 0 < x < np.inf else None
    return Interval(
        ends[0] if ends[0] == ends[1] else None,
        known(least[k - 1]) if k else None,
        known(most[count - k]) if k else None,
    )
