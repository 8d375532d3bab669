"""How far two kinds of runs are apart in one number, as it is and with what else differs held equal."""

import numpy as np
from jaxtyping import Float
from scipy import optimize, stats

from grokjax.curves.statistics import Interval


def auc(
    first: Float[np.ndarray, " n"], second: Float[np.ndarray, " m"], confidence: float = 0.95
) -> Interval:
    """Returns the chance that a run of `first` has the larger number, ties half: the area under the ROC
    curve.

    The interval is Newcombe's (2006, method 5): the areas whose own variance by Hanley and McNeil, with
    (n + m)/2 for either number of runs, does not make the observed one improbable. It does not collapse at 0
    and 1. NaN takes no part; without runs of both kinds nothing is determined.
    """
    x, y = (np.asarray(values, float)[np.isfinite(values)] for values in (first, second))
    if not len(x) or not len(y):
        return Interval(None, None, None)
    found = float((np.sign(x[:, None] - y).mean() + 1) / 2)
    z, half = stats.norm.ppf((1 + confidence) / 2), (len(x) + len(y)) / 2 - 1

    def variance(area: float) -> float:
        more = half * ((1 - area) / (2 - area) + area / (1 + area))
        return area * (1 - area) * (1 + more) / (len(x) * len(y))

    def end(bound: float) -> float:
        # at 0 and 1 the variance vanishes: the search begins beside what was found
        away = lambda area: abs(area - found) - z * np.sqrt(variance(area))
        return float(optimize.brentq(away, found + 1e-9 * (bound - found), bound))

    low = 0.0 if found == 0 else end(0.0)
    high = 1.0 if found == 1 else end(1.0)
    return Interval(found, low, high)


def adjusted(
    values: Float[np.ndarray, " S"], kind: np.ndarray, others: Float[np.ndarray, "F S"]
) -> tuple[Float[np.ndarray, " S"], Interval]:
    """Returns (the values without what the others explain, what the kind explains with its 95% interval).

    Least squares of the values on a constant, the kind (0 or 1) and the others, all runs together: the
    others' part is taken away, about their means. The interval is Student's; None with fewer runs than
    coefficients and one more.
    """
    centred = others - others.mean(1, keepdims=True)
    table = np.column_stack([np.ones(len(values)), np.asarray(kind, float), centred.T])
    found, _, rank, _ = np.linalg.lstsq(table, values, rcond=None)
    kept = values - centred.T @ found[2:]
    free = len(values) - table.shape[1]
    if free < 1 or rank < table.shape[1]:
        return kept, Interval(float(found[1]), None, None)
    noise = ((values - table @ found) ** 2).sum() / free
    error = float(np.sqrt(noise * np.linalg.inv(table.T @ table)[1, 1]))
    reach = float(stats.t.ppf(0.975, free)) * error
    return kept, Interval(float(found[1]), float(found[1]) - reach, float(found[1]) + reach)
