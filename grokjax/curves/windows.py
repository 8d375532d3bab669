"""The windows of a curve's trend in which it stays level."""

import itertools

import numpy as np
from jaxtyping import Float

from grokjax.curves import changepoints

LEAST_STEPS = 32
"""The shortest window that counts: a shorter one cannot be told from a slope."""
STEEP = 1.5
"""A piece that moves by more than this many noise deviations per 40 steps is not level."""
LEAST_STEEP = 0.0025
"""Nor is a piece too steep that moves by less than this share of its loss per 40 steps, however small the
noise.
"""
BRIDGE = 48
"""The longest burst, in steps, over which two pieces of one level are one stretch."""
SLOWER = 3
"""How many times slower than just before the trend must be in a window."""
LEAST_NATS = 0.01
"""Half of a change of the trend that is never too much."""


def level(pieces: changepoints.Pieces, path: Float[np.ndarray, " T"], band: float) -> list[tuple[int, int]]:
    """Start and stop (exclusive) of the level windows of the curve with these pieces; `path` is its trend
    (`bridged`).

    Pieces that move by at most `STEEP` noise deviations per 40 steps and meet each other form a gentle
    stretch. A window is the longest part of a gentle stretch that stays within its middle ± max(`band` ·
    middle, one noise deviation, `LEAST_NATS`) and is `SLOWER` than the trend just before (at the start of a
    curve: just after); then the next one to the right.
    """
    ends = [(int(pieces.start[members[0]]), int(pieces.stop[members[-1]])) for members in _gentle(pieces)]
    found = [window for stretch in ends for window in _windows(path, stretch, _noise(pieces, stretch), band)]
    return _joined(path, found, pieces)


def bridged(pieces: changepoints.Pieces) -> Float[np.ndarray, " T"]:
    """The trend at every step, straight across the bursts on a shelf."""
    path = changepoints.path(pieces)
    for members in _gentle(pieces):
        for before, after in itertools.pairwise(members):
            gap = np.arange(pieces.stop[before] - 1, pieces.start[after] + 1)
            path[gap] = np.linspace(path[gap[0]], path[gap[-1]], len(gap))
    return path


def _noise(pieces, stretch):
    inside = (pieces.start < stretch[1]) & (pieces.stop > stretch[0])
    return float(np.average(pieces.noise[inside], weights=(pieces.stop - pieces.start)[inside]))


def _gentle(pieces: changepoints.Pieces) -> list[list[int]]:
    """The stretches of gentle pieces that meet each other, as lists of pieces."""
    level = np.abs(pieces.first + pieces.last) / 2
    moved = np.abs(pieces.last - pieces.first) * 40 / (pieces.stop - pieces.start)
    stretches: list[list[int]] = []
    for k in np.flatnonzero(moved <= np.maximum(STEEP * pieces.noise, LEAST_STEEP * level)).tolist():
        if stretches and _meet(pieces, stretches[-1][-1], k, level):
            stretches[-1].append(k)
        else:
            stretches.append([k])
    return stretches


def _meet(pieces, i, k, level):
    """Whether two gentle pieces are one level with at most a burst between them."""
    tolerance = max(1.5 * pieces.noise[i], 1.5 * pieces.noise[k], 0.015 * level[k])
    return pieces.start[k] - pieces.stop[i] <= BRIDGE and abs(pieces.first[k] - pieces.last[i]) <= tolerance


def _windows(path, stretch, noise, band):
    """Start and stop of the windows in one gentle stretch, from the left."""
    start, stop = stretch
    while stop - start >= LEAST_STEPS:
        window = _longest(path, start, stop, noise, band)
        if window is None:
            return
        yield window
        start = window[1]


def _longest(path, start, stop, noise, band):
    """The longest window in a stretch that stays in its band and follows on something faster, or None."""
    stride = max(changepoints.BIN, (stop - start) // 64)
    found = [(s, _reach(path, s, stop, noise, band)) for s in range(start, stop - LEAST_STEPS + 1, stride)]
    for s, e in sorted(found, key=lambda window: window[0] - window[1]):
        if e - s >= LEAST_STEPS and _slowed(path, s, e, noise):
            return s, e
    return None


def _reach(path, start, stop, noise, band):
    """The step after the last for which the trend since `start` stays within its middle ± max(band · middle,
    noise, LEAST_NATS).
    """
    values = path[start : stop : changepoints.BIN]
    top, bottom = np.maximum.accumulate(values), np.minimum.accumulate(values)
    outside = top - bottom > 2 * np.maximum(band * (top + bottom) / 2, max(noise, LEAST_NATS))
    return start + changepoints.BIN * int(np.argmax(outside)) if outside.any() else stop


def _slowed(path, start, stop, noise):
    """Whether the trend, just before the window (at the start of a curve: just after), moved as far in a
    third of the time.
    """
    moved, near = max(np.ptp(path[start:stop]), noise / 2), (stop - start) // SLOWER
    before, after = (
        np.abs(path[:start][::-1] - path[start]) >= moved,
        np.abs(path[stop:] - path[stop - 1]) >= moved,
    )
    beside = before if before.any() else after
    return not beside.any() or beside[:near].any()


def _joined(path, windows, pieces):
    """The windows, neighbours of one level joined when what lies between is short beside them and hardly
    leaves that level.
    """
    joined: list[tuple[int, int]] = []
    for start, stop in windows:
        if joined:
            first, last = joined[-1]
            level, before = path[start:stop].mean(), path[first:last].mean()
            width = max(0.01 * level, _noise(pieces, (start, stop)), LEAST_NATS)
            between = np.abs(path[last:start] - (level + before) / 2)
            if abs(level - before) <= width and start - last <= stop - first and (between <= 3 * width).all():
                joined[-1] = (first, stop)
                continue
        joined.append((start, stop))
    return joined
