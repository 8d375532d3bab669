"""Distributions over runs: shares, medians of times that some runs have not reached, curves aligned at each
run's own exit.
"""

import warnings
from collections.abc import Callable, Sequence, Set
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage, stats

from grokjax.curves.shelves import Shelf


class Interval(NamedTuple):
    """An estimate with the ends of its confidence interval; None where the runs so far do not determine it."""

    value: float | None
    low: float | None
    high: float | None


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """The share successes / n with Wilson's interval (1927); no runs determine nothing."""
    if not 0 <= successes <= n:
        raise ValueError(f"successes={successes} must be from 0 to n={n}")
    if not n:
        return Interval(None, None, None)
    low, high = stats.binomtest(successes, n).proportion_ci(confidence, "wilson")
    return Interval(successes / n, float(low), float(high))


def mean(values: Sequence[float] | np.ndarray, confidence: float = 0.95) -> Interval:
    """The mean with Student's interval; one value has no interval, none has nothing. Of paired runs give the
    differences.
    """
    x = np.asarray(values, float)
    if len(x) < 2:
        return Interval(float(x[0]) if len(x) else None, None, None)
    half = float(stats.t.ppf((1 + confidence) / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return Interval(float(x.mean()), float(x.mean()) - half, float(x.mean()) + half)


def quantile(values: Sequence[float] | np.ndarray, share: float = 0.5, confidence: float = 0.95) -> Interval:
    """The value below which `share` of the runs lie, between the order statistics that enclose it whatever
    the distribution.

    An end is None where there are too few runs for it.
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
    """Any statistic of the runs, `statistic(values, axis=-1)`, with its bias-corrected and accelerated
    bootstrap interval (Efron 1987).

    Fewer than two runs, or runs that are all alike, have no interval.
    """
    x = np.asarray(values, float)
    value = float(statistic(x, axis=-1)) if len(x) else None
    if len(x) < 2 or np.ptp(x) == 0:
        return Interval(value, None, None)
    found = stats.bootstrap(
        (x,), statistic, confidence_level=confidence, n_resamples=resamples, rng=np.random.default_rng(seed)
    )
    return Interval(value, *(float(end) if np.isfinite(end) else None for end in found.confidence_interval))


def common_share(first: Set[int], second: Set[int]) -> float:
    """How many of the members of either set are in both (Jaccard), 0 to 1; 0 of two empty sets."""
    return len(first & second) / max(len(first | second), 1)


def common_share_by_chance(first: int, second: int, size: int) -> float:
    """About the common share of two random sets of these sizes, out of `size`: that of as many common members
    as are expected.
    """
    both = first * second / size
    return both / max(first + second - both, 1e-9)


def coefficients(
    features: Float[np.ndarray, "N F"], values: Float[np.ndarray, "S N"], confidence: float = 0.95
) -> list[Interval]:
    """Least squares of each run's values on the features; the mean of each coefficient over the runs. Values
    that are NaN take no part.

    A run with fewer values than features has no coefficients.
    """
    each = [
        np.linalg.lstsq(features[kept], row[kept], rcond=None)[0]
        for row in np.asarray(values, float)
        if (kept := np.isfinite(row)).sum() >= features.shape[1]
    ]
    return [mean([run[k] for run in each], confidence) for k in range(features.shape[1])]


class Survival(NamedTuple):
    """Kaplan-Meier: at each of K times the share of runs that lasts longer, with a band; and the times of the
    censored runs.
    """

    time: Float[np.ndarray, " K"]
    share: Float[np.ndarray, " K"]
    low: Float[np.ndarray, " K"]
    high: Float[np.ndarray, " K"]
    censored: Float[np.ndarray, " J"]


def survival(
    times: Sequence[float] | np.ndarray, ended: Sequence[bool] | np.ndarray, confidence: float = 0.95
) -> Survival:
    """The Kaplan-Meier estimate from time 0 on; a run with `ended` False lasted at least its time. Band:
    log-log Greenwood.
    """
    at, over = np.asarray(times, float), np.asarray(ended, bool)
    if at.shape != over.shape or at.ndim != 1 or not len(at):
        raise ValueError(
            f"times has shape {at.shape} and ended {over.shape}; both must be [S] with at least one run"
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
    """The ends of the band; where the share is 1 it is [1, 1], and where no run is left from 0 to the last
    end before.
    """
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
    """The median time with the interval of Brookmeyer and Crowley (1982): the times at which the band of
    `survival` holds ½.

    Without `ended` every run has ended. An end that is not reached is None; so is everything without runs.
    """
    if not len(times):
        return Interval(None, None, None)
    curve = survival(times, [True] * len(times) if ended is None else ended, confidence)
    reached = lambda share: float(curve.time[np.argmax(share <= 0.5)]) if (share <= 0.5).any() else None
    half, below = np.isclose(curve.share, 0.5), curve.share < 0.5 - 1e-9
    value = reached(curve.share)
    if half.any() and below.any():  # the share is exactly ½ for a while: the median is midway
        value = float(curve.time[np.argmax(half)] + curve.time[np.argmax(below)]) / 2
    return Interval(value, reached(curve.low), reached(curve.high))


class Summary(NamedTuple):
    """What S runs show of one level: how many have the shelf, how many of those are still on it, and the
    medians (steps).
    """

    runs: int
    shown: int
    on_it: int
    share: Interval
    onset: Interval
    exit: Interval
    length: Interval


def summarise(found: Sequence[Shelf | None], confidence: float = 0.95) -> Summary:
    """The summary of one shelf, or None, of every run (`at_level`, `shelves.within`); a run still on it is
    censored, not dropped.
    """
    shown = [shelf for shelf in found if shelf is not None]
    left = [shelf.left for shelf in shown]
    return Summary(
        runs=len(found),
        shown=len(shown),
        on_it=len(shown) - sum(left),
        share=wilson(len(shown), len(found), confidence),
        onset=median([shelf.first_step for shelf in shown], None, confidence),
        exit=median([shelf.last_step + 1 for shelf in shown], left, confidence),
        length=median([shelf.last_step + 1 - shelf.first_step for shelf in shown], left, confidence),
    )


def at_level(shelves: Sequence[Shelf], nats: float, tolerance: float = 0.05) -> Shelf | None:
    """The longest of one run's shelves whose level is within `tolerance` (nats) of `nats`, or None."""
    near = [shelf for shelf in shelves if abs(shelf.level - nats) <= tolerance]
    return max(near, key=lambda shelf: shelf.last_step - shelf.first_step, default=None)


def first_below(curve: Float[np.ndarray, " T"], nats: float, smoothing: int = 11) -> int | None:
    """The first index at which the running median of `smoothing` entries of one curve is below `nats`; None
    if it never is.
    """
    below = ndimage.median_filter(np.nan_to_num(curve, nan=np.inf), smoothing, mode="nearest") < nats
    return int(np.argmax(below)) if below.any() else None


class Times(NamedTuple):
    """When each of S runs got there (steps), and whether it did; one that did not lasted at least its time
    (censored).
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


def until_below(
    curves: Float[np.ndarray, "S T"],
    nats: float,
    *,
    steps: Int[np.ndarray, " T"] | None = None,
    smoothing: int = 11,
) -> Times:
    """`first_below` of every run, as steps (by default 0, 1, ...); a run that never gets there is censored at
    its last value.
    """
    at = np.arange(curves.shape[1]) if steps is None else np.asarray(steps)
    found = [first_below(curve, nats, smoothing) for curve in curves]
    lengths = [max(int(np.isfinite(curve).sum()), 1) for curve in curves]
    return Times(
        np.array(
            [
                at[length - 1] if first is None else at[first]
                for first, length in zip(found, lengths, strict=True)
            ],
            float,
        ),
        np.array([first is not None for first in found], bool),
    )


class Aligned(NamedTuple):
    """Curves shifted so that each run's own exit is at 0: median and quartiles over the runs that have a
    value there, and how many.
    """

    offset: Int[np.ndarray, " W"]
    median: Float[np.ndarray, " W"]
    lower: Float[np.ndarray, " W"]
    upper: Float[np.ndarray, " W"]
    runs: Int[np.ndarray, " W"]


def aligned(
    curves: Float[np.ndarray, "S T"], exits: Sequence[float | None], window: tuple[int, int]
) -> Aligned:
    """The curves from window[0] to window[1] steps (inclusive) about each run's exit; a run without an exit
    (None) takes no part.
    """
    if not window[0] < window[1] or len(curves) != len(exits):
        raise ValueError(
            f"window={window} must ascend, and there must be an exit for each of {len(curves)} curves, not {len(exits)}"
        )
    offset = np.arange(window[0], window[1] + 1)
    kept = [
        (curve, int(at))
        for curve, at in zip(curves, exits, strict=True)
        if at is not None and np.isfinite(at)
    ]
    shifted = (
        np.stack([_shifted(curve, at + offset) for curve, at in kept]) if kept else np.empty((0, len(offset)))
    )
    runs = np.isfinite(shifted).sum(0)
    middle, lower, upper = np.full((3, len(offset)), np.nan)
    for values, share in ((middle, 0.5), (lower, 0.25), (upper, 0.75)):
        values[runs > 0] = np.nanquantile(shifted[:, runs > 0], share, axis=0)
    return Aligned(offset, middle, lower, upper, runs)


def _shifted(curve, at):
    inside = (at >= 0) & (at < len(curve))
    return np.where(inside, curve[np.clip(at, 0, len(curve) - 1)], np.nan)
