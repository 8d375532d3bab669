"""How the step at which a digit leaves its first shelf depends on base and length: censored regression.

ln(step) is normal about a mean that is linear in the features of its cell (a digit of a task), with a spread
for each length. A run that has not left counts as later than its last step: its likelihood is the normal
tail (Tobin 1958; an accelerated failure time model).
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize
from scipy.special import log_ndtr

from grokjax.curves.statistics import Interval, Times

DRAWS = 200
"""Draws for every interval, and for every p."""
FORMS = ("exponential", "power")
"""How the step may grow with the length n: as c^n, or as n^q."""
SPREADS = math.log(0.02), math.log(10)
HALF_LOG_TAU = math.log(2 * math.pi) / 2


class Cell(NamedTuple):
    """The exits of one digit of one task, of runs that were watched until the step `until`."""

    base: int
    n: int
    digit: int
    times: Times
    until: float


class Fit(NamedTuple):
    """The coefficients, the mean ln(step) of every cell, a spread for each length, and the log-likelihood."""

    at: Float[np.ndarray, " F"]
    means: Float[np.ndarray, " N"]
    spreads: Float[np.ndarray, " G"]
    likelihood: float


class Lack(NamedTuple):
    """A test of a model against one that holds it: twice the gain in log-likelihood, the parameters that it
    costs, and how often data made by the smaller model gain as much.
    """

    gain: float
    freedom: int
    p: float


class Law(NamedTuple):
    """What the exits of one digit follow.

    growth: by form, the factor for each further digit of the operands, or the power of their number
    likelihood: by form, with one power of the base
    of_base: lack of fit of a power of the base with free lengths, against free cells
    of_length: by form, its lack of fit against free lengths
    explained: share of the variance between the cells' mean ln(step), by the better form and the power
    predicted: by (base, n), the step that these give
    """

    digit: int
    growth: dict[str, Interval]
    likelihood: dict[str, float]
    of_base: Lack
    of_length: dict[str, Lack]
    explained: float
    predicted: dict[tuple[int, int], float]


Design = Callable[[Sequence[Cell]], Float[np.ndarray, "N F"]]


def free_cells(cells: Sequence[Cell]) -> Float[np.ndarray, "N N"]:
    """Every cell has a mean of its own."""
    return np.eye(len(cells))


def free_lengths(cells: Sequence[Cell]) -> Float[np.ndarray, "N F"]:
    """ln b, and a level of its own for every length."""
    n = np.array([cell.n for cell in cells])
    return np.column_stack([_log_base(cells), n[:, None] == np.unique(n)])


def formed(form: str) -> Design:
    """ln b, n (exponential) or ln n (power), and a constant."""
    length = float if form == "exponential" else math.log
    return lambda cells: np.column_stack(
        [_log_base(cells), [length(cell.n) for cell in cells], np.ones(len(cells))]
    )


def _log_base(cells: Sequence[Cell]) -> np.ndarray:
    return np.log([cell.base for cell in cells])


def fit(cells: Sequence[Cell], design: Design) -> Fit:
    """The fit of greatest likelihood to the exits of all cells, which have the same number of runs."""
    steps, ended, groups = _data(cells)
    return _fitted(design(cells), steps, ended, groups)


def _data(cells: Sequence[Cell]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ln(step) [N, S], whether it is an exit [N, S], and the number of each cell's length [N]."""
    steps = np.log(np.maximum([cell.times.time for cell in cells], 1.0))
    ended = np.array([cell.times.ended for cell in cells])
    return steps, ended, np.unique([cell.n for cell in cells], return_inverse=True)[1]


def _fitted(
    features: Float[np.ndarray, "N F"],
    steps: Float[np.ndarray, "N S"],
    ended: Bool[np.ndarray, "N S"],
    groups: Int[np.ndarray, " N"],
) -> Fit:
    """The same for numbers, climbed to along orthonormal features."""
    (q, back), count = _basis(features.tobytes(), features.shape), groups.max() + 1
    size = q.shape[1]
    # sums, and BFGS rather than L-BFGS-B: threads of BLAS cost more than such small products take
    along = lambda inner: (q * inner).sum(1)
    against = lambda values: (q * values[:, None]).sum(0)

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        free = (at[size:] > SPREADS[0]) & (at[size:] < SPREADS[1])
        log_spread = np.clip(at[size:], *SPREADS)[groups][:, None]
        off = (steps - along(at[:size])[:, None]) / np.exp(log_spread)
        density, tail = -(off**2) / 2 - HALF_LOG_TAU, log_ndtr(-off)
        likely = np.where(ended, density - log_spread, tail)
        # the slope in the mean, times the spread: the hazard of the normal where a run has not ended
        pull = np.where(ended, off, np.exp(density - tail))
        by_spread = np.where(ended, off**2 - 1, pull * off)
        by_mean = (pull / np.exp(log_spread)).sum(1)
        slope = np.concatenate([against(by_mean), free * np.bincount(groups, by_spread.sum(1))])
        # the ridge holds cells of which no run has ended
        return float(1e-6 * (at**2).sum() - likely.sum()), 2e-6 * at - slope

    start = against(steps.mean(1))
    residual = steps - along(start)[:, None]
    spread = [max(residual[groups == group].std(), 0.05) for group in range(count)]
    first = np.concatenate([start, np.log(spread)])
    found = minimize(loss, first, jac=True, method="BFGS")
    inner, spreads = found.x[:size], np.exp(np.clip(found.x[size:], *SPREADS))
    return Fit((back * inner).sum(1), along(inner), spreads, -float(found.fun))


