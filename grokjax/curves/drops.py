"""Drops of a loss: the stretches of steps in which it falls fast, one after another."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Drop(NamedTuple):
    """A fast fall: its first and last step, and the loss (nats) at the two."""

    first: int
    last: int
    high: float
    low: float


def drops(
    curve: Float[np.ndarray, " T"],
    *,
    window: int,
    factor: float = 2.0,
    floor: float = 0.0,
    steps: Int[np.ndarray, " T"] | None = None,
) -> list[Drop]:
    """Returns the drops of one curve, in their order; empty where it never falls so fast.

    A curve falls fast where it loses `factor` within `window` steps or less. Stretches of such steps that
    overlap are one drop, from its largest loss to its least one after that; a drop that as a whole loses less
    is none. What happens below `floor` (nats) is no fall: a solved task goes on to lose orders of magnitude.

    steps: of the entries, rising (None: 0, 1, ...)
    Raises ValueError for a window below 1, a factor of 1 or less, and steps that do not fit.
    """
    if window < 1 or factor <= 1:
        raise ValueError(
            f"window={window} must be at least 1 step and factor={factor} above 1: how fast is a drop?"
        )
    values = np.asarray(curve, float)
    at = np.arange(len(values)) if steps is None else np.asarray(steps)
    if at.shape != values.shape:
        raise ValueError(f"steps has shape {at.shape}; the curve has {values.shape}, and each needs its step")
    known = np.isfinite(values)
    values, at = values[known], at[known]
    height = np.log(np.maximum(values, max(floor, np.finfo(float).tiny)))
    found = [_narrowed(at, values, height, *ends) for ends in _stretches(at, height, window, np.log(factor))]
    return [drop for drop, fall in found if fall >= np.log(factor)]


def _stretches(at, height, window, fall):
    """First and last entry of every union of overlapping windows over which the height falls enough."""
    ends: list[list[int]] = []
    for first in range(len(at)):
        last = int(np.searchsorted(at, at[first] + window, "right")) - 1
        low = first + int(height[first : last + 1].argmin())
        if height[first] - height[low] < fall:
            continue
        if ends and first <= ends[-1][1]:
            ends[-1][1] = max(ends[-1][1], low)
        else:
            ends.append([first, low])
    return ends


def _narrowed(at, values, height, first, last):
    """The drop of a stretch, from its last highest to its first lowest entry, and how far it falls (log)."""
    own = height[first : last + 1]
    top = first + len(own) - 1 - int(own[::-1].argmax())
    bottom = top + int(height[top : last + 1].argmin())
    drop = Drop(int(at[top]), int(at[bottom]), float(values[top]), float(values[bottom]))
    return drop, height[top] - height[bottom]
