"""Curves of hundreds of runs as few points: mean, least and largest value of a stretch of steps each."""

import base64
import itertools
import warnings
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

MOST_NUMBERS = 1_000_000
"""Of all curves of a page together; each takes 2.7 bytes of the file."""
MOST_POINTS, LEAST_POINTS = 400, 60
"""Of one curve."""
MISSING = 65535
"""The code of a value that is not there."""


class Thinned(NamedTuple):
    """Curves in B stretches: the middle step of each, and the mean, the least and the largest value in it."""

    steps: Int[np.ndarray, " B"]
    mean: Float[np.ndarray, "S B"]
    least: Float[np.ndarray, "S B"]
    largest: Float[np.ndarray, "S B"]


def points(num_curves: int) -> int:
    """Returns how many points each of so many curves may have."""
    return int(np.clip(MOST_NUMBERS // (3 * max(num_curves, 1)), LEAST_POINTS, MOST_POINTS))


def edges(length: int, most: int) -> Int[np.ndarray, " B+1"]:
    """Returns where at most `most` stretches of `length` entries begin and end.

    Half of the ends are evenly spaced, half by equal ratios: for a linear and for a logarithmic axis.
    """
    if length <= most:
        return np.arange(length + 1)
    even = np.linspace(0, length, most // 2 + 1)
    ratio = np.geomspace(1, length, most - most // 2)
    return np.unique(np.concatenate([even, ratio]).round().astype(int))


def thinned(values: Float[np.ndarray, "S T"], steps: Int[np.ndarray, " T"], most: int) -> Thinned:
    """Returns at most `most` points of each curve; what is not finite takes no part."""
    ends = edges(values.shape[1], most)
    known = np.where(np.isfinite(values), values, np.nan)
    stretch = [known[:, first:last] for first, last in itertools.pairwise(ends)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a stretch may be empty of values: NaN
        found = [
            np.stack([of(part, axis=1) for part in stretch], 1) if stretch else np.empty((len(values), 0))
            for of in (np.nanmean, np.nanmin, np.nanmax)
        ]
    return Thinned(steps[(ends[:-1] + ends[1:] - 1) // 2] if stretch else steps[:0], *found)


def packed(values: Float[np.ndarray, "S B"], logarithmic: bool) -> dict[str, Any]:
    """Returns curves as 16-bit codes in base64, little-endian, with what reads them back.

    A code k stands for low + (high − low) k / 65534, of the natural logarithm where `logarithmic`: within
    0.05% of a loss over 14 decades. A loss of 0 becomes the least positive one.
    """
    scaled = np.asarray(values, float)
    if logarithmic:
        positive = scaled[np.isfinite(scaled) & (scaled > 0)]
        least = positive.min() if positive.size else 1.0
        scaled = np.log(np.where(np.isfinite(scaled), np.maximum(scaled, least), np.nan))
    known = np.isfinite(scaled)
    low, high = (float(of(scaled[known])) if known.any() else 0.0 for of in (np.min, np.max))
    width = high - low or 1.0
    codes = np.where(known, np.round((np.where(known, scaled, low) - low) / width * (MISSING - 1)), MISSING)
    text = base64.b64encode(codes.astype("<u2").tobytes()).decode()
    return dict(codes=text, low=low, high=low + width, logarithmic=logarithmic)