@functools.lru_cache(64)
def _basis(features: bytes, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal features [N, F], and what gives the coefficients of the features from theirs [F, F]."""
    q, r = np.linalg.qr(np.frombuffer(features).reshape(shape))
    return q, np.linalg.inv(r)


def lack(cells: Sequence[Cell], small: Design, large: Design, draws: int = DRAWS) -> Lack:
    """The test of one design against a larger one, on data that the smaller one makes with the same last
    steps.
    """
    steps, ended, groups = _data(cells)
    designs = [small(cells), large(cells)]
    own = _fitted(designs[0], steps, ended, groups)
    last = np.log([cell.until for cell in cells])[:, None]
    random = np.random.default_rng(0)

    def gain(steps: np.ndarray, ended: np.ndarray) -> float:
        less, more = (_fitted(features, steps, ended, groups).likelihood for features in designs)
        return 2 * (more - less)

    seen, made = gain(steps, ended), []
    for _ in range(draws):
        drawn = own.means[:, None] + own.spreads[groups][:, None] * random.standard_normal(steps.shape)
        made.append(gain(np.minimum(drawn, last), drawn <= last))
    freedom = designs[1].shape[1] - designs[0].shape[1]
    return Lack(seen, freedom, (1 + sum(one >= seen for one in made)) / (draws + 1))


def settled(cells: Sequence[Cell]) -> bool:
    """Whether cells determine a power of the base: two bases at a length, and most exits are seen."""
    at: dict[int, set[int]] = {}
    for cell in cells:
        at.setdefault(cell.n, set()).add(cell.base)
    ended = [cell.times.ended.mean() for cell in cells]
    return any(len(bases) > 1 for bases in at.values()) and bool(np.mean(ended) > 0.5)


def of_digit(cells: Sequence[Cell], digit: int) -> list[Cell]:
    """The cells of one digit."""
    return [cell for cell in cells if cell.digit == digit]


def resampled(
    cells: Sequence[Cell], numbers: Callable[[Sequence[Cell]], Mapping[str, float]], draws: int = DRAWS
) -> dict[str, Interval]:
    """Numbers with 95% intervals from drawing the runs of every task again, all digits of a run together.

    The ends are the percentiles' distances from the estimate times √(S / (S − 1)), the bootstrap's spread
    being too small by that.
    """
    best, random, runs = numbers(cells), np.random.default_rng(0), len(cells[0].times.ended)
    tasks = sorted({(cell.base, cell.n) for cell in cells})
    drawn = []
    for _ in range(draws):
        kept = {task: random.integers(0, runs, runs) for task in tasks}
        again = [one._replace(times=Times(*(x[kept[one.base, one.n]] for x in one.times))) for one in cells]
        drawn.append(numbers(again))
    wide = math.sqrt(runs / max(runs - 1, 1))
    found = {}
    for name, value in best.items():
        ends = np.quantile([one[name] for one in drawn], (0.025, 0.975))
        found[name] = Interval(float(value), *(float(value + wide * (end - value)) for end in ends))
    return found


def power(cells: Sequence[Cell]) -> float:
    """The power of the base, with a level of its own for every length."""
    return float(fit(cells, free_lengths).at[0])


def law(cells: Sequence[Cell], draws: int = DRAWS) -> Law | None:
    """The law of one digit's cells; None where they do not determine it: two bases, two lengths."""
    if not settled(cells) or len({cell.n for cell in cells}) < 2:
        return None
    rates = lambda again: {form: float(fit(again, formed(form)).at[1]) for form in FORMS}
    growth = resampled(cells, rates, draws)
    growth["exponential"] = Interval(*(math.exp(end or 0.0) for end in growth["exponential"]))
    fits = {form: fit(cells, formed(form)) for form in FORMS}
    means = max(fits.values(), key=lambda one: one.likelihood).means
    return Law(
        cells[0].digit,
        growth,
        {form: one.likelihood for form, one in fits.items()},
        lack(cells, free_lengths, free_cells, draws),
        {form: lack(cells, formed(form), free_lengths, draws) for form in FORMS},
        explained(cells, means),
        {(c.base, c.n): math.exp(mean) for c, mean in zip(cells, means, strict=True)},
    )


def explained(cells: Sequence[Cell], means: Float[np.ndarray, " N"]) -> float:
    """The share of the variance between cells' mean ln(step) that given means explain; of the cells that at
    least half of the runs have left.
    """
    seen = np.array([cell.times.ended.mean() >= 0.5 for cell in cells])
    own = fit(cells, free_cells).means[seen]
    total = ((own - own.mean()) ** 2).sum() if len(own) else 0.0
    return float(1 - ((own - means[seen]) ** 2).sum() / total) if total > 0 else math.nan
