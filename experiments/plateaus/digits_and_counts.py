"""What predicts the log-odds of a leading digit: sum, counts or places of the digits; for `leading_digit`."""

import math
from typing import Any, NamedTuple

import numpy as np

from grokjax.curves import shelves, statistics
from grokjax.interp.addition import evaluation_sets, predictions
from grokjax.run import Run

SIZE, THIN_ICE = 1024, 0.0693
"""Problems that are scored, and the loss (nats) of one who knows the top pair and is sure of the rest."""
COUNTS, ADDED = 0.95, 0.02
"""R² from which on the counts are what a run knows, and what places then add where it goes on."""
LATER = (4, 8, 12, 16, 20, 24, 28, 34, 42, 50, 60)
"""The epochs of the faster runs that are looked at."""
FEATURES = ("digit sum", "digit counts", "each digit at its place", "sum of the top pair")


class Length(NamedTuple):
    """What the runs of one n show.

    exact: candidates by name;  first: shelves at the lower rate
    waits: the longest stretch of each run near ln 2, steps [S]
    level: loss where places begin to add, [S], NaN where they never do;  at: when that is
    r2: [S, 4] by `FEATURES`, where the loss is nearest to that of the counts
    strata: [E, S, 3] at the higher rate;  final: last losses there [S]
    """

    n: int
    exact: dict[str, float]
    first: list[shelves.Shelf | None]
    waits: np.ndarray
    level: np.ndarray
    at: statistics.Times
    r2: np.ndarray
    strata: np.ndarray
    final: np.ndarray


def on_places(
    odds: np.ndarray, drawn: evaluation_sets.Problems, steps: np.ndarray, of_counts: float
) -> tuple[np.ndarray, statistics.Times, np.ndarray]:
    """The loss [S] at the last snapshot before places add to the counts, when that is, and R² [S, 4] where
    the loss is nearest to `of_counts`.
    """
    r2 = explained(odds, drawn)
    loss = np.logaddexp(0, np.where(has_carry(drawn), -odds, odds)).mean(-1)
    counted = np.maximum.accumulate(r2[..., 1] > COUNTS, axis=0)
    past = counted & (r2[..., 2] - r2[..., 1] > ADDED)
    seen = past.any(0) & (past.argmax(0) > counted.argmax(0))
    place, run = np.maximum(past.argmax(0) - 1, 0), np.arange(loss.shape[1])
    nearest = np.abs(loss - of_counts).argmin(0)
    return (
        np.where(seen, loss[place, run], np.nan),
        statistics.Times(np.where(seen, steps[place], steps[-1]).astype(float), seen),
        r2[nearest, run],
    )


def near_ln_2(curve: np.ndarray) -> int:
    """The longest stretch (steps) in which a loss is near ln 2."""
    return longest(np.abs(smooth(curve) - math.log(2)) < NEAR)


def smooth(curve: np.ndarray, over: int = 25) -> np.ndarray:
    """A moving mean."""
    return np.convolve(curve, np.full(over, 1 / over), "valid") if len(curve) >= over else curve


def longest(held: np.ndarray) -> int:
    """The longest stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]).astype(int)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def log_odds(tokens: Any, run: Run) -> Any:
    """ln P(1) − ln P(0) of the leading digit."""
    log_probs = predictions.log_probabilities(run, tokens, run.task.digit)
    return log_probs[:, 1] - log_probs[:, 0]


def first_shelf(curve: np.ndarray) -> shelves.Shelf | None:
    """The first shelf of a curve between .3 nats and ln 2 and a bit."""
    return next((shelf for shelf in shelves.find(curve) if 0.3 < shelf.level < math.log(2) + 0.05), None)


def explained(odds: np.ndarray, drawn: evaluation_sets.Problems) -> np.ndarray:
    """R² [E, S, 4] of the log-odds by each of `FEATURES`."""
    digits = np.concatenate([drawn.a, drawn.b], 1)
    one_hot = lambda values, size: (np.asarray(values)[:, None] == np.arange(size)).astype(float)
    tables = [
        digits.sum(1, keepdims=True),
        np.stack([(digits == value).sum(1) for value in range(10)], 1),
        np.concatenate([one_hot(column, 10) for column in digits.T], 1),
        one_hot(drawn.a[:, -1] + drawn.b[:, -1], 19),
    ]
    centred = odds - odds.mean(-1, keepdims=True)
    total = (centred**2).sum(-1)
    bases = [
        np.linalg.svd(x - x.mean(0), full_matrices=False)
        for x in (np.asarray(table, float) for table in tables)
    ]
    fitted = [((centred @ u[:, s > 1e-8 * s[0]]) ** 2).sum(-1) for u, s, _ in bases]
    return np.stack(fitted, -1) / np.maximum(total, 1e-30)[..., None]


def by_stratum(odds: np.ndarray, drawn: evaluation_sets.Problems) -> np.ndarray:
    """Loss [E, S, 3] where the top pair sums to less than 9, to 10 and more, and to 9."""
    top, loss = drawn.a[:, -1] + drawn.b[:, -1], np.logaddexp(0, np.where(has_carry(drawn), -odds, odds))
    return np.stack([loss[..., kept].mean(-1) for kept in (top < 9, top > 9, top == 9)], -1)


def has_carry(drawn: evaluation_sets.Problems) -> np.ndarray:
    """Whether the leading digit is 1, [N]."""
    weights = 10 ** np.arange(drawn.a.shape[1], dtype=object)
    return np.array((drawn.a + drawn.b).astype(object) @ weights >= 10 ** drawn.a.shape[1], bool)


def on_thin_ice(one: Length) -> list[statistics.Interval]:
    """The three strata's losses at each run's epoch whose loss is nearest to .0693."""
    whole = one.strata @ np.array([0.45, 0.45, 0.1])
    nearest = np.abs(whole - THIN_ICE).argmin(0)
    return [statistics.mean(column) for column in one.strata[nearest, np.arange(whole.shape[1])].T]


NEAR = 0.02
"""Nats within which two levels are one; the noise of 1024 problems is half of it."""
