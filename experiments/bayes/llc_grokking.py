"""Does the learning coefficient move before, at or after grokking?

    python -m experiments.bayes.llc_grokking

Addition modulo --modulus 59 on half of the table, decay 2 (the note's setting), full attention, --d_model 64,
--seeds 8, --steps 2000; coefficients of every run at every 100th step, in one call, on its training set, at
--gammas 100 and 1000, nβ = n/ln n: --chains 4 of --burn_in 200 steps and --draws 50, gradients from
--batch_size 256 examples, ε the lesser of .1/γ and 1e-4.

A curve has moved where it has gone half the way from its value at memorisation (training loss below .01) to
its last one; grokked is the test loss's half way. Rule, set before the numbers were seen: the coefficient
moves before (after) grokking if the interval of the mean lag over runs lies below −50 (above 50) steps, half
the distance of two snapshots; at it if the interval lies within; else it is undetermined.

Time: 9 minutes on two cores that others used too; GPU: not measured.
"""

import sys
import time
from typing import Any

import numpy as np

from experiments.bayes import curve, estimating, pictures
from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, interval, share
from experiments.frame.result import Result
from experiments.frame.study import Setting, Study
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics

DEFAULTS: dict[str, Setting] = {
    "modulus": 59,
    "d_model": 64,
    "seeds": 8,
    "steps": 2000,
    "gammas": (100, 1000),
    **estimating.CHAINS,
}
SMALL: dict[str, Setting] = {
    "modulus": 5,
    "d_model": 4,
    "seeds": 2,
    "steps": 200,
    "gammas": (100, 1000),
    **estimating.FEW,
}
SPACING = 100
"""Steps from one snapshot to the next."""
MEMORISED = 0.01
"""Nats of the training loss."""


def measure(this: Study) -> Finding:
    """Coefficients of all runs and snapshots, and how their moves lie to grokking."""
    sweep = this.sweep(
        "half",
        task="modular",
        preset="pizza",
        modulus=this["modulus"],
        d_model=this["d_model"],
        train_fraction=0.5,
        attention_rate=1.0,
        epoch_steps=SPACING,
        save="every:1",
    )
    cells = [(gamma, estimating.epsilon(gamma)) for gamma in this["gammas"]]
    began = time.perf_counter()
    found = estimating.estimates(this, sweep, "training", epochs=sweep.epochs, cells=cells)
    seconds = time.perf_counter() - began
    lags = [lag(sweep, found["mean"][:, :, k]) for k in range(len(cells))]
    steps = np.array([sweep.steps(epoch) for epoch in sweep.epochs])
    k = len(cells) - 1
    return Finding(
        task=f"addition modulo {this['modulus']}, half of the table",
        size=f"1 layer, width {this['d_model']}, 4 heads, decay 2, rate .001, full batch, {this['steps']} "
        f"steps; {found['mean'][..., 0].size} (run, snapshot) pairs, {this['chains']} chains each",
        seeds=this.seeds,
        answers=[answer(this, found, lags)],
        numbers=numbers(this, found, lags, steps, seconds),
        plot=pictures.over_training(
            steps,
            found["mean"][:, :, k],
            found["standard_error"][:, :, k],
            losses(sweep),
            estimating.trusted(found)[:, :, k],
        ),
    )


