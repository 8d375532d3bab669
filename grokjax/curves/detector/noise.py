"""The noise of one curve: its local deviation, its bursts, and how long it remembers."""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import optimize, signal, stats
from scipy.ndimage import median_filter

SPAN = 31
"""Steps of the running median that bursts are judged against."""


QUANTILE = 0.3
"""Which quantile of the third differences measures the noise; the larger ones hold the falls."""
_OF_NORMAL = stats.halfnorm.ppf(QUANTILE)
BINS = 64
"""The fewest bins of a size that is measured: what lasts longer is trend."""
EVIDENCE = 40
"""How much better than white noise a memory must fit, in units of `_fitted`'s error (about chi-square 6)."""


class Memory(NamedTuple):
    """Noise as white noise plus an AR(1) process, both variances in units of the local deviation squared.

    `white` and `slow` are the two variances; `rho` is the correlation of neighbours of the slow part. White
    noise alone has white = 1, slow = 0.
    """

    white: float
    slow: float
    rho: float

    def of_mean(self, num: float | Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Returns the variance of the mean of `num` neighbours times `num`; 1 for white noise."""
        n, rho = np.maximum(num, 1.0), self.rho
        each = (1 + rho) / (1 - rho) - 2 * rho * (1 - rho**n) / (n * (1 - rho) ** 2)
        return self.white + self.slow * each


def deviation(curve: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Returns the local deviation of the step-to-step noise, from differences of neighbours.

    Noise that wanders slowly has a small step-to-step deviation: `memory` says how much the wander adds.
    """
    difference = np.diff(curve)
    blocks = _blocks(difference)
    spread = stats.median_abs_deviation(blocks, 1, scale="normal") / np.sqrt(2)
    local = _spread_out(median_filter(spread, 5, mode="nearest"), blocks.shape[1], len(curve))
    # A curve without noise still needs a scale.
    return np.maximum(local, 5e-4 * np.ptp(np.quantile(curve, [0.02, 0.98])) + 1e-12)


def bursts(curve: Float[np.ndarray, " T"], deviation: Float[np.ndarray, " T"]) -> Bool[np.ndarray, " T"]:
    """Returns True at the steps that stand out from a running median by five deviations of the noise.

    A median follows falls of any speed. Where the noise wanders, the distance of the curve from its median
    sets the deviation.
    """
    away = curve - median_filter(curve, SPAN, mode="nearest")
    blocks = _blocks(away)
    spread = stats.median_abs_deviation(blocks, 1, scale="normal")
    local = _spread_out(median_filter(spread, 5, mode="nearest"), blocks.shape[1], len(curve))
    return np.abs(away) > 5 * np.maximum(deviation, local)


def memory(curve: Float[np.ndarray, " T"], deviation: Float[np.ndarray, " T"]) -> Memory:
    """Returns the white plus AR(1) noise that fits the variances of third differences of bin means.

    Bins of 1, 2, 4, ... steps are measured. Third differences do not see a trend that is a parabola over four
    bins, and a low quantile of them does not see the few bins in which a curve falls: the trend need not be
    known.
    """
    sizes = tuple(2**k for k in range(12) if 2**k * BINS <= max(len(curve), 4 * BINS))
    sums = np.concatenate([[0.0], np.cumsum(curve - np.median(curve))])
    measured = np.array([_third_difference(sums, deviation, size) for size in sizes])
    return _fitted(measured, len(curve) / np.array(sizes), sizes)


def _third_difference(sums, deviation, size):
    """The variance of third differences of the means of bins of this size, over the local variance."""
    stride = max(1, size // 4)
    gap = size // stride
    means = (sums[size:] - sums[:-size])[::stride] / size
    third = means[: -3 * gap] - 3 * means[gap : -2 * gap] + 3 * means[2 * gap : -gap] - means[3 * gap :]
    local = deviation[np.arange(len(third)) * stride + 2 * size]
    return max((np.quantile(np.abs(third) / local, QUANTILE) / _OF_NORMAL) ** 2, 1e-12)  # 0 for a constant


def _fitted(measured, counts, sizes):
    """The memory with the least squared relative error, each size weighted by its number of bins."""
    best = (float(counts @ (20.0 / np.array(sizes) / measured - 1) ** 2) - EVIDENCE, Memory(1.0, 0.0, 0.0))
    weight = np.sqrt(counts) / measured
    for tau in 2.0 ** np.arange(0, np.log2(4 * sizes[-1]) + 0.25, 0.25):
        rho = float(np.exp(-1 / tau))
        design = np.stack([20.0 / np.array(sizes), _third_variances(rho, sizes)], 1) * weight[:, None]
        parts, error = optimize.nnls(design, np.sqrt(counts))
        if error**2 < best[0]:
            best = (error**2, Memory(float(parts[0]), float(parts[1]), rho))
    return best[1]


@functools.cache
def _third_variances(rho, sizes):
    """Variances of third differences of the bin means of AR(1) noise of variance one, for every bin size."""
    found = []
    for size in sizes:
        kernel = np.repeat([1.0, -3.0, 3.0, -1.0], size) / size
        overlap = signal.correlate(kernel, kernel, method="fft")[len(kernel) - 1 :]
        weights = rho ** np.arange(len(kernel))
        found.append(2 * float(overlap @ weights) - float(overlap[0]))
    return np.array(found)


def _blocks(values):
    """About 32 blocks of neighbours, [blocks, steps]."""
    count = max(1, len(values) // 32)
    length = len(values) // count
    return values[: count * length].reshape(count, length)


def _spread_out(blocks, length, steps):
    """The values of blocks of this length at every step, linear between their middles."""
    return np.interp(np.arange(steps), (np.arange(len(blocks)) + 0.5) * length, blocks)
