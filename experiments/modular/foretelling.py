"""Does a number that a run has early tell when it will grok? Concordance, with runs that never do."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from grokjax.curves.statistics import Interval, Times

RESAMPLES = 2000


class Foretold(NamedTuple):
    """The measure that orders half of the runs best, and how it orders the other half.

    name: of the measure;  falls: whether runs with less of it grok first
    concordance: the share of pairs of runs of known order that it puts in this order; one half by chance
    """

    name: str
    falls: bool
    concordance: Interval


def known(times: Times) -> Bool[np.ndarray, "S S"]:
    """Of which pairs (i, j) it is known that i got there before j did."""
    return times.ended[:, None] & (times.time[:, None] < times.time)


def concordance(times: Times, score: Float[np.ndarray, " S"], drawn: np.ndarray | None = None) -> np.ndarray:
    """Returns the share of the pairs of known order in which the earlier run has the smaller score, equal
    scores counting half (Harrell 1982); NaN where there is no such pair.

    drawn: how often each run counts, [..., S]; None for once
    """
    order = known(times).astype(float)
    right = order * ((score[:, None] < score) + 0.5 * (score[:, None] == score))
    often = np.ones((1, len(score))) if drawn is None else np.asarray(drawn, float)
    pairs = lambda table: np.einsum("ri,ij,rj->r", often, table, often)
    with np.errstate(invalid="ignore"):
        return pairs(right) / pairs(order)


def bootstrapped(times: Times, score: Float[np.ndarray, " S"]) -> Interval:
    """The concordance with the interval (95%) of runs drawn again; without one for fewer than 8 runs."""
    value, runs = float(concordance(times, score)[0]), len(score)
    if not np.isfinite(value):
        return Interval(None, None, None)
    if runs < 8:
        return Interval(value, None, None)
    random = np.random.default_rng(0)
    drawn = random.multinomial(runs, np.full(runs, 1 / runs), size=RESAMPLES)
    low, high = np.nanquantile(concordance(times, score, drawn), (0.025, 0.975))
    return Interval(value, float(low), float(high))


def best(times: Times, early: Mapping[str, Float[np.ndarray, " S"]]) -> Foretold:
    """The measure chosen on the runs at even places, and scored on the others."""
    chosen, scored = (Times(times.time[at::2], times.ended[at::2]) for at in (0, 1))
    found = {name: float(concordance(chosen, values[::2])[0]) for name, values in early.items()}
    name = max(found, key=lambda name: abs(np.nan_to_num(found[name], nan=0.5) - 0.5))
    falls = not found[name] < 0.5  # less of it first; NaN as well
    values = early[name][1::2]
    return Foretold(name, falls, bootstrapped(scored, values if falls else -values))
