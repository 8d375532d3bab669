"""Curves shifted so that each run's own exit is at 0."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Aligned(NamedTuple):
    """Median and quartiles over the runs at every offset from their exits, and how many have a value."""

    offset: Int[np.ndarray, " W"]
    median: Float[np.ndarray, " W"]
    lower: Float[np.ndarray, " W"]
    upper: Float[np.ndarray, " W"]
    runs: Int[np.ndarray, " W"]


def aligned(
    curves: Float[np.ndarray, "S T"], exits: Sequence[float | None], window: tuple[int, int]
) -> Aligned:
    """Returns the curves from window[0] to window[1] steps (inclusive) about each run's exit.

    A run without an exit (None) takes no part.
    """
    if not window[0] < window[1] or len(curves) != len(exits):
        raise ValueError(
            f"window={window} must ascend, and there must be an exit for each of {len(curves)} curves,"
            f" not {len(exits)}"
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
