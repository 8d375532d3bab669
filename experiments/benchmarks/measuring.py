"""How contestants are timed: in turns (A B C A B C …), so that a noisy machine favours nobody; medians and
ranges.
"""

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

Contestant = Callable[[], float]
"""One sample, as a rate: run-steps or GFLOP per second."""

PAUSE = 0.1
"""Seconds between two contestants, for the threads of the one before to fall asleep."""
LONG_ENOUGH = 100.0
"""Seconds of rounds: a slow machine makes fewer of them, so that the whole benchmark ends in time."""


def seconds(action: Callable[..., Any], *arguments: Any) -> float:
    """The time that an action takes."""
    began = time.perf_counter()
    action(*arguments)
    return time.perf_counter() - began


@contextlib.contextmanager
def nothing_compiled() -> Iterator[None]:
    """Inside, the cache of compiled programs is empty at first and lies in a folder of its own: compiling
    takes what it takes.
    """
    kept = jax.config.values["jax_compilation_cache_dir"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        _move_cache(folder)
        try:
            yield
        finally:
            _move_cache(kept)


def _move_cache(folder: str | None) -> None:
    jax.clear_caches()
    jax.config.update("jax_compilation_cache_dir", folder)
    compilation_cache.reset_cache()


def in_turns(
    contestants: dict[str, Contestant], rounds: int, *, pause: float = PAUSE, long_enough: float = LONG_ENOUGH
) -> dict[str, list[float]]:
    """Samples of every contestant, one per round; after `long_enough` seconds no round is begun, but three
    are made.
    """
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    began = time.perf_counter()
    for done in range(rounds):
        if done >= 3 and time.perf_counter() - began > long_enough:
            break
        for name, contestant in contestants.items():
            time.sleep(pause)
            samples[name].append(contestant())
    return samples


def ratios(above: list[float], below: list[float], factor: float = 1.0) -> list[float]:
    """factor × above ÷ below, round by round: what a whole round has suffered cancels."""
    return [factor * a / b for a, b in zip(above, below, strict=True)]


def summary(name: str, samples: list[float] | None) -> dict[str, Any]:
    """The median under the name, and [least, most] under name_range; None for what was not measured."""
    if samples is None:
        return {name: None, f"{name}_range": None}
    return {name: statistics.median(samples), f"{name}_range": [min(samples), max(samples)]}


def with_interval(name: str, samples: np.ndarray) -> dict[str, Any]:
    """The median under the name, and under name_interval the samples between which the true median lies with
    95% (by their ranks).
    """
    ordered, half = np.sort(samples), 0.98 * len(samples) ** 0.5
    least, most = (
        max(int(len(samples) / 2 - half), 0),
        min(int(np.ceil(len(samples) / 2 + half)), len(samples) - 1),
    )
    return {
        name: float(np.median(ordered)),
        f"{name}_interval": [float(ordered[least]), float(ordered[most])],
    }
