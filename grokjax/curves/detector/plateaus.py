"""The level windows of a curve's trend: slow beside what comes before and after, and within a band."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from grokjax.curves.detector.pieces import BIN, Pieces, path

LEAST_STEPS = 32
"""The shortest window that counts: a shorter one cannot be told from a slope."""
BRIDGE = 48
"""The longest burst, in steps, over which two pieces of one level are one stretch."""
SLOWER = 3
"""How many times slower than before and after it the trend must be in a window."""
ERRORS = 3
"""How many standard errors of its mean a window's trend may move without being said to move."""
POINTS = 96
"""Points at which windows may begin and end, beside the ends of the pieces."""


class Knots(NamedTuple):
    """The trend at the N steps at which windows may begin and end; it is straight between them."""

    step: Int[np.ndarray, " N"]
    value: Float[np.ndarray, " N"]


def level(pieces: Pieces, band: float) -> list[tuple[int, int]]:
    """Returns start and stop (exclusive) of the level windows of the curve with these pieces.

    A window stays within ± `band` of its level, or moves less than three times `ERRORS` standard errors of
    its mean (the fitted ends of a level stretch lie 3.5 of them apart). It is `SLOWER` than the trend before
    and after it; an end of the curve asks for nothing. The longest window comes first, then those on both
    sides of it. A window with a plain step in it is two, and the ends of falls that its band let in are cut
    off.
    """
    knots = _knots(pieces)
    length = knots.step[None] - knots.step[:, None] + 1
    moved = _moved(knots)
    middle = np.abs(knots.value[None] + knots.value[:, None]) / 2
    error = ERRORS * pieces.errors(knots.step, length)
    inside = (length >= LEAST_STEPS) & (moved <= np.hypot(2 * band * middle, 3 * error))
    inside[0, -1] &= moved[0, -1] <= band * middle[0, -1] + 2 * error[0, -1]  # nothing to compare it with
    valid = _slowed(knots, inside, moved, error, lasting=SLOWER)
    turned = lambda pairs: pairs.T[::-1, ::-1]
    back = Knots(knots.step[-1] - knots.step[::-1], knots.value[::-1])
    valid = turned(_slowed(back, turned(valid), turned(moved), turned(error), lasting=1))
    found = _longest_first(np.where(valid, length, 0), 0, len(knots.step))
    moved = np.maximum(moved, error)
    parts = [part for i, j in found for part in _parts(pieces, knots, valid, i, j)]
    ends = [_trimmed(knots, moved, i, j) for i, j in parts]
    # The last step of the piece before is no part of a window, nor the first of the piece after.
    starts = [int(knots.step[i]) + int(knots.step[i] + 1 in pieces.stop) for i, _ in ends]
    stops = [int(knots.step[j]) + 1 - int(knots.step[j] in pieces.start) for _, j in ends]
    return list(zip(starts, stops, strict=True))


