"""How coefficients go with γ: where they stand on a plateau, and what a quadratic would give."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax import random
from scipy import stats

from experiments.bayes import data, estimating
from experiments.bayes.clocks_and_pizzas import Coefficients, used
from experiments.frame.bounds import whole_seeds
from experiments.frame.measured import FEW, Measured, interval
from experiments.frame.study import Study
from grokjax.curves import statistics
from grokjax.interp.bayes import calibration, hessian
from grokjax.mapping import map_runs
from grokjax.run import Run

MOST = 10
"""Runs whose Hessian is looked at."""
RESAMPLES = 2000
"""Draws of seeds for an interval."""


class Along(NamedTuple):
    """Of some estimates [S, γ]: the median over runs at each γ, the plateau of these, the rank correlation of
    the runs with those at γ = 100, and the R-hats [S, γ].
    """

    values: np.ndarray
    medians: np.ndarray
    plateau: calibration.Plateau
    ranks: list[float]
    r_hats: np.ndarray


def along_gamma(found: dict[str, np.ndarray], gammas: tuple[int, ...]) -> Along:
    """How the estimates at the end go with γ."""
    part = np.s_[0, :, : len(gammas)]
    values, r_hats, k = found["mean"][part], found["r_hat"][part], used(gammas)
    medians, errors = (np.nanmedian(x, 0) for x in (values, found["standard_error"][part]))
    steady = np.nan_to_num(np.nanmedian(r_hats, 0), nan=np.inf) <= estimating.MIXED
    ranks = [
        float(stats.spearmanr(values[:, k], values[:, j], nan_policy="omit").statistic)
        for j in range(len(gammas))
    ]
    return Along(values, medians, calibration.plateau(medians, errors, steady), ranks, r_hats)


def median(quantity: str, values: np.ndarray, unit: str = "", seeds: np.ndarray | None = None) -> Measured:
    """The median over runs as a row; where runs share a seed, with a bootstrap interval over seeds."""
    known = np.isfinite(values)
    kept = values[known]
    if seeds is None or len(np.unique(seeds[known])) < FEW:
        return interval(quantity, statistics.quantile(kept), unit, len(kept))
    medians = [np.median(kept[of]) for of in whole_seeds(seeds[known], RESAMPLES)]
    low, high = np.quantile(medians, (0.025, 0.975))
    found = statistics.Interval(float(np.median(kept)), float(low), float(high))
    return interval(quantity, found, unit, len(kept))


def stands(gammas: tuple[int, ...], along: Along) -> bool:
    """Whether the γ of the note is on a plateau."""
    return along.plateau.found and along.plateau.first <= used(gammas) <= along.plateau.last


def quadratics(this: Study, made: Coefficients) -> tuple[np.ndarray, np.ndarray]:
    """(the places of some runs, what a quadratic gives for each at every γ, [few, γ]): ½ Σ nβ h/(nβ h + γ)
    over the curvatures above 0.
    """
    sweep, nbeta = made.sweep, made.nbeta
    batch, rows = data.of_runs(sweep, "train", 1)
    few = np.unique(np.linspace(0, sweep.num_runs - 1, min(MOST, sweep.num_runs)).astype(int))
    gammas = np.array(this["gammas"], float)

    def one(run: Run, own: Any) -> Any:
        part = jax.tree.map(lambda x: x[own], batch)
        found = hessian.of_large(run, part, key=random.key(0), num_steps=this["lanczos"], num_probes=2)
        h = jax.numpy.maximum(found.curvatures, 0)
        terms = found.weights * nbeta * h / (nbeta * h + gammas[:, None, None])
        return terms.sum(-1).mean(-1) / 2

    chosen = jax.tree.map(lambda x: np.asarray(x)[few], sweep.runs())
    return few, np.asarray(map_runs(one)(chosen, rows[few]))
