"""Is a localisation of 100 all right, and what does an estimate of the learning coefficient tell?

    python -m experiments.bayes.llc_localisation

The runs of `llc_clock_pizza` and their coefficients over γ: addition modulo --modulus 31, the pizza preset at
--d_model 64, --rates 0, 25, 50, 75 and 100% of attention, --seeds 10 each, --steps 1500; --gammas 1 to 10000,
nβ = n/ln n, --chains 4 of --burn_in 200 steps and --draws 50, gradients from --batch_size 256 examples; ε is
the lesser of .1/γ and 1e-4, and at γ = 100 a third of it too. At the end of training they are also taken at a
tenth and at ten times that nβ, with γ = 10, 100 and 1000 and an ε ten times as large and as small: half as
many chains again, and no training. Beside them what a quadratic gives, ½ Σ nβh/(nβh + γ), over the curvatures
of 10 runs by --lanczos 32 steps.

Rules, set before the numbers were seen, but that a pilot of two runs had shown no plateau, and that the third
of ε was added after it:
- 003-27 is confirmed if γ = 100 stands on a plateau along γ (three neighbours within 10%), of the median over
  runs, its ranks of the runs go with those of γ = 10 and of γ = 1000 (Spearman, at least .9), a third of ε
  changes its median by less than 10%, and the plateau is there at the other nβ too; else it is refuted.
- 003-25, known answers: chains of the same kind on four losses of two weights (`bayes.known_answers`), whose
  coefficients at γ and nβ = 351 are integrals, confirmed if all lie within three standard errors, those below
  5%. Trained runs: confirmed if the interval of the median, over 10 runs at γ = 100, of the estimate over the
  quadratic's value lies between .8 and 1.25; refuted if it lies outside; else open.

Time: 9 minutes on two cores; GPU: not measured.
"""

import sys
from typing import Any

import numpy as np

from experiments.bayes import clocks_and_pizzas, estimating, known_answers, over_gamma, pictures
from experiments.bayes.clocks_and_pizzas import NOTED, SIZE, TINY, USED, Coefficients, finite, used
from experiments.bayes.over_gamma import Along, along_gamma, median, stands
from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, count, interval
from experiments.frame.result import Result
from experiments.frame.study import Setting, Study
from grokjax.curves import statistics

DEFAULTS: dict[str, Setting] = {**SIZE, "lanczos": 32}
LARGE: dict[str, Setting] = NOTED
SMALL: dict[str, Setting] = {**TINY, "lanczos": 2}
COLDER = (0.1, 10.0)
"""Times n/ln n: the other nβ."""
AROUND = (10, 100, 1000)
"""The γ at these."""
ALIKE = 1.25
"""A ratio between its inverse and itself is none."""


def measure(this: Study) -> Finding:
    """Coefficients of every run at its end over γ and nβ, and beside what a quadratic gives."""
    made = clocks_and_pizzas.coefficients(this)
    cells = [
        (gamma, estimating.epsilon(gamma, times), times * made.nbeta) for times in COLDER for gamma in AROUND
    ]
    elsewhere = estimating.estimates(
        this, made.sweep, "over_nbeta", epochs=(0,), cells=cells, runs_at=made.runs_at
    )
    few, quadratic = over_gamma.quadratics(this, made)
    along = along_gamma(made.found, this["gammas"])
    others = [along_gamma(part, AROUND) for part in parts_of(elsewhere)]
    draws = np.nanmedian(estimating.loss_of_draws(made.found, made.nbeta)[0], 0)[: len(this["gammas"])]
    return Finding(
        task=f"addition modulo {this['modulus']}, 80% of the table",
        size=f"1 layer, width {this['d_model']}, 4 heads, decay 2, rate .001, full batch, {this['steps']} "
        f"steps; {len(made.rates)} runs, {this['chains']} chains each, n/ln n = {made.nbeta:.0f}",
        seeds=this.seeds,
        answers=[
            localised(this["gammas"], made, along, others),
            estimation(this, made.found["mean"][0][few][:, : len(this["gammas"])], quadratic),
        ],
        numbers=dict(
            gamma=this["gammas"],
            median=along.medians,
            median_r_hat=np.nanmedian(along.r_hats, 0),
            loss_of_draws=draws,
            quadratic=np.median(quadratic, 0),
            nbeta=made.nbeta,
        ),
        plot=picture(this, made, along, others, np.median(quadratic, 0), draws),
    )


