"""Times that some runs have not reached yet (censored): Kaplan-Meier, medians, two groups compared."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import optimize, stats

from grokjax.curves.statistics.comparisons import Test
from grokjax.curves.statistics.intervals import Interval, wilson


class Survival(NamedTuple):
    """Kaplan-Meier: at each of K times the share of runs that last longer, with the ends of its band.

    `censored` are the times of the runs that had not ended.
    """

    time: Float[np.ndarray, " K"]
    share: Float[np.ndarray, " K"]
    low: Float[np.ndarray, " K"]
    high: Float[np.ndarray, " K"]
    censored: Float[np.ndarray, " J"]


def survival(
    times: Sequence[float] | np.ndarray, ended: Sequence[bool] | np.ndarray, confidence: float = 0.95
) -> Survival:
    """Returns the Kaplan-Meier estimate from time 0 on, with Greenwood's band on the log-log scale.

    A run with `ended` False lasted at least its time.
    """
    at, over = np.asarray(times, float), np.asarray(ended, bool)
    if at.shape != over.shape or at.ndim != 1 or not len(at):
        raise ValueError(
            f"times has shape {at.shape} and ended {over.shape}; both must be [S] with at least one run"
        )
    if np.isnan(at).any():
        raise ValueError(
            f"times must be numbers; those of runs {np.flatnonzero(np.isnan(at)).tolist()} are NaN"
        )
    function = stats.ecdf(stats.CensoredData.right_censored(at, ~over)).sf
    low, high = _band(function, confidence)
    at_start = lambda values: np.concatenate([[1.0], values])
    return Survival(
        np.concatenate([[0.0], function.quantiles]),
        at_start(function.probabilities),
        at_start(low),
        at_start(high),
        np.sort(at[~over]),
    )


def _band(function, confidence):
    """The band: [1, 1] where the share is 1, and from 0 to the end before where no run is left."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy's band is undefined where the share is 0 or 1
        both = function.confidence_interval(confidence_level=confidence, method="log-log")
    low, high = both.low.probabilities.copy(), both.high.probabilities.copy()
    share = function.probabilities
    low[share >= 1], high[share >= 1] = 1.0, 1.0
    low[share <= 0] = 0.0
    high[share <= 0] = np.min(high[share > 0], initial=1.0)
    return low, high


def median(
    times: Sequence[float] | np.ndarray,
    ended: Sequence[bool] | np.ndarray | None = None,
    confidence: float = 0.95,
) -> Interval:
    """Returns the median time with the interval of Brookmeyer and Crowley (1982).

    The interval holds the times at which the band of `survival` holds ½; an end that is not reached is None.
    Where all have ended, the greatest time is an upper end: the median lies above it once in 2^S samples.
    Without `ended` every run has ended. Without runs everything is None. So few runs that even the interval
    from the least to the greatest misses the median too often have none: fewer than 6 at 95%. From there on
    it holds the median of exponential times in 93% to 99% of samples, also if 30% of the runs are censored.
    """
    if not len(times):
        return Interval(None, None, None)
    curve = survival(times, [True] * len(times) if ended is None else ended, confidence)
    reached = lambda share: float(curve.time[np.argmax(share <= 0.5)]) if (share <= 0.5).any() else None
    half, below = np.isclose(curve.share, 0.5), curve.share < 0.5 - 1e-9
    value = reached(curve.share)
    if half.any() and below.any():  # the share is exactly ½ for a while: the median is midway
        value = float(curve.time[np.argmax(half)] + curve.time[np.argmax(below)]) / 2
    if 1 - 2 * 0.5 ** len(times) < confidence:
        return Interval(value, None, None)
    high = reached(curve.high)
    if high is None and not len(curve.censored):
        high = float(curve.time[-1])
    return Interval(value, reached(curve.low), high)


class Times(NamedTuple):
    """When each of S runs got there (steps), and whether it did.

    A run that did not lasted at least its time (censored).
    """

    time: Float[np.ndarray, " S"]
    ended: Bool[np.ndarray, " S"]

    @property
    def share(self) -> Interval:
        """The runs that got there."""
        return wilson(int(self.ended.sum()), len(self.ended))

    @property
    def median(self) -> Interval:
        """`median` of the times."""
        return median(self.time, self.ended)


def log_rank(first: Times, second: Times) -> Test:
    """Returns the log-rank test (Mantel 1966) of two groups of runs: do both get there equally soon?

    Where nobody got there, or one group got there only after the other was out of sight, nothing is
    determined.
    """
    if not (first.ended.any() or second.ended.any()):
        return Test(None, None)
    censored = [
        stats.CensoredData.right_censored(np.asarray(x.time, float), ~x.ended) for x in (first, second)
    ]
    with np.errstate(invalid="ignore"):
        found = stats.logrank(*censored)
    if np.isnan(found.pvalue):  # at no time a run of either group could have got there
        return Test(None, None)
    return Test(float(found.statistic), float(found.pvalue))


def hazard_ratio(first: Times, second: Times, confidence: float = 0.95) -> Interval:
    """Returns how many times as often a run of the first group gets there, while both are on the way.

    The estimate maximises Cox's partial likelihood (1972; Breslow's ties), the interval is Wald's on its
    logarithm. Where a group has no run that got there, or all of one get there before any of the other,
    nothing is determined. From 5 runs a group on the interval holds ratios of 1 and 3 of exponential times in
    94% of samples or more.
    """
    groups = (first, second)
    at = np.unique(np.concatenate([group.time[group.ended] for group in groups]))
    ends = np.array([[((group.time == t) & group.ended).sum() for t in at] for group in groups])
    risk = np.array([[(group.time >= t).sum() for t in at] for group in groups])
    share = lambda beta: risk[0] * np.exp(beta) / (risk[0] * np.exp(beta) + risk[1])
    score = lambda beta: float((ends[0] - ends.sum(0) * share(beta)).sum())
    if not (first.ended.any() and second.ended.any()) or score(-20) * score(20) >= 0:
        return Interval(None, None, None)
    beta = float(optimize.brentq(score, -20, 20))
    half = stats.norm.ppf((1 + confidence) / 2) / np.sqrt(
        (ends.sum(0) * share(beta) * (1 - share(beta))).sum()
    )
    return Interval(*(float(np.exp(x)) for x in (beta, beta - half, beta + half)))
