"""Synthetic loss curves whose shelves are known, one function per kind: what `shelves.find` is held to.

Every function takes a seed, a number of steps and the deviation and correlation of the noise, and returns a
`Planted` curve. The truth is stated about the curve without its noise.
"""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import signal

NEAR = 0.02
"""The share of its level within which a curve is on a planted shelf."""


class Stretch(NamedTuple):
    """A shelf: its mean level in nats, its first and last step (inclusive), and how sure the level is."""

    level: float
    first_step: int
    last_step: int
    standard_error: float = 0.0


class Planted(NamedTuple):
    """A curve and its shelves in order of time; `noise` is the deviation of the noise (at loss 1)."""

    curve: Float[np.ndarray, " T"]
    stretches: tuple[Stretch, ...]
    noise: float


def staircase(seed: int, steps: int = 2000, *, noise: float = 0.05, correlation: float = 0.0) -> Planted:
    """Returns a curve that falls from 2.3 nats in one to three smooth steps, with a shelf on each level."""
    generator = np.random.default_rng((seed, steps, 2))
    falls = int(generator.integers(1, 4))
    levels = 2.3 * np.cumprod([1.0, *generator.uniform(0.35, 0.75, falls)])
    at = steps * (np.arange(1, falls + 1) + generator.uniform(-0.25, 0.25, falls)) / (falls + 1)
    width = steps * generator.uniform(0.002, 0.008, falls)
    return _levels(generator, levels, at, width, steps, noise, correlation)


def close_levels(seed: int, steps: int = 2000, *, noise: float = 0.05, correlation: float = 0.0) -> Planted:
    """Returns a fall from 2.3 nats to two long shelves that lie .07 nats apart."""
    generator = np.random.default_rng((seed, steps, 3))
    upper = generator.uniform(0.4, 1.5)
    at = steps * np.array([generator.uniform(0.15, 0.25), generator.uniform(0.55, 0.65)])
    width = steps * generator.uniform(0.001, 0.004, 2)
    return _levels(generator, [2.3, upper, upper - 0.07], at, width, steps, noise, correlation)


def drifting(seed: int, steps: int = 2000, *, noise: float = 0.01, correlation: float = 0.0) -> Planted:
    """Returns a staircase whose shelves fall by .5 to 3 noise deviations per 40 steps, and end after `steps`.

    Each shelf falls by 3% to 8% of its level. The curve ends where that is less than 60 steps.
    """
    generator = np.random.default_rng((seed, steps, 4))
    parts: list[np.ndarray] = []
    stretches, level = [], 2.3
    while (at := sum(map(len, parts))) < steps:
        rate = generator.uniform(0.5, 3.0) * noise / 40
        length = int(min(generator.uniform(0.03, 0.08) * level / rate, steps - at))
        if length < 60:
            break
        shelf = level - rate * np.arange(length)
        level = shelf[-1] * generator.uniform(0.4, 0.75)
        parts += [shelf, np.linspace(shelf[-1], level, int(generator.uniform(4, 30)))[1:]]
        stretches.append(Stretch(float(shelf.mean()), at, at + length - 1))
    clean = np.concatenate(parts)
    return Planted(clean + _noise(generator, len(clean), noise, correlation), tuple(stretches), noise)


def leaning(seed: int, steps: int = 2000, *, noise: float = 0.05, correlation: float = 0.0) -> Planted:
    """Returns a staircase whose shelves fall by .5 to 3 noise deviations over their whole length.

    No shelf falls by more than 8% of its level.
    """
    generator = np.random.default_rng((seed, steps, 8))
    count = int(generator.integers(2, 5))
    edges = np.linspace(0, steps, count + 1).astype(int)
    parts: list[np.ndarray] = []
    stretches, level = [], 2.3
    for start, stop in itertools.pairwise(edges):
        fall = int(steps * generator.uniform(0.002, 0.02))
        drift = min(generator.uniform(0.5, 3.0) * noise, 0.08 * level)
        shelf = np.linspace(level, level - drift, stop - start - fall)
        level = shelf[-1] * generator.uniform(0.35, 0.75)
        parts += [shelf, np.linspace(shelf[-1], level, fall + 1)[1:]]
        stretches.append(Stretch(float(shelf.mean()), int(start), int(start) + len(shelf) - 1))
    clean = np.concatenate(parts)
    return Planted(clean + _noise(generator, steps, noise, correlation), tuple(stretches), noise)


