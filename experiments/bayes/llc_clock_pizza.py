"""Does the learning coefficient tell clock from pizza, and is a localisation of 100 all right?

    python -m experiments.bayes.llc_clock_pizza

Addition modulo --modulus 31, the pizza preset (80% of the table, decay 2) at --d_model 64, --rates 0, 25, 50,
75 and 100% of attention, --seeds 10 each, --steps 1500. Coefficients of every run at --gammas 1 to 10000,
nβ = n/ln n, on its training set: of its last weights, and of those whose training loss is nearest to 1e-3
nats. --chains 4 of --burn_in 200 steps and --draws 50, gradients from --batch_size 256 examples; ε is the
lesser of .1/γ and 1e-4, and at γ = 100 a third of it too. A run is a pizza if its gradient symmetricity is at
least .95, a clock if at most .8.

Rules, set before the numbers were seen, but for two things that a pilot of two runs had shown: ε is at most
1e-4, since draws at 3e-4 lose half a nat, and the third of ε was added to the rule of 003-27:
- 003-26 is confirmed if at γ = 100 rate 1 has the lower coefficient than rate 0 in at least 90% of the seeds,
  and the interval of the mean difference lies below 0, at the end and at equal loss; it is refuted if an
  interval lies above 0 or fewer than half of the seeds agree; else it is open.
- 003-04 is confirmed if at γ = 100 and equal loss, with loss and norm regressed out, the area under the ROC
  curve is at most .2 or at least .8 and its interval leaves out .5; it is refuted if the interval holds .5.
- 003-27 is confirmed if γ = 100 stands on a plateau along γ (three neighbours within 10%), of the median over
  runs, its ranks of the runs go with those of γ = 10 and of γ = 1000 (Spearman, at least .9), and a third of
  ε changes its median by less than 10%; else it is refuted.

Time: not measured; GPU: not measured.
"""

import functools
import sys
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax import random
from scipy import stats

from experiments.bayes import data, estimating, pictures, separation
from experiments.frame import snapshots, study
from experiments.frame.finding import Answer, Finding, said
from experiments.frame.study import Setting, Study
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.interp import llc
from grokjax.interp.bayes import calibration, hessian
from grokjax.interp.modular import pizza
from grokjax.mapping import map_runs
from grokjax.run import Run

DEFAULTS: dict[str, Setting] = {
    "modulus": 31,
    "d_model": 64,
    "rates": (0, 25, 50, 75, 100),
    "seeds": 10,
    "steps": 1500,
    "gammas": (1, 10, 100, 1000, 10000),
    "lanczos": 32,
    **estimating.CHAINS,
}
SMALL: dict[str, Setting] = {
    "modulus": 5,
    "d_model": 4,
    "rates": (0, 100),
    "seeds": 2,
    "steps": 50,
    "gammas": (10, 100),
    "lanczos": 2,
    **estimating.FEW,
}
EQUAL = 1e-3
"""Nats of the training loss at which runs are compared."""
PIZZA, CLOCK = 0.95, 0.8
"""Gradient symmetricity from which on a run is a pizza, and up to which it is a clock."""
USED = 100
"""The γ of the note."""
WHEN = ("end", "equal loss")


def measure(this: Study) -> Finding:
    """Coefficients over γ of every run at its end and at equal loss, and how they tell the kinds apart."""
    sweep = this.sweep(
        "rates",
        task="modular",
        preset="pizza",
        modulus=this["modulus"],
        d_model=this["d_model"],
        attention_rate=[rate / 100 for rate in this["rates"]],
        epoch_steps=25,
        save="every:1",
    )
    places = snapshots.nearest(sweep, 0, EQUAL)
    runs_at = lambda when: sweep.runs() if when == 0 else snapshots.runs(sweep, places)
    cells = [(gamma, estimating.epsilon(gamma)) for gamma in this["gammas"]]
    cells.append((USED, estimating.epsilon(USED) / 3))
    found = estimating.estimates(
        this, sweep, "over_gamma", epochs=(0, 1), cells=cells, runs_at=functools.cache(runs_at)
    )
    seen = {when: map_runs(described)(runs_at(i)) for i, when in enumerate(WHEN)}
    rates = np.asarray(sweep.hypers.attention_rate)
    nbeta = llc.inverse_temperature(len(data.of_runs(sweep, "train", 1)[1][0]))
    quadratic = quadratics(this, sweep, nbeta)
    return Finding(
        task=f"addition modulo {this['modulus']}, 80% of the table",
        size=f"1 layer, width {this['d_model']}, 4 heads, decay 2, rate .001, full batch, {this['steps']} "
        f"steps; {len(rates)} runs, {this['chains']} chains each",
        seeds=this.seeds,
        answers=answers(this, found, seen, rates, nbeta),
        numbers=numbers(this, found, seen, rates, nbeta) | {"quadratic at the end": quadratic},
        plot=picture(this, found, seen, rates, quadratic),
    )


