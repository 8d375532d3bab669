"""How well one number tells two groups of runs apart."""

from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

from grokjax.curves.statistics.intervals import Interval


def auc(
    first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray, confidence: float = 0.95
) -> Interval:
    """Returns the chance that a run of the second group has the larger value (ties count half): ½ if the
    groups are alike, 1 or 0 where the value parts them.

    The interval is method 5 of Newcombe (2006), a score interval with the variance of Hanley & McNeil (1982):
    it has a width also where no two runs are out of order. Without runs on both sides nothing is determined.
    """
    x, y = np.asarray(first, float), np.asarray(second, float)
    if not (len(x) and len(y)):
        return Interval(None, None, None)
    value = float(stats.mannwhitneyu(y, x).statistic) / (len(x) * len(y))
    normal, half = stats.norm.ppf((1 + confidence) / 2), (len(x) + len(y)) / 2 - 1

    def excess(theta: float) -> float:
        spread = 1 + half * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (value - theta) ** 2 - normal**2 * theta * (1 - theta) * spread / (len(x) * len(y))

    inside = min(max(value, 1e-9), 1 - 1e-9)  # at 0 and 1 themselves the excess is 0 too
    low = 0.0 if value == 0 else float(optimize.brentq(excess, 0, inside))
    high = 1.0 if value == 1 else float(optimize.brentq(excess, inside, 1))
    return Interval(value, low, high)
