"""Coefficients of clocks and pizzas, made once for two experiments: by attention rate, by kind, over γ."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import optax

from experiments.bayes import data, estimating, separation
from experiments.frame import snapshots
from experiments.frame.study import Setting, Study
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.interp import llc
from grokjax.interp.modular import pizza
from grokjax.run import Run

PIZZA, CLOCK = 0.95, 0.8
"""Gradient symmetricity from which on a run is a pizza, and up to which it is a clock."""
USED = 100
"""The γ of the note."""
WHEN = ("end", "equal loss")
EQUAL = 1e-3
"""Nats of the training loss at which runs are compared."""


SIZE: dict[str, Setting] = {
    "modulus": 31,
    "d_model": 64,
    "rates": (0, 25, 50, 75, 100),
    "seeds": 10,
    "steps": 1500,
    "gammas": (1, 10, 100, 1000, 10000),
    **estimating.CHAINS,
}
NOTED: dict[str, Setting] = {"modulus": 59, "d_model": 128, "steps": 2000}
"""The note's size."""
TINY: dict[str, Setting] = {
    "modulus": 5,
    "d_model": 4,
    "rates": (0, 100),
    "seeds": 2,
    "steps": 50,
    "gammas": (10, 100),
    **estimating.FEW,
}
"""SIZE and TINY: the settings of DEFAULTS and SMALL that `coefficients` reads."""


class Coefficients(NamedTuple):
    """The estimates of all S runs at the end of training and at equal loss, [2, S, γ + 1]: at every γ, and
    last at γ = 100 with a third of ε.

    runs_at: gives the runs at one of the two;  nbeta: n/ln n of their training sets
    """

    sweep: Sweep
    runs_at: Callable[[int], Run]
    found: dict[str, np.ndarray]
    nbeta: float

    @property
    def rates(self) -> np.ndarray:
        """The attention rate of every run."""
        return np.asarray(self.sweep.hypers.attention_rate)


def coefficients(this: Study) -> Coefficients:
    """Returns the runs of every attention rate with their estimates, as far as they are there already from
    another experiment.
    """
    # the label is where the runs lie since the first experiment trained them
    sweep = this.shared(
        "llc_clock_pizza/rates",
        task="modular",
        preset="pizza",
        modulus=this["modulus"],
        d_model=this["d_model"],
        attention_rate=[rate / 100 for rate in this["rates"]],
        epoch_steps=25,
        save="every:1",
    )
    places = snapshots.nearest(sweep, 0, EQUAL)
    runs_at = functools.cache(lambda when: sweep.runs() if when == 0 else snapshots.runs(sweep, places))
    cells = [(gamma, estimating.epsilon(gamma)) for gamma in this["gammas"]]
    cells.append((USED, estimating.epsilon(USED) / 3))
    found = estimating.estimates(this, sweep, "over_gamma", epochs=(0, 1), cells=cells, runs_at=runs_at)
    nbeta = llc.inverse_temperature(len(data.of_runs(sweep, "train", 1)[1][0]))
    return Coefficients(sweep, runs_at, found, nbeta)


def used(gammas: tuple[int, ...]) -> int:
    """The place of the γ of the note, or of the one nearest to it."""
    return int(np.argmin(np.abs(np.array(gammas) - USED)))


def described(run: Run) -> dict[str, Any]:
    """Gradient symmetricity over all triples, and the norm of all weights."""
    return dict(symmetricity=pizza.gradient_symmetricity(run).mean, norm=optax.tree.norm(run.params))


def kinds(seen: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(which runs are clocks, which are pizzas)."""
    return seen["symmetricity"] <= CLOCK, seen["symmetricity"] >= PIZZA


def paired(this: Study, values: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """The coefficients at the largest rate less those at the smallest one, seed by seed."""
    order = lambda rate: values[np.isclose(rates, rate / 100)]
    return order(max(this["rates"])) - order(min(this["rates"]))


def finite(values: np.ndarray) -> np.ndarray:
    """Those with a chain that did not diverge."""
    return values[np.isfinite(values)]


def areas(
    this: Study, found: dict[str, np.ndarray], seen: dict[str, Any], when: int, k: int
) -> dict[str, Any]:
    """How the coefficient at one γ tells clocks from pizzas: as it is, and at equal loss and norm."""
    own, values = seen[WHEN[when]], found["mean"][when, :, k]
    clocks, pizzas = kinds(own)
    kept = (clocks | pizzas) & np.isfinite(values)
    others = np.log([np.maximum(found["baseline"][when, kept, k], 1e-12), own["norm"][kept]])
    if not kept.any():
        nothing = statistics.Interval(None, None, None)
        return dict(raw=nothing, adjusted=nothing, difference=nothing)
    rest, difference = separation.adjusted(values[kept], clocks[kept], others)
    return dict(
        raw=separation.auc(values[clocks], values[pizzas]),
        adjusted=separation.auc(rest[clocks[kept]], rest[pizzas[kept]]),
        difference=difference,
    )


def numbers(
    this: Study, found: dict[str, np.ndarray], seen: dict[str, Any], rates: np.ndarray, nbeta: float
) -> dict[str, Any]:
    """Per γ and time: coefficients by rate, areas, paired differences, R-hat, losses of the draws."""
    draws = estimating.loss_of_draws(found, nbeta)
    table = {}
    for when, label in enumerate(WHEN):
        for k, gamma in enumerate(this["gammas"]):
            values = found["mean"][when, :, k]
            table[f"{label}, γ {gamma}"] = dict(
                by_rate={
                    rate: statistics.mean(finite(values[np.isclose(rates, rate / 100)]))
                    for rate in this["rates"]
                },
                largest_less_smallest_rate=statistics.mean(finite(paired(this, values, rates))),
                **areas(this, found, seen, when, k),
                median_r_hat=np.nanmedian(found["r_hat"][when, :, k]),
                trusted=int(estimating.trusted(found)[when, :, k].sum()),
                negative=int((values < 0).sum()),
                median_loss_of_draws=np.nanmedian(draws[when, :, k]),
                masked=float(found["masked"][when, :, k].mean()),
            )
    of = {
        label: {
            name: {rate: statistics.mean(own[name][np.isclose(rates, rate / 100)]) for rate in this["rates"]}
            for name in own
        }
        for label, own in seen.items()
    }
    baselines = {label: np.median(found["baseline"][i, :, 0]) for i, label in enumerate(WHEN)}
    return dict(estimates=table, runs=of, median_baseline=baselines, nbeta=nbeta)