def described(run: Run) -> dict[str, Any]:
    """Gradient symmetricity over all triples, and the norm of all weights."""
    return dict(symmetricity=pizza.gradient_symmetricity(run).mean, norm=optax.tree.norm(run.params))


def quadratics(this: Study, sweep: Sweep, nbeta: float) -> list[float]:
    """What a quadratic gives at each γ: ½ Σ nβ h/(nβ h + γ) over the curvatures above 0, median of 4 runs."""
    batch, rows = data.of_runs(sweep, "train", 1)
    few = np.linspace(0, sweep.num_runs - 1, min(4, sweep.num_runs)).astype(int)
    gammas = np.array(this["gammas"], float)

    def one(run: Run, own: Any) -> Any:
        part = jax.tree.map(lambda x: x[own], batch)
        found = hessian.of_large(run, part, key=random.key(0), num_steps=this["lanczos"], num_probes=2)
        h = jax.numpy.maximum(found.curvatures, 0)
        terms = found.weights * nbeta * h / (nbeta * h + gammas[:, None, None])
        return terms.sum(-1).mean(-1) / 2

    chosen = jax.tree.map(lambda x: np.asarray(x)[few], sweep.runs())
    return np.median(map_runs(one)(chosen, rows[few]), 0).tolist()


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


def answers(
    this: Study, found: dict[str, np.ndarray], seen: dict[str, Any], rates: np.ndarray, nbeta: float
) -> list[Answer]:
    """The three questions, by the rules above."""
    k = int(np.argmin(np.abs(np.array(this["gammas"]) - USED)))
    differences = [paired(this, found["mean"][when, :, k], rates) for when in (0, 1)]
    intervals = [statistics.mean(finite(each)) for each in differences]
    lower = [int((each < 0).sum()) for each in differences]
    area = areas(this, found, seen, 1, k)
    clocks, pizzas = kinds(seen[WHEN[1]])
    along = along_gamma(found, this["gammas"])
    draws = np.nanmedian(estimating.loss_of_draws(found, nbeta)[0], 0)[: len(along.medians)]
    at = f"γ {this['gammas'][k]}"
    seeds = len(this.seeds)
    return [
        Answer(
            "003-26",
            "attention 1 consistently has lower LLC estimate than attention 0",
            f"LLC at rate {max(this['rates'])}% less that at {min(this['rates'])}%, paired over {seeds} "
            f"seeds, {at}: at the end; at a training loss of {EQUAL:g}",
            "; ".join(
                f"{label}: {said(interval)}, lower in {count} of {seeds}"
                for label, interval, count in zip(WHEN, intervals, lower, strict=True)
            )
            + f"; {estimating.said_r_hat(found, np.s_[:, :, k])}",
            lower_verdict(intervals, lower, seeds),
        ),
        Answer(
            "003-04",
            "differentiate Pizza and Clock solutions based on the LLC?",
            f"area under the ROC curve of the LLC, clocks (symmetricity at most {CLOCK}) above pizzas (at "
            f"least {PIZZA}), {at}, training loss {EQUAL:g}; with loss and norm regressed out",
            f"{int(clocks.sum())} clocks, {int(pizzas.sum())} pizzas: raw {said(area['raw'], '.2f')}, "
            f"adjusted {said(area['adjusted'], '.2f')}; "
            f"{estimating.said_r_hat(found, np.s_[1, :, k])}",
            area_verdict(area["adjusted"]),
        ),
        Answer(
            "003-27",
            "high localization (100) to get converging chains … if that is ok",
            "at the end and each γ: median LLC over runs, rank correlation of the runs with γ 100, loss of "
            "the draws in nats, R-hat",
            "; ".join(
                f"γ {gamma}: {value:.3g}, ranks {rank:.2f}, loss {loss:.2g}, R-hat {r_hat:.2f}"
                for gamma, value, rank, loss, r_hat in zip(
                    this["gammas"], along.medians, along.ranks, draws, along.r_hats, strict=True
                )
            )
            + f"; γ 100 with ε/3: {along.shorter:.3g}; {along.plateau.reason}",
            gamma_verdict(this["gammas"], along),
        ),
    ]


