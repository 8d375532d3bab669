"""The trend of one noisy curve as straight pieces, with jumps between them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import median_filter

from grokjax.curves.detector import noise

BIN = 5
"""Steps in the smallest piece; edges of pieces are multiples of it."""


class Pieces(NamedTuple):
    """The K straight pieces of a curve, in order of time.

    A piece has a first step, a step after the last, fitted values at both ends and the deviation of its
    noise; `memory` is that of the noise of the whole curve.
    """

    start: Int[np.ndarray, " K"]
    stop: Int[np.ndarray, " K"]
    first: Float[np.ndarray, " K"]
    last: Float[np.ndarray, " K"]
    noise: Float[np.ndarray, " K"]
    memory: noise.Memory = noise.Memory(1.0, 0.0, 0.0)

    def error(self, start: int, stop: int) -> float:
        """Returns the standard error of the mean of a stretch, with the memory of the noise."""
        return float(self.errors(np.array([start, stop - 1]), np.array(stop - start))[0, 1])

    def errors(
        self, steps: Int[np.ndarray, " N"], length: Int[np.ndarray, "N N"]
    ) -> Float[np.ndarray, "N N"]:
        """Returns the standard errors of the means from steps[i] to steps[j] > steps[i], both inclusive."""
        variance = np.concatenate([[0.0], np.cumsum(np.repeat(self.noise**2, self.stop - self.start))])
        span = np.maximum(length, 1)
        mean = (variance[steps + 1][None] - variance[steps][:, None]) / span
        return np.sqrt(np.maximum(mean, 0.0) * self.memory.of_mean(span) / span)


def fit(curve: Float[np.ndarray, " T"]) -> Pieces:
    """Returns the straight pieces of a curve: least squares with a penalty per piece, bursts left out.

    Pieces grow by merging neighbours while no edge between them is plain, then the best subset of the edges
    left is found exactly. Noise that remembers raises the penalty as much as it raises the variance of means.
    """
    deviation = noise.deviation(curve)
    burst = noise.bursts(curve, deviation)
    quiet = np.where(burst, median_filter(curve, noise.SPAN, mode="nearest"), curve)
    memory = noise.memory(quiet, deviation)
    inflation = max(1.0, float(memory.of_mean(len(curve) / 4)))
    edges = np.append(np.arange(0, len(curve) - BIN + 1, BIN), len(curve))
    moments = _moments(curve, np.where(burst, 0.0, deviation**-2.0), edges)
    kept = _merged(moments, 6 * inflation)
    kept = kept[_chosen(moments[:, kept], (2 * np.log(len(curve)) + 4) * inflation)]
    first, last, deviation = _ends(curve, moments[:, kept], edges[kept])
    return Pieces(edges[kept][:-1], edges[kept][1:], first, last, deviation, memory)


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
    """The squared error of straight lines through steps with these moments, in variances of the noise."""
    n, t, tt, y, ty, yy = sums[:6]
    each = 1 / np.maximum(n, 1e-300)
    covariance, variance = ty - t * y * each, tt - t * t * each
    return yy - y * y * each - covariance * covariance / np.maximum(variance, 1e-12 * n + 1e-300)


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