def _knots(pieces):
    trend = bridged(pieces)
    even = np.arange(0, len(trend), max(BIN, len(trend) // POINTS))
    steps = np.unique(np.concatenate([even, pieces.start, pieces.stop - 1]))
    return Knots(steps, trend[steps])


def _moved(knots) -> Float[np.ndarray, "N N"]:
    """How far the trend moves between its extremes from knot i to knot j > i."""
    above = np.triu(np.broadcast_to(knots.value, (len(knots.value),) * 2))
    outside = np.tri(len(knots.value), k=-1, dtype=bool)
    top = np.maximum.accumulate(np.where(outside, -np.inf, above), 1)
    bottom = np.minimum.accumulate(np.where(outside, np.inf, above), 1)
    return np.where(outside, 0.0, top - bottom)


def _slowed(knots, windows, moved, error, *, lasting) -> Bool[np.ndarray, "N N"]:
    """Those of the windows before which the trend moved as far in a third of the time.

    In as much time as the window lasts it must have moved `lasting` times as far: the straight pieces of a
    power law have corners that look sudden.
    """
    found = np.zeros_like(windows)
    for i in np.flatnonzero(windows.any(1)):
        j = np.flatnonzero(windows[i])
        length = knots.step[j] - knots.step[i] + 1
        distance = knots.step[i] - knots.step[i::-1]
        farthest = np.maximum.accumulate(np.abs(knots.value[i::-1] - knots.value[i]))
        slowed = np.ones(len(j), bool)
        for steps, times in ((length / SLOWER, 1), (length, lasting)):
            there = np.minimum(1.0, distance[-1] / steps)  # near the start of a curve, as far as it goes back
            least = times * np.maximum(moved[i, j], error[i, j])
            slowed &= np.interp(steps, distance, farthest) >= least * there
        found[i, j] = slowed
    return found


def _longest_first(length, low, high):
    """The longest windows of the knots low <= i <= j < high that do not overlap, in order of time."""
    inside = length[low:high, low:high]
    if not inside.size or not inside.any():
        return []
    i, j = (int(k) + low for k in np.unravel_index(np.argmax(inside), inside.shape))
    return [*_longest_first(length, low, i), (i, j), *_longest_first(length, j + 1, high)]


def _trimmed(knots, moved, i, j):
    """The window from knot i to j without the ends of falls that its band let in."""
    least = max(LEAST_STEPS, (knots.step[j] - knots.step[i]) / 3)
    while True:
        starts = range(i + 1, int(np.searchsorted(knots.step, knots.step[j] - least)))
        stops = range(j - 1, int(np.searchsorted(knots.step, knots.step[i] + least)), -1)
        start = next((k for k in starts if _falls(knots, moved, (i, k), (k, j))), i)
        stop = next((k for k in stops if start == i and _falls(knots, moved, (k, j), (i, k))), j)
        if (start, stop) == (i, j):
            return i, j
        i, j = start, stop


def _falls(knots, moved, part, rest):
    """Whether a part of a window is much faster than the rest of it, and moves about as far."""
    fall = abs(knots.value[part[1]] - knots.value[part[0]])
    speed = fall / (knots.step[part[1]] - knots.step[part[0]])
    slow = moved[rest] / (knots.step[rest[1]] - knots.step[rest[0]])
    return 2 * fall >= moved[rest] and speed >= 2 * SLOWER * slow


def _parts(pieces, knots, valid, i, j):
    """The window from knot i to j, or the windows on both sides of the plainest step in it."""
    corners = np.flatnonzero(np.isin(knots.step, np.concatenate([pieces.start, pieces.stop - 1])))
    corners = corners[(corners > i) & (corners < j)]
    steps = [(_plainness(pieces, knots, (i, a, b, j)), a, b) for a in corners for b in corners[corners > a]]
    for plain, a, b in sorted(steps, reverse=True):
        left, right = i + np.flatnonzero(valid[i:a, a]), b + 1 + np.flatnonzero(valid[b, b + 1 : j + 1])
        if plain > 1 and len(left) and len(right):
            return [
                *_parts(pieces, knots, valid, int(left[0]), int(a)),
                *_parts(pieces, knots, valid, int(b), int(right[-1])),
            ]
    return [(i, j)]


def _plainness(pieces, knots, ends):
    """How plain a step the trend makes between two level parts of a window; above 1 it counts."""
    (i, a, b, j), step, value = ends, knots.step, knots.value
    sides = ((i, a), (b, j))
    lengths = [step[q] - step[p] + 1 for p, q in sides]
    if min(lengths) < max(LEAST_STEPS, SLOWER * (step[b] - step[a]), max(lengths) / 8):
        return 0.0
    means = [np.trapezoid(value[p : q + 1], step[p : q + 1]) / (step[q] - step[p]) for p, q in sides]
    inner = [np.interp(np.linspace(step[p], step[q], 7)[1:-1], step, value) for p, q in sides]
    drift = max(np.ptp(part) for part in inner)
    error = np.hypot(*(pieces.error(step[p], step[q] + 1) for p, q in sides))
    return abs(means[1] - means[0]) / max(2 * drift, 5 * error, 0.01 * abs(means[1]), 1e-12)


def bridged(pieces: Pieces) -> Float[np.ndarray, " T"]:
    """Returns the trend at every step, straight across bursts between pieces of one level."""
    trend, k = path(pieces), 0
    while k < len(pieces.start) - 2:
        beyond = k + 2
        while beyond < len(pieces.start) and pieces.start[beyond] - pieces.stop[k] <= BRIDGE:
            if _meet(pieces, k, beyond):
                gap = np.arange(pieces.stop[k] - 1, pieces.start[beyond] + 1)
                trend[gap] = np.linspace(trend[gap[0]], trend[gap[-1]], len(gap))
                break
            beyond += 1
        k += 1
    return trend


def _meet(pieces, i, k):
    """Whether two pieces are one level: longer than what is between them, and no plain step apart."""
    between = pieces.start[k] - pieces.stop[i]
    lengths = pieces.stop - pieces.start
    error = np.hypot(*(pieces.error(pieces.start[j], pieces.stop[j]) for j in (i, k)))
    near = abs(pieces.first[k] - pieces.last[i]) <= max(2 * ERRORS * error, 0.015 * abs(pieces.first[k]))
    return near and min(lengths[i], lengths[k]) >= min(between, LEAST_STEPS)