def lower_verdict(intervals: list[statistics.Interval], lower: list[int], seeds: int) -> str:
    """The rule of 003-26."""
    if any(x.low is None or x.high is None for x in intervals):
        return "open: too few seeds for an interval"
    below = all((x.high or 0.0) < 0 for x in intervals)
    if below and min(lower) >= 0.9 * seeds:
        return "confirmed"
    if any((x.low or 0.0) > 0 for x in intervals) or min(lower) < seeds / 2:
        return "refuted"
    return "open: the differences agree in sign for most seeds only; more seeds would settle it"


def area_verdict(area: statistics.Interval) -> str:
    """The rule of 003-04."""
    if area.value is None or area.low is None or area.high is None:
        return "open: there are no runs of both kinds; longer training or other rates would give them"
    if area.low <= 0.5 <= area.high:
        return "refuted"
    return "confirmed" if not 0.2 < area.value < 0.8 else "open: apart, but by less than the rule asks for"


class Along(NamedTuple):
    """The median over runs at each γ at the end, its plateau, ranks against γ = 100, median R-hats, and the
    median at γ = 100 with a third of ε.
    """

    medians: np.ndarray
    plateau: calibration.Plateau
    ranks: list[float]
    r_hats: np.ndarray
    shorter: float


def along_gamma(found: dict[str, np.ndarray], gammas: tuple[int, ...]) -> Along:
    """How the estimates at the end go with γ."""
    values, k = found["mean"][0, :, : len(gammas)], int(np.argmin(np.abs(np.array(gammas) - USED)))
    medians, r_hats = (np.nanmedian(x, 0) for x in (values, found["r_hat"][0, :, : len(gammas)]))
    errors = np.nanmedian(found["standard_error"][0, :, : len(gammas)], 0)
    steady = np.nan_to_num(r_hats, nan=np.inf) <= estimating.MIXED
    ranks = [
        float(stats.spearmanr(values[:, k], values[:, j], nan_policy="omit").statistic)
        for j in range(len(gammas))
    ]
    shorter = float(np.nanmedian(found["mean"][0, :, -1]))
    return Along(medians, calibration.plateau(medians, errors, steady), ranks, r_hats, shorter)


def gamma_verdict(gammas: tuple[int, ...], along: Along) -> str:
    """The rule of 003-27."""
    if USED not in gammas:
        return f"open: γ {USED} was not among them"
    k, plateau = gammas.index(USED), along.plateau
    on = plateau.found and plateau.first <= k <= plateau.last
    near = [along.ranks[j] for j in (k - 1, k + 1) if 0 <= j < len(gammas)]
    steady = abs(along.shorter / along.medians[k] - 1) < 0.1
    return "confirmed" if on and min(near) >= 0.9 and steady else "refuted"


def picture(
    this: Study, found: dict[str, np.ndarray], seen: dict[str, Any], rates: np.ndarray, quadratic: list[float]
) -> Any:
    """Coefficients against the attention rate at both times, and over γ by kind."""
    k = int(np.argmin(np.abs(np.array(this["gammas"]) - USED)))
    clocks, pizzas = kinds(seen[WHEN[0]])
    values = found["mean"][0, :, : len(this["gammas"])]
    return pictures.against_rate(
        rates,
        {
            f"{label}, γ {this['gammas'][k]}": (
                found["mean"][i, :, k],
                found["standard_error"][i, :, k],
                estimating.trusted(found)[i, :, k],
                seen[label]["symmetricity"],
            )
            for i, label in enumerate(WHEN)
        },
        np.array(this["gammas"], float),
        {"clocks": values[clocks], "pizzas": values[pizzas]},
        np.array(quadratic),
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
