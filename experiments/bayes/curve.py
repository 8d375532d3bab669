"""When a curve moves."""

import numpy as np


def half_way(steps: np.ndarray, values: np.ndarray) -> float:
    """The step at which a curve has first gone half the way from its first value to its last one, between
    snapshots by a straight line; NaN where it does not move or is not finite.
    """
    gone = (values - values[0]) / (values[-1] - values[0] or np.nan)
    if not np.isfinite(gone).all():
        return np.nan
    first = int(np.argmax(gone >= 0.5))
    return float(np.interp(0.5, gone[first - 1 : first + 1], steps[first - 1 : first + 1]))