def approach(seed: int, steps: int = 2000, *, noise: float = 0.02, correlation: float = 0.0) -> Planted:
    """Returns an exponential approach to a level, A + B exp(−t / tau); its shelf begins within 2% of A."""
    generator = np.random.default_rng((seed, steps, 5))
    level, height = generator.uniform(0.2, 1.5), generator.uniform(0.5, 2.0)
    tau = steps * generator.uniform(0.02, 0.08)
    start = int(np.ceil(tau * np.log(height / (NEAR * level))))
    clean = level + height * np.exp(-np.arange(steps) / tau)
    curve = clean + _noise(generator, steps, noise, correlation)
    return Planted(curve, (Stretch(level, start, steps - 1),), noise)


def power_law(seed: int, steps: int = 2000, *, noise: float = 0.02, correlation: float = 0.0) -> Planted:
    """Returns 2.3 (1 + t / t0)^−alpha with alpha from .3 to 1.2: it slows down for ever and has no shelf."""
    generator = np.random.default_rng((seed, steps, 6))
    start, alpha = steps * generator.uniform(0.005, 0.05), generator.uniform(0.3, 1.2)
    clean = 2.3 * (1 + np.arange(steps) / start) ** -alpha
    return Planted(clean + _noise(generator, steps, noise, correlation), (), noise)


def descent(seed: int, steps: int = 2000, *, noise: float = 0.02, correlation: float = 0.0) -> Planted:
    """Returns a descent of two or three straight parts, none twice as steep as another: it has no shelf."""
    generator = np.random.default_rng((seed, steps, 7))
    corners = np.concatenate([[0], np.sort(generator.uniform(0.2, 0.8, generator.integers(1, 3))), [1]])
    falls = np.diff(corners) * generator.uniform(1, 2, len(corners) - 1)
    values = 2.3 - generator.uniform(1.2, 2.2) * np.concatenate([[0], np.cumsum(falls) / falls.sum()])
    clean = np.interp(np.linspace(0, 1, steps), corners, values)
    return Planted(clean + _noise(generator, steps, noise, correlation), (), noise)


def _levels(generator, levels, at, width, steps, noise, correlation):
    """Levels joined by sigmoid steps at the times `at`; a shelf is where the curve is `NEAR` its level."""
    t = np.arange(steps)
    clean = np.full(steps, float(levels[0]))
    for (before, after), middle, tau in zip(itertools.pairwise(levels), at, width, strict=True):
        clean += (after - before) / (1 + np.exp(-np.clip((t - middle) / tau, -50, 50)))
    edges = [0, *np.asarray(at, int).tolist(), steps]
    stretches = []
    for level, (first, last) in zip(levels, itertools.pairwise(edges), strict=True):
        near = first + np.flatnonzero(np.abs(clean[first:last] - level) <= max(0.01, NEAR * level))
        stretches.append(Stretch(float(clean[near].mean()), int(near[0]), int(near[-1])))
    return Planted(clean + _noise(generator, steps, noise, correlation), tuple(stretches), noise)


def _noise(generator, steps, deviation, correlation):
    """Stationary AR(1) noise of this deviation and correlation of neighbours."""
    draws = generator.standard_normal(steps) * np.sqrt(1 - correlation**2)
    draws[0] /= np.sqrt(1 - correlation**2)
    return deviation * signal.lfilter([1.0], [1.0, -correlation], draws)
