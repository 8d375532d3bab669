"""Estimates over runs with their confidence intervals; each docstring says how often they hold the truth.

The coverages are those of 95% intervals, counted on 800 samples or more each; exponential and log-normal
values of scale 1 stand for skewed ones.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

LEAST_RESAMPLED = 10
"""The fewest runs that get a bootstrap interval."""


class Interval(NamedTuple):
    """An estimate with the ends of its confidence interval; None where the runs do not determine it."""

    value: float | None
    low: float | None
    high: float | None

    def ends(self, number: Callable[[float], str] = "{:.3g}".format) -> str:
        """Returns the ends that are known, in words: "2 to 3", "2 or more", "up to 3", or nothing."""
        low, high = (None if end is None else number(end) for end in (self.low, self.high))
        if low and high:
            return f"{low} to {high}"
        return f"{low} or more" if low else f"up to {high}" if high else ""


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Returns the share successes / n with Wilson's interval (1927); no runs determine nothing."""
    if not 0 <= successes <= n:
        raise ValueError(f"successes={successes} must be from 0 to n={n}")
    if not n:
        return Interval(None, None, None)
    low, high = stats.binomtest(successes, n).proportion_ci(confidence, "wilson")
    return Interval(successes / n, float(low), float(high))


def mean(values: Sequence[float] | np.ndarray, confidence: float = 0.95) -> Interval:
    """Returns the mean with Student's interval; one value has no interval, none has nothing.

    Of paired runs give the differences. The interval holds the mean of normal values in 95% of samples, of
    exponential ones in 87%, 89%, 90% and 93% at 3, 8, 16 and 32 runs, of log-normal ones in 84%, 84%, 87% and
    87%: of skewed times ask for the `median`.
    """
    x = np.asarray(values, float)
    if len(x) < 2:
        return Interval(float(x[0]) if len(x) else None, None, None)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # values that are all alike have an interval of width 0
        low, high = stats.ttest_1samp(x, 0.0).confidence_interval(confidence)
    return Interval(float(x.mean()), float(low), float(high))


def quantile(values: Sequence[float] | np.ndarray, share: float = 0.5, confidence: float = 0.95) -> Interval:
    """Returns the value below which `share` of the runs lie, between two order statistics.

    They hold it at least as often as `confidence` says, whatever the distribution; an end is None where there
    are too few runs for it.
    """
    x = np.sort(np.asarray(values, float))
    if not len(x):
        return Interval(None, None, None)
    count = stats.binom(len(x), share)  # runs below the true quantile
    low, high = int(count.ppf((1 - confidence) / 2)), int(count.ppf((1 + confidence) / 2))
    return Interval(
        float(np.quantile(x, share)),
        float(x[low - 1]) if low else None,
        float(x[high]) if high < len(x) else None,
    )


def bootstrap(
    values: Sequence[float] | np.ndarray,
    statistic: Callable[..., np.ndarray] = np.mean,
    confidence: float = 0.95,
    *,
    resamples: int = 9999,
    seed: int = 0,
) -> Interval:
    """Returns any statistic of the runs with its bias-corrected and accelerated bootstrap interval.

    `statistic(values, axis=-1)` works along an axis (Efron 1987). Fewer than `LEAST_RESAMPLED` runs, or runs
    that are all alike, have no interval. That of a mean holds the truth of normal values in 91%, 92% and
    94% of samples at 10, 16 and 32 runs, of exponential ones in 86%, 91% and 92%.
    """
    x = np.asarray(values, float)
    value = float(statistic(x, axis=-1)) if len(x) else None
    if len(x) < LEAST_RESAMPLED or np.ptp(x) == 0:
        return Interval(value, None, None)
    found = stats.bootstrap(
        (x,), statistic, confidence_level=confidence, n_resamples=resamples, rng=np.random.default_rng(seed)
    )
    return Interval(value, *(float(end) if np.isfinite(end) else None for end in found.confidence_interval))


def coefficients(
    features: Float[np.ndarray, "N F"], values: Float[np.ndarray, "S N"], confidence: float = 0.95
) -> list[Interval]:
    """Returns the mean over runs of each coefficient of least squares of their values on the features.

    Values that are NaN take no part; a run with fewer values than features has no coefficients.
    """
    each = [
        np.linalg.lstsq(features[kept], row[kept], rcond=None)[0]
        for row in np.asarray(values, float)
        if (kept := np.isfinite(row)).sum() >= features.shape[1]
    ]
    return [mean([run[k] for run in each], confidence) for k in range(features.shape[1])]
