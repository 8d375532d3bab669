"""How often do the 95% intervals that the project prints hold the truth, and how often do its tests err?

Samples of runs are drawn from a known distribution: normal, exponential (skewed), log-normal of scale 1
(very skewed). Wilson's interval needs no draws: its coverage is a sum over the binomial distribution.
"""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from grokjax.curves import statistics
from grokjax.curves.statistics import Interval, Times

DRAWS: dict[str, tuple[Callable[..., np.ndarray], float, float]] = {
    "normal": (lambda rng, n: rng.normal(0, 1, n), 0.0, 0.0),
    "exponential": (lambda rng, n: rng.exponential(1, n), 1.0, float(np.log(2))),
    "log-normal": (lambda rng, n: rng.lognormal(0, 1, n), float(np.exp(0.5)), 1.0),
}
"""Distribution -> its draws, its mean, its median."""
RUNS = (4, 8, 16, 32)
CENSORED = 0.3
"""The share of runs that have not got there at the end of the curves."""
HOLDS = 0.92
"""An interval of 95% counts as holding where its coverage is at least this."""


def run(folder: pathlib.Path, samples: int, bootstraps: int) -> dict[str, Any]:
    """Returns coverages by interval, distribution and number of runs, and the tests' false positives."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = [
        dict(
            interval="Wilson",
            of="a share, 5% to 95%",
            coverage=dict(zip(RUNS, map(wilson, RUNS), strict=True)),
        )
    ]
    for name, (draw, mean, median) in DRAWS.items():
        for interval, estimate, count, truth in (
            ("Student's t of a mean", statistics.mean, samples, mean),
            ("order statistics of a median", statistics.quantile, samples, median),
            ("bootstrap of a mean", bootstrap, bootstraps, mean),
        ):
            rows.append(row(interval, name, count, sampled(estimate, draw, rng), truth))
    for part, label in ((0.0, "exponential"), (CENSORED, "exponential, 30% censored")):
        of = functools.partial(kaplan_meier, rng, part)
        rows.append(row("Kaplan-Meier median", label, samples, of, float(np.log(2))))
    rows.append(row("hazard ratio", "exponential", bootstraps, functools.partial(hazard, rng), 1.0))
    errors = {name: false_positives(test, rng, samples) for name, test in TESTS.items()}
    return dict(samples=samples, holds=HOLDS, rows=rows, false_positives=errors, failures=broken(rows))


def sampled(
    estimate: Callable[..., Interval], draw: Callable[..., np.ndarray], rng: np.random.Generator
) -> Callable[[int], Interval]:
    """Returns the function that draws so many runs and estimates from them."""
    return lambda n: estimate(draw(rng, n))


def kaplan_meier(rng: np.random.Generator, part: float, n: int) -> Interval:
    """Returns the median of n times, of which a part is censored."""
    return statistics.median(*censored(rng, n, part))


def broken(rows: list[dict[str, Any]]) -> list[str]:
    """Returns a sentence for each interval without assumptions that does not hold; the others are told."""
    promised = ("Wilson", "order statistics of a median", "Kaplan-Meier median")
    return [
        f"{each['interval']} of {n} runs ({each['of']}) holds in {coverage:.3f} of samples"
        for each in rows
        for n, coverage in each["coverage"].items()
        if coverage is not None and each["interval"] in promised and coverage < HOLDS - 0.02
    ]


def wilson(n: int) -> float:
    """Returns the mean coverage over shares from 5% to 95%."""
    intervals = [statistics.wilson(k, n) for k in range(n + 1)]
    shares = np.linspace(0.05, 0.95, 91)
    inside = np.array([[low <= p <= high for _, low, high in intervals] for p in shares])
    weights = stats.binom.pmf(np.arange(n + 1)[None], n, shares[:, None])
    return round(float((inside * weights).sum(1).mean()), 4)


def row(
    interval: str, of: str, samples: int, draw: Callable[[int], Interval], truth: float
) -> dict[str, Any]:
    """Returns a row of the table: how often the interval holds the truth, None where there is none."""
    return dict(interval=interval, of=of, coverage={n: coverage(draw, n, samples, truth) for n in RUNS})


def coverage(draw: Callable[[int], Interval], n: int, samples: int, truth: float) -> float | None:
    """Returns the share of samples whose interval holds the truth; an end that is None is open."""
    held, determined = 0, 0
    for _ in range(samples):
        _, low, high = draw(n)
        if low is None and high is None:
            continue
        determined += 1
        held += (low is None or low <= truth) and (high is None or truth <= high)
    return round(held / determined, 4) if determined >= samples / 2 else None


def bootstrap(values: np.ndarray) -> Interval:
    """Returns the bootstrap interval of a mean, of fewer resamples than usual."""
    return statistics.bootstrap(values, resamples=999)


def censored(rng: np.random.Generator, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns exponential times, of which a share lies beyond the end of the curves, and which ended."""
    times, end = rng.exponential(1, n), -np.log(share) if share else np.inf
    return np.minimum(times, end), times <= end


def hazard(rng: np.random.Generator, n: int) -> Interval:
    """Returns the hazard ratio of two groups that differ in nothing."""
    return statistics.hazard_ratio(Times(*censored(rng, n, 0.0)), Times(*censored(rng, n, 0.0)))


TESTS: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "paired t, normal": lambda rng, n: statistics.paired(rng.normal(0, 1, n), rng.normal(0, 1, n)),
    "paired t, exponential": lambda rng, n: statistics.paired(rng.exponential(1, n), rng.exponential(1, n)),
    "signed ranks, normal": lambda rng, n: statistics.paired_ranks(rng.normal(0, 1, n), rng.normal(0, 1, n)),
    "log-rank, 30% censored": lambda rng, n: statistics.log_rank(
        Times(*censored(rng, n, CENSORED)), Times(*censored(rng, n, CENSORED))
    ),
}
"""Tests of two groups that differ in nothing."""


def false_positives(
    test: Callable[[np.random.Generator, int], Any], rng: np.random.Generator, samples: int
) -> dict[int, float]:
    """Returns how often p is below .05, by the number of runs of a group."""
    return {
        n: round(float(np.mean([(test(rng, n).p or 1.0) < 0.05 for _ in range(samples)])), 4) for n in RUNS
    }
