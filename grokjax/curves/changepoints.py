"""The trend of one noisy curve: its local noise, its spikes, and the straight pieces it is made of."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import median_filter

BIN = 5
"""Steps in the smallest piece; edges of pieces are multiples of it."""
_GAUSSIAN = 1.4826  # standard deviation over median absolute deviation of a normal variable


class Pieces(NamedTuple):
    """The K straight pieces of a curve: first step, step after the last, fitted values at both ends, noise
    deviation.
    """

    start: Int[np.ndarray, " K"]
    stop: Int[np.ndarray, " K"]
    first: Float[np.ndarray, " K"]
    last: Float[np.ndarray, " K"]
    noise: Float[np.ndarray, " K"]


def noise(curve: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Local standard deviation of the step-to-step noise, from median absolute differences about the local
    slope.
    """
    difference = np.diff(curve)
    count = max(1, len(difference) // 32)
    length = len(difference) // count
    blocks = difference[: count * length].reshape(count, length)
    spread = np.median(np.abs(blocks - np.median(blocks, 1, keepdims=True)), 1) * _GAUSSIAN / np.sqrt(2)
    spread = median_filter(spread, 5, mode="nearest")
    local = np.interp(np.arange(len(curve)), (np.arange(count) + 0.5) * length, spread)
    return np.maximum(
        local, 5e-4 * np.ptp(np.quantile(curve, [0.02, 0.98])) + 1e-12
    )  # a curve without noise still needs a scale


def spikes(curve: Float[np.ndarray, " T"], deviation: Float[np.ndarray, " T"]) -> Bool[np.ndarray, " T"]:
    """True at the steps that stand out from a running median by five noise deviations; a median follows falls
    of any speed.
    """
    return np.abs(curve - median_filter(curve, 31, mode="nearest")) > 5 * deviation


def pieces(curve: Float[np.ndarray, " T"]) -> Pieces:
    """The curve as straight pieces with jumps allowed: least squares with a penalty per piece, spikes left
    out.

    Pieces grow by merging neighbours while no edge between them is plain, then the best subset of the edges
    left is found exactly.
    """
    deviation = noise(curve)
    weight = np.where(spikes(curve, deviation), 0.0, deviation**-2.0)
    edges = np.append(np.arange(0, len(curve) - BIN + 1, BIN), len(curve))
    moments = _moments(curve, weight, edges)
    inflation = _inflation(moments)
    kept = _merged(moments, 6 * inflation)
    kept = kept[_chosen(moments[:, kept], (2 * np.log(len(curve)) + 4) * inflation)]
    first, last, deviation = _ends(curve, moments[:, kept], edges[kept])
    return Pieces(edges[kept][:-1], edges[kept][1:], first, last, deviation)


def path(pieces: Pieces) -> Float[np.ndarray, " T"]:
    """The trend at every step."""
    corners = np.stack([pieces.start, pieces.stop - 1], 1).ravel()
    return np.interp(np.arange(pieces.stop[-1]), corners, np.stack([pieces.first, pieces.last], 1).ravel())


def _moments(curve, weight, edges):
    """Running sums of w, wt, wt², wy, wty, wy², 1 up to every edge, [7, K + 1]; t and y are centred to keep
    them small.
    """
    t = np.arange(len(curve)) / len(curve) - 0.5
    y = curve - np.median(curve)
    good = weight > 0
    sums = np.cumsum(
        np.stack([weight, weight * t, weight * t * t, weight * y, weight * t * y, weight * y * y, good]), 1
    )
    return np.concatenate([np.zeros((7, 1)), sums], 1)[:, edges]


def _error(sums):
    """The squared error, in noise variances, of the straight line through the steps whose moments these are."""
    n, t, tt, y, ty, yy = sums[:6]
    each = 1 / np.maximum(n, 1e-300)
    covariance, variance = ty - t * y * each, tt - t * t * each
    return yy - y * y * each - covariance * covariance / np.maximum(variance, 1e-12 * n + 1e-300)


def _inflation(moments):
    """How much more neighbouring pieces miss each other than white noise would make them: noise that wanders
    needs a higher penalty.
    """
    return max([1.0, *(_gain(moments[:, ::bins]) for bins in (1, 4) if moments.shape[1] > 40 * bins)])


def _gain(moments):
    parts = _error(np.diff(moments))
    gain = _error(moments[:, 2:] - moments[:, :-2]) - parts[:-1] - parts[1:]
    return (
        float(np.quantile(gain, 0.2)) / 0.446
    )  # of a chi-square of two degrees of freedom; corners are in the upper part


def _merged(moments, penalty):
    """Indices of the edges that stay when, again and again, every best pair of neighbours merges that costs
    less than `penalty`.
    """
    kept = np.arange(moments.shape[1])
    while len(kept) > 2:
        sums = moments[:, kept]
        parts = _error(np.diff(sums))
        cost = _error(sums[:, 2:] - sums[:, :-2]) - parts[:-1] - parts[1:]
        padded = np.concatenate([[np.inf], cost, [np.inf]])
        merge = (cost < penalty) & (cost <= padded[:-2]) & (cost < padded[2:])
        if not merge.any():
            break
        kept = np.delete(kept, np.flatnonzero(merge) + 1)
    return kept


def _chosen(moments, penalty):
    """Indices of the edges with the least error plus `penalty` per piece, by dynamic programming."""
    count = moments.shape[1]
    best, came = np.zeros(count), np.zeros(count, int)
    for k in range(1, count):
        total = best[:k] + _error(moments[:, k : k + 1] - moments[:, :k])
        came[k] = np.argmin(total)
        best[k] = total[came[k]] + penalty
    path = [count - 1]
    while path[-1]:
        path.append(came[path[-1]])
    return path[::-1]


def _ends(curve, moments, edges):
    """Fitted values at the first and last step of every piece, and the noise deviation in it."""
    n, t, tt, y, ty, _, good = np.diff(moments)
    each = 1 / np.maximum(n, 1e-300)
    variance = tt - t * t * each
    slope = np.where(variance > 1e-12 * n, (ty - t * y * each) / np.maximum(variance, 1e-300), 0.0)
    at = lambda step: np.median(curve) + y * each + slope * (step / len(curve) - 0.5 - t * each)
    return at(edges[:-1]), at(edges[1:] - 1), np.sqrt(good * each)