def losses(sweep: Sweep) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(steps, nats of every run) of both losses."""
    train = np.asarray(sweep.metrics["loss"])[..., 0]
    test = np.asarray(sweep.metrics["test_loss"])[..., 0]
    return {
        "training": (np.arange(train.shape[1]), train),
        "test": (np.asarray(sweep.metrics["test_step"]), test),
    }


def lag(sweep: Sweep, mean: np.ndarray) -> np.ndarray:
    """By how many steps the coefficient [E, S] of each run moves after its test loss, [S]; NaN for a run that
    has not memorised, or not grokked: whose test loss does not end below a tenth of where it then was.
    """
    steps = np.array([sweep.steps(epoch) for epoch in sweep.epochs])
    curves = losses(sweep)
    memorised = statistics.until_below(curves["training"][1], MEMORISED, smoothing=1)
    at, test = curves["test"]
    lags = np.full(mean.shape[1], np.nan)
    for run in np.flatnonzero(memorised.ended):
        kept, late = steps >= memorised.time[run], at >= memorised.time[run]
        if kept.sum() < 3 or late.sum() < 3 or test[run, late][-1] > 0.1 * test[run, late][0]:
            continue
        lags[run] = curve.half_way(steps[kept], mean[kept, run]) - curve.half_way(at[late], test[run, late])
    return lags


def word(interval: statistics.Interval) -> str:
    """Before, at or after grokking, or undetermined, by the rule above."""
    if interval.low is None or interval.high is None:
        return "undetermined"
    if interval.high < -SPACING / 2:
        return "before grokking"
    if interval.low > SPACING / 2:
        return "after grokking"
    inside = interval.low >= -SPACING / 2 and interval.high <= SPACING / 2
    return "at grokking" if inside else "undetermined"


def answer(this: Study, found: dict[str, np.ndarray], lags: list[np.ndarray]) -> Result:
    """The tracking, and where the coefficient moves."""
    rows: dict[str, Measured] = {}
    words = []
    for k, gamma in enumerate(this["gammas"]):
        known = lags[k][np.isfinite(lags[k])]
        between = statistics.mean(known)
        words.append(word(between))
        name = f"γ {gamma}"
        rows |= {
            f"lag_{k}": interval(
                f"steps from the test loss's half way to the coefficient's, {name}",
                between,
                "steps",
                len(known),
            ),
            f"known_{k}": share(
                f"runs that grok and whose coefficient moves, {name}", len(known), len(lags[k])
            ),
        }
        mixing = estimating.mixing(found, np.s_[:, :, k], name)
        rows |= {f"{row}_{k}": value for row, value in mixing.items()}
    last, best = len(words) - 1, f"γ = {this['gammas'][-1]}"
    at = words[-1] if words[-1] != "undetermined" else "at no clear time"
    return Result(
        "003-03",
        f"Tracked at every saved epoch; at the largest γ it moves {at}, {{lag_{last}}} from the test "
        "loss's half way.",
        rows,
        "Built if every run and snapshot has an estimate. The coefficient moves before (after) grokking "
        f"if the interval of the mean lag over runs lies below −{SPACING // 2} (above {SPACING // 2}) "
        "steps, at it if the interval lies within, else it is undetermined.",
        "built: python -m experiments.bayes.llc DIRECTORY --epsilon=1e-4 --gamma=1000",
        [
            f"The largest γ is {best}. "
            + "; ".join(f"γ = {gamma}: {said}" for gamma, said in zip(this["gammas"], words, strict=True))
            + ".",
            f"{len(this.seeds)} runs; half way is from memorisation to the last step.",
        ],
    )


def numbers(
    this: Study, found: dict[str, np.ndarray], lags: list[np.ndarray], steps: np.ndarray, seconds: float
) -> dict[str, Any]:
    """Medians over runs at every snapshot, lags of every run."""
    table: dict[str, Any] = dict(
        step=steps,
        median_baseline=np.nanmedian(found["baseline"][:, :, 0], 1),
        seconds_of_the_call=seconds,
        chain_steps=found["mean"].size * this["chains"] * (this["draws"] + this["burn_in"]),
    )
    for k, gamma in enumerate(this["gammas"]):
        table[f"γ {gamma}"] = dict(
            lag=lags[k],
            median_llc=np.nanmedian(found["mean"][:, :, k], 1),
            median_r_hat=np.nanmedian(found["r_hat"][:, :, k], 1),
            negative=int((found["mean"][:, :, k] < 0).sum()),
            trusted=int(estimating.trusted(found)[:, :, k].sum()),
        )
    return table


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
