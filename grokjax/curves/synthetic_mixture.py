"""Synthetic loss curves drawn from a mixture: short and long shelves, falls, slopes, bursts, tails."""

from typing import NamedTuple

import numpy as np

from grokjax.curves.synthetic import Planted, Stretch

DRIFT = 0.5
"""The most that a planted shelf drifts, in noise deviations per 40 steps."""
SLOPE = 3.0
"""The least that a planted slope falls, in noise deviations per 40 steps."""

STEADY = 0.08
"""The most that a planted shelf drifts, as a share of its level."""

LEAST_NOISE = 0.3
"""On the curves whose noise shrinks with the loss, the least share of it that stays."""


def with_shelves(seed: int) -> Planted:
    """Returns a curve with one to four shelves of 40-800 steps that may drift, and bursts.

    Between and beside the shelves are falls and slow slopes. The noise is normal or has heavier tails.
    """
    generator = np.random.default_rng((seed, 1))
    noise, relative = _log_uniform(generator, 0.003, 0.03), generator.random() < 0.3
    pieces = [_fall(generator, noise, generator.uniform(0.05, 1.0))] if generator.random() < 0.7 else []
    for index in range(generator.integers(1, 5)):
        if index:
            pieces.append(_fall(generator, noise, max(generator.uniform(0.1, 1.2), 6 * noise)))
        pieces.append(_shelf(generator, LEAST_NOISE * noise if relative else noise))
    if generator.random() < 0.5:
        pieces.append(
            _slope(generator, noise)
            if generator.random() < 0.5
            else _fall(generator, noise, generator.uniform(0.1, 1.0))
        )
    return _assemble(generator, noise, relative, pieces)


def without_shelves(seed: int) -> Planted:
    """Returns a curve of 80-3200 steps that falls by `SLOPE` noise deviations per 40 steps everywhere."""
    generator = np.random.default_rng((seed, 0))
    noise = _log_uniform(generator, 0.003, 0.03)
    return _assemble(
        generator,
        noise,
        generator.random() < 0.3,
        [_slope(generator, noise) for _ in range(generator.integers(1, 5))],
    )


class _Piece(NamedTuple):
    values: np.ndarray  # relative to the end of the piece before it
    level: bool


def _shelf(generator, noise):
    length = int(_log_uniform(generator, 40, 800))
    drift = np.clip(generator.uniform(-DRIFT, DRIFT) * noise * length / 40, -0.03, 0.03)
    return _Piece(np.linspace(0, drift, length), True)


def _fall(generator, noise, depth):
    """A quick descent: straight, smooth at both ends, or relaxing exponentially."""
    slowest = 40 * depth / (2 * SLOPE * noise)  # twice the least slope, for the ends of the curved ones
    length = int(max(3, min(_log_uniform(generator, 4, 150), slowest)))
    u = np.linspace(0, 1, length)
    shape = (u, (1 - np.cos(np.pi * u)) / 2, (1 - np.exp(-3 * u)) / (1 - np.exp(-3)))[generator.integers(3)]
    return _Piece(-depth * shape, False)


def _slope(generator, noise):
    """A slow descent, straight or bent, whose slope is nowhere below the least."""
    length = int(_log_uniform(generator, 80, 800))
    start, stop = SLOPE * noise / 40 * (1 + generator.exponential(0.7, 2))
    return _Piece(-np.cumsum(np.linspace(start, stop, length)), False)


def _assemble(generator, noise, relative, pieces):
    """Join the pieces end to end, set the lowest point above zero, add noise and spikes."""
    parts: list[np.ndarray] = []
    for piece in pieces:
        parts.append(piece.values + (parts[-1][-1] if parts else 0.0))
    lowest = generator.choice([0.02, generator.uniform(0.02, 1.0)])
    offset = lowest - min(part.min() for part in parts)
    for part, piece in zip(parts, pieces, strict=True):  # no shelf drifts out of its band
        if piece.level:
            middle = part.mean()
            part[:] = middle + (part - middle) * min(
                1.0, STEADY * (middle + offset) / max(np.ptp(part), 1e-12)
            )
    stops = np.cumsum([len(part) for part in parts])
    stretches = tuple(
        Stretch(float(part.mean() + offset), int(stop) - len(part), int(stop) - 1)
        for part, piece, stop in zip(parts, pieces, stops, strict=True)
        if piece.level
    )
    clean = np.concatenate(parts) + offset
    scale = np.maximum(np.sqrt(clean / clean.max()), LEAST_NOISE) if relative else 1.0
    return Planted(
        clean + scale * noise * _draws(generator, len(clean)) + _spikes(generator, noise, len(clean)),
        stretches,
        noise,
    )


def _draws(generator, length):
    """Noise of deviation one: normal, or with the heavier tails of a t distribution."""
    if generator.random() < 0.8:
        return generator.standard_normal(length)
    return generator.standard_t(5, length) / np.sqrt(5 / 3)


def _spikes(generator, noise, length):
    """Nothing on a third of the curves; on the others single steps and bursts of up to 12 that die away."""
    spikes = np.zeros(length)
    if generator.random() < 1 / 3:
        return spikes
    for at in np.flatnonzero(generator.random(length) < 1 / 150):
        burst = 1 if generator.random() < 0.7 else int(generator.integers(2, 13))
        shape = generator.uniform(5, 50) * noise * np.exp(-np.arange(burst) / max(burst / 2, 1))
        spikes[at : at + burst] += shape[: length - at]
    return spikes


def _log_uniform(generator, low, high):
    return np.exp(generator.uniform(np.log(low), np.log(high)))