def localised(gammas: tuple[int, ...], made: Coefficients, along: Along, others: list[Along]) -> Result:
    """003-27."""
    k, found, rows = used(gammas), made.found, {}
    seeds = np.asarray(made.sweep.hypers.seed)
    shorter = found["mean"][0, :, -1]
    draws = estimating.loss_of_draws(found, made.nbeta)[0]
    for j, gamma in enumerate(gammas):
        at, rank = f"γ {gamma}", along.ranks[j]
        rows[f"at_{j}"] = median(f"median coefficient, {at}", along.values[:, j], seeds=seeds)
        rows[f"rank_{j}"] = Measured(
            f"rank correlation of the runs with γ {gammas[k]}, {at}",
            rank if np.isfinite(rank) else None,
            n=len(shorter),
        )
        rows[f"draws_{j}"] = median(f"median loss of the draws, {at}", draws[:, j], "nats", seeds)
        mixing = estimating.mixing(found, np.s_[0, :, j], at)
        rows |= {f"{name}_{j}": row for name, row in mixing.items()}
    rows["shorter"] = median(f"median coefficient, γ {USED}, a third of ε", shorter, seeds=seeds)
    for i, (times, other) in enumerate(zip(COLDER, others, strict=True)):
        for j, gamma in enumerate(AROUND):
            at = f"{times:g} n/ln n, γ {gamma}"
            rows[f"at_{i}_{j}"] = median(f"median coefficient, {at}", other.values[:, j], seeds=seeds)
            rows[f"r_hat_{i}_{j}"] = median(f"median split R-hat, {at}", other.r_hats[:, j], seeds=seeds)
    low, high = max(k - 1, 0), min(k + 1, len(gammas) - 1)
    on = stands(gammas, along)
    return Result(
        "003-27",
        f"The estimate {'stands on a plateau along' if on else 'hangs on'} γ, the pull to trained weights: "
        f"its median is {{at_{low}}} at a tenth of the note's hundred, {{at_{high}}} at ten times it.",
        rows,
        f"Confirmed if γ = {USED} stands on a plateau along γ (three neighbours within 10%, R-hat at most "
        f"{estimating.MIXED}), of the median over runs, its ranks of the runs go with those of the γ "
        "beside it (Spearman, at least .9), a third of ε changes its median by less than 10%, and the "
        "plateau is there at a tenth and at ten times n/ln n too; else refuted.",
        gamma_verdict(gammas, along, others, float(np.nanmedian(shorter))),
        [
            f"Along γ: {along.plateau.reason}.",
            *(
                f"At {times:g} times n/ln n: {other.plateau.reason}."
                for times, other in zip(COLDER, others, strict=True)
            ),
            "Ranks and medians are over runs of all rates at the end of training; intervals of medians are "
            "over seeds.",
        ],
    )


def parts_of(elsewhere: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The estimates at each of the other nβ, [1, S, γ]."""
    number = len(AROUND)
    return [
        {name: x[:, :, i * number : (i + 1) * number] for name, x in elsewhere.items()}
        for i in range(len(COLDER))
    ]


def gamma_verdict(gammas: tuple[int, ...], along: Along, others: list[Along], shorter: float) -> str:
    """The rule of 003-27."""
    if USED not in gammas:
        return f"open: γ {USED} was not among them; --gammas with it would settle it"
    k = gammas.index(USED)
    on = stands(gammas, along) and all(stands(AROUND, other) for other in others)
    near = [along.ranks[j] for j in (k - 1, k + 1) if 0 <= j < len(gammas)]
    steady = abs(shorter / along.medians[k] - 1) < 0.1
    return "confirmed" if on and min(near) >= 0.9 and steady else "refuted"


def estimation(this: Study, estimates: np.ndarray, quadratic: np.ndarray) -> Result:
    """003-25: of losses whose coefficient is known, and of some trained runs beside their Hessian's."""
    known, k = known_answers.found(), used(this["gammas"])
    right = sum(one.right for one in known)
    over = [statistics.quantile(finite(ratio)) for ratio in (estimates / np.maximum(quadratic, 1e-9)).T]
    rows = dict(
        right=count(
            "known coefficients within three standard errors, those below 5%",
            right,
            len(known),
            "known coefficients",
        ),
        ratio=interval(
            f"estimate over the quadratic's value, γ {this['gammas'][k]}", over[k], "times", len(quadratic)
        ),
    )
    rows |= known_answers.rows(known)
    for j, gamma in enumerate(this["gammas"]):
        rows[f"ratio_{j}"] = interval(
            f"estimate over the quadratic's value, γ {gamma}", over[j], "times", len(quadratic)
        )
        rows[f"quadratic_{j}"] = median(f"median of ½ Σ nβh/(nβh + γ), γ {gamma}", quadratic[:, j])
    return Result(
        "003-25",
        "Chains are right for {right}; of trained runs they give {ratio} what a quadratic with the "
        "Hessian's spectrum would.",
        rows,
        "Known answers: confirmed if all lie within three standard errors, those below 5% of the value. "
        f"Trained runs: confirmed if at γ = {USED} the interval of the median ratio of the estimate to ½ Σ "
        f"nβh/(nβh + γ) over the Hessian's curvatures lies between {1 / ALIKE:g} and {ALIKE:g}; refuted if "
        "it lies outside; else open.",
        estimation_verdict(right == len(known), over[k]),
        [
            "The known losses have two weights, their γ and steps as in the rows; the quadratic is that "
            "at the last weights."
        ],
    )


def estimation_verdict(right: bool, ratio: statistics.Interval) -> str:
    """The rule of 003-25."""
    known = "confirmed" if right else "refuted"
    if ratio.low is None or ratio.high is None:
        return "open: too few runs for an interval; more --seeds would settle it"
    inside, outside = (
        ratio.low >= 1 / ALIKE and ratio.high <= ALIKE,
        ratio.low > ALIKE or ratio.high < 1 / ALIKE,
    )
    if not inside and not outside:
        return "open: the interval of the ratio is too wide; more --seeds would settle it"
    trained = "confirmed" if inside else "refuted"
    if known == trained:
        return known
    return f"mixed: {known} of losses with known answers; {trained} of trained runs"


def picture(
    this: Study,
    made: Coefficients,
    along: Along,
    others: list[Along],
    quadratic: np.ndarray,
    draws: np.ndarray,
) -> Any:
    """Coefficients over γ at each nβ, what a quadratic gives, and the loss of the draws."""
    gammas = np.array(this["gammas"], float)
    at = {"n/ln n": (gammas, made.found["mean"][0, :, : len(gammas)])}
    around = np.array(AROUND, float)
    at |= {f"{times:g} n/ln n": (around, other.values) for times, other in zip(COLDER, others, strict=True)}
    return pictures.over_gamma(at, (gammas, quadratic), (gammas, draws), USED)


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
