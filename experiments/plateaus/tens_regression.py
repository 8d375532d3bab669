"""How the parts of the tens' level depend on rate, batch and width: least squares over all runs."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from experiments.plateaus.tens_level import PARTS, Cell
from grokjax.curves.statistics import Interval

TERMS = ("rate", "batch", "width")
DRAWS = 2000


def fits(cells: Sequence[Cell]) -> dict[str, tuple[dict[str, Interval], int]]:
    """For each part the slopes, nats per doubling of rate, batch and width, and the number of runs."""
    if not cells:
        return {}
    settings = np.array([(one.rate, one.batch, one.width) for one in cells], float)
    counts = [len(one.stayed) for one in cells]
    features = np.log2(np.repeat(settings, counts, axis=0))
    seeds = np.concatenate([np.arange(count) for count in counts])
    found = {}
    for name in PARTS:
        values = np.concatenate([one.known[name] for one in cells])
        there = np.isfinite(values)
        found[name] = (fitted(features[there], values[there], seeds[there]), int(there.sum()))
    return found


def fitted(
    features: Float[np.ndarray, "N F"], values: Float[np.ndarray, " N"], seeds: Int[np.ndarray, " N"]
) -> dict[str, Interval]:
    """The slopes by TERMS with an intercept, and percentile intervals from drawing whole seeds again; what
    does not vary, or has too few runs or seeds, has none.
    """
    varies = np.ptp(features, axis=0) > 0 if len(values) else np.zeros(len(TERMS), bool)
    kinds = np.unique(seeds)
    none = dict.fromkeys(TERMS, Interval(None, None, None))
    table = np.column_stack([np.ones(len(values)), features[:, varies]])
    if not varies.any() or len(kinds) < 2 or np.linalg.matrix_rank(table) < table.shape[1]:
        return none
    slopes = lambda weights: np.linalg.lstsq(
        table * np.sqrt(weights)[:, None], values * np.sqrt(weights), rcond=None
    )[0][1:]
    random = np.random.default_rng(0)
    which = np.searchsorted(kinds, seeds)
    draws = random.multinomial(len(kinds), np.full(len(kinds), 1 / len(kinds)), DRAWS)
    drawn = np.array([slopes(draw[which].astype(float)) for draw in draws])
    best, (low, high) = slopes(np.ones(len(values))), np.quantile(drawn, (0.025, 0.975), axis=0)
    named = [term for term, kept in zip(TERMS, varies, strict=True) if kept]
    return none | {term: Interval(float(best[i]), low[i], high[i]) for i, term in enumerate(named)}
