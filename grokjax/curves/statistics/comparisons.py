"""Tests of runs against their partners, and what is left of p when many tests are made."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats


class Test(NamedTuple):
    """A test: its statistic and its two-sided p; None where the runs do not determine it."""

    statistic: float | None
    p: float | None


def paired(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> Test:
    """Returns Student's paired t test of two values of every run: is the mean of the differences 0?

    Give `mean` the differences for their interval. Fewer than two pairs, or differences that are all alike,
    determine nothing.
    """
    difference = _differences(first, second)
    if len(difference) < 2 or np.ptp(difference) == 0:
        return Test(None, None)
    found = stats.ttest_1samp(difference, 0.0)
    return Test(float(found.statistic), float(found.pvalue))


def paired_ranks(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> Test:
    """Returns Wilcoxon's signed-rank test (1945) of two values of every run.

    The differences need not be normal. With n pairs p is at least 2^(1 − n): five pairs are never significant
    at .05. Pairs without a difference take no part; without any other pair nothing is determined.
    """
    difference = _differences(first, second)
    difference = difference[difference != 0]
    if not len(difference):
        return Test(None, None)
    found = stats.wilcoxon(difference)
    return Test(float(found.statistic), float(found.pvalue))


def holm(p: Sequence[float] | np.ndarray) -> Float[np.ndarray, " M"]:
    """Returns the p of M tests, adjusted so that the chance of any false one is what the smallest says.

    Holm (1979): the k-th smallest of M is multiplied by M − k + 1, and none is below a smaller one.
    """
    values = np.asarray(p, float)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p must be one number from 0 to 1 for each test [M], not {values}")
    order = np.argsort(values)
    adjusted = np.minimum(1.0, values[order] * np.arange(len(values), 0, -1))
    found = np.empty_like(values)
    found[order] = np.maximum.accumulate(adjusted)
    return found


def _differences(first, second):
    x, y = np.asarray(first, float), np.asarray(second, float)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"first has shape {x.shape} and second {y.shape}; both must be [S], run by run")
    return x - y
