"""When a curve gets below a value for good measure."""

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage

from grokjax.curves.statistics.survival import Times


def first_below(curve: Float[np.ndarray, " T"], nats: float, smoothing: int = 11) -> int | None:
    """Returns the first index at which the running median of `smoothing` entries is below `nats`, or None.

    What is not finite after the last finite entry is no part of the curve; before it, it counts as above.
    """
    known = np.asarray(curve, float)[: _length(curve)]
    if not len(known):
        return None
    filled = np.where(np.isnan(known), np.inf, known)
    below = ndimage.median_filter(filled, smoothing, mode="nearest") < nats
    return int(np.argmax(below)) if below.any() else None


def until_below(
    curves: Float[np.ndarray, "S T"],
    nats: float,
    *,
    steps: Int[np.ndarray, " T"] | None = None,
    smoothing: int = 11,
) -> Times:
    """Returns `first_below` of every run, as steps (by default 0, 1, ...).

    A run that never gets there is censored at its last value.
    """
    at = np.arange(curves.shape[1]) if steps is None else np.asarray(steps)
    found = [first_below(curve, nats, smoothing) for curve in curves]
    lengths = [max(_length(curve), 1) for curve in curves]
    return Times(
        np.array(
            [
                at[length - 1] if first is None else at[first]
                for first, length in zip(found, lengths, strict=True)
            ],
            float,
        ),
        np.array([first is not None for first in found], bool),
    )


def _length(curve):
    """How many entries there are up to the last finite one."""
    known = np.flatnonzero(np.isfinite(curve))
    return int(known[-1]) + 1 if len(known) else 0
