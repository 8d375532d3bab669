"""What the intervals of measured numbers leave out: the parts of which the rules of verdicts are made."""

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from experiments.frame.measured import Measured, interval, mean, share
from grokjax.curves.statistics import Interval


def above(row: Measured, limit: float) -> bool:
    """Whether the whole interval lies above the limit; an end that is not known does not."""
    return row.low is not None and row.low > limit


def below(row: Measured, limit: float) -> bool:
    """Whether the whole interval lies below the limit; an end that is not known does not."""
    return row.high is not None and row.high < limit


def within(row: Measured, margin: float) -> bool:
    """Whether the whole interval lies within the margin of 0: equal for what the margin is for."""
    return above(row, -margin) and below(row, margin)


def sided(row: Measured, limit: float, over: str, under: str, between: str) -> str:
    """Returns the first word where the whole interval lies above the limit, the second where it lies below,
    else the third.
    """
    return over if above(row, limit) else under if below(row, limit) else between


def all_above(rows: Iterable[Measured], limit: float) -> bool:
    """Whether the intervals of all lie above the limit; of none it is not so."""
    return bool(found := [above(row, limit) for row in rows]) and all(found)


def crossed(quantity: str, values: Float[np.ndarray, "S B"], unit: str, of: str = "runs") -> Measured:
    """The mean of values of every run on the same problems, with an interval that holds the error of drawing
    other runs and that of drawing other problems.

    The variance is the sum of the runs' means' over S and of the problems' means' over B, a little too large;
    the degrees of freedom are Satterthwaite's (1946).
    """
    x = np.asarray(values, float)
    runs, problems = x.shape
    if runs < 2 or problems < 2:
        return interval(quantity, Interval(float(x.mean()), None, None), unit, runs, of)
    parts = np.array([x.mean(1).var(ddof=1) / runs, x.mean(0).var(ddof=1) / problems])
    total = parts.sum()
    freedom = total**2 / max((parts**2 / [runs - 1, problems - 1]).sum(), 1e-300) if total else 1.0
    reach = float(stats.t.ppf(0.975, freedom)) * math.sqrt(total)
    middle = float(x.mean())
    return interval(quantity, Interval(middle, middle - reach, middle + reach), unit, runs, of)


def widened(row: Measured, variance: float) -> Measured:
    """The number with an interval that holds one more independent error, of this variance: of a share p of
    problems right, all runs on the same B problems, p (1 − p) / B.
    """
    if row.value is None or row.low is None or row.high is None:
        return row
    more = 1.96**2 * variance
    low, high = (
        row.value - math.hypot(row.value - row.low, math.sqrt(more)),
        row.value + math.hypot(row.high - row.value, math.sqrt(more)),
    )
    return row._replace(low=low, high=high)


def scored(quantity: str, shares: Float[np.ndarray, " S"], problems: int) -> Measured:
    """The mean over runs of shares of problems right, with the errors of runs and of problems, which all runs
    share.
    """
    found = mean(quantity, shares, "")
    p = found.value
    return found if p is None else widened(found, p * (1 - p) / max(problems, 1))


def whole_seeds(seeds: Int[np.ndarray, " S"], draws: int) -> Iterator[Int[np.ndarray, " n"]]:
    """Yields the places of the runs of each draw of a bootstrap over seeds: all runs of a seed together."""
    each = [np.flatnonzero(seeds == seed) for seed in np.unique(seeds)]
    random = np.random.default_rng(0)
    for _ in range(draws):
        yield np.concatenate([each[i] for i in random.integers(len(each), size=len(each))])


def _over_clusters(x: Float[np.ndarray, " N"], cluster: Sequence[Hashable]) -> tuple[float, int]:
    """The variance of the mean of values that are alike within clusters (as a ratio of sums), and how many
    clusters there are.
    """
    _, place = np.unique([str(name) for name in cluster], return_inverse=True)
    count = int(place.max()) + 1
    off = np.bincount(place, x - x.mean())
    return float(count / max(count - 1, 1) * (off**2).sum() / len(x) ** 2), count


def clustered(
    quantity: str, values: Float[np.ndarray, " N"], cluster: Sequence[Hashable], unit: str, of: str = "runs"
) -> Measured:
    """The mean of values of which those of one cluster (one run) are not independent, with Student's interval
    over clusters; n counts the values. Clusters that are all alike have no interval.
    """
    x = np.asarray(values, float)
    variance, count = _over_clusters(x, cluster)
    middle = float(x.mean())
    if count < 2 or not variance:
        return interval(quantity, Interval(middle, None, None), unit, len(x), of)
    reach = float(stats.t.ppf(0.975, count - 1)) * math.sqrt(variance)
    return interval(quantity, Interval(middle, middle - reach, middle + reach), unit, len(x), of)


def clustered_share(
    quantity: str, holds: Float[np.ndarray, " N"], cluster: Sequence[Hashable], of: str = "runs"
) -> Measured:
    """How many of some things, of which those of one cluster (one run) are not independent: Wilson's interval
    of as many independent ones as would have the variance over clusters (Korn and Graubard 1998), never more
    than there are.
    """
    x = np.asarray(holds, float)
    row = share(quantity, int(x.sum()), len(x), of)
    variance, _ = _over_clusters(x, cluster)
    alone = x.var() / len(x)
    design = max(variance / alone, 1.0) if alone else 1.0
    p, n, z2 = float(x.mean()), len(x) / design, 1.96**2
    middle, reach = p + z2 / (2 * n), math.sqrt(z2 * (p * (1 - p) + z2 / (4 * n)) / n)
    low, high = ((middle + sign * reach) / (1 + z2 / n) for sign in (-1, 1))
    return row._replace(low=max(low, 0.0), high=min(high, 1.0))


def of_pairs(quantity: str, likeness: Float[np.ndarray, "S S"], unit: str = "") -> Measured:
    """The mean of a symmetric table over pairs of runs, with the interval of the jackknife over runs: pairs
    that share a run are not independent.
    """
    x = np.asarray(likeness, float)
    runs = len(x)
    rows = x.sum(1) - np.diag(x)
    middle = float(rows.sum() / max(runs * (runs - 1), 1))
    if runs < 3:
        return interval(quantity, Interval(middle, None, None), unit, runs)
    without = (rows.sum() - 2 * rows) / ((runs - 1) * (runs - 2))
    error = math.sqrt((runs - 1) * float(without.var()))
    reach = float(stats.t.ppf(0.975, runs - 1)) * error
    return interval(quantity, Interval(middle, middle - reach, middle + reach), unit, runs)
