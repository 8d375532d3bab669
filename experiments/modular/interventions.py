"""Which changes of how a run is trained make it grok earlier, all else equal?

    python -m experiments.modular.interventions

Modular addition by the preset of Nanda et al., --modulus 23, --percent 70 of the table, --d_model 64, full
batch, and the same with one thing changed. Each change is a preset of its name in `grokjax.presets`;
--changes lists those to train, all by default:

0 grokfast_ema, 1 grokfast_ma: slow gradients amplified (Lee et al. 2024)
2 orthograd, 3 stablemax: no gradient along the weights; another softmax (Prieto et al. 2025)
4 temperature: logits divided by 4;  5 norm_clamp: the weight norm is at most .8 of the initial one
6 muon;  7 schedule_free AdamW

Also no warm-up, and one of 100 steps instead of 10. Every one is trained at --decays 0,1 with the same
--seeds 12 (initial weights, split and batches alike) for --steps 3000. A step of grokfast_ma takes several
times as long as the others.

Onset: the first evaluation with a test accuracy of .9 or more. Each run is compared with its partner, the
plain run of its seed and decay. Pairs of which a run has no onset by the last step enter with the bound
that they give. Rule, set before the runs: a change makes runs earlier (or later) where the exact sign test
over pairs has p < .05 after Holm's correction for all changes at all decays.

Time: about 15 minutes on two cores. Found: not yet run at this size.
"""

import sys
from collections.abc import Iterator

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, said
from experiments.frame.study import Setting, Study
from grokjax import figures, presets
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.curves.statistics import Ratio, Times, comparisons

DEFAULTS: dict[str, Setting] = {
    "modulus": 23,
    "d_model": 64,
    "percent": 70,
    "decays": (0, 1),
    "changes": tuple(range(8)),
    "steps": 3000,
    "seeds": 12,
}
SMALL: dict[str, Setting] = {
    "modulus": 5,
    "d_model": 8,
    "percent": 70,
    "decays": (0, 1),
    "changes": (0, 6),
    "steps": 20,
    "seeds": 2,
}
RIGHT = 0.9
"""The test accuracy of the onset of grokking."""
SIGNIFICANT = 0.05
WARM_UPS = (0, 10, 100)
PLAIN = "warm-up 10"
"""The partner of all others: the preset itself."""

Cell = tuple[str, int]
"""An intervention and a weight decay."""


def measure(this: Study) -> Finding:
    """Onsets of all interventions, and their ratios to the plain runs."""
    times = dict(onsets(this))
    ratios = {
        (name, decay): statistics.paired_ratio(found, times[PLAIN, decay])
        for (name, decay), found in times.items()
        if name != PLAIN
    }
    adjusted = dict(
        zip(
            ratios,
            comparisons.holm([1.0 if found.p is None else found.p for found in ratios.values()]).tolist(),
            strict=True,
        )
    )
    return Finding(
        task=f"modular addition, modulus {this['modulus']}, {this['percent']}% of the table",
        size=f"1 layer, width {this['d_model']}, 4 heads, rate .001, {this['steps']} full-batch steps, decay "
        f"{' and '.join(map(str, this['decays']))}",
        seeds=this.seeds,
        answers=[warm_up(times, ratios, adjusted)],
        numbers={
            f"{name}, decay {decay}": dict(
                share=found.share,
                onset=found.median,
                **(of_pairs(ratios[name, decay], adjusted[name, decay]) if name != PLAIN else {}),
            )
            for (name, decay), found in times.items()
        },
        plot=picture(this, times, ratios),
    )


def of_pairs(found: Ratio, p: float) -> dict[str, object]:
    """What the finding keeps of the pairs of a cell."""
    return dict(
        ratio=found.median,
        earlier=found.earlier,
        later=found.later,
        unknown=found.unknown,
        p=found.p,
        p_adjusted=p,
        verdict=verdict(found, p),
    )


def verdict(found: Ratio, p: float) -> str:
    """Earlier, later, or not told apart."""
    if p >= SIGNIFICANT:
        return "open"
    return "earlier" if found.earlier > found.later else "later"


def onsets(this: Study) -> Iterator[tuple[Cell, Times]]:
    """The times of every intervention and decay, runs in the order of their seeds."""
    decays = [float(decay) for decay in this["decays"]]
    train = lambda label, preset, **grid: this.sweep(
        label,
        task="modular",
        preset=preset,
        modulus=this["modulus"],
        d_model=this["d_model"],
        train_fraction=this["percent"] / 100,
        weight_decay=decays,
        evaluate_every=10,
        epoch_steps=min(this["steps"], 250),
        **grid,
    )
    plain = train("plain", "nanda", warmup_steps=[float(steps) for steps in WARM_UPS])
    for steps in WARM_UPS:
        yield from by_decay(this, f"warm-up {steps}", plain, np.asarray(plain.hypers.warmup_steps) == steps)
    names = list(presets.INTERVENTIONS)
    for change in this["changes"]:
        if change >= len(names):
            raise ValueError(f"changes={change} must be below {len(names)}")
        name = names[change]
        sweep = train(name, name)
        yield from by_decay(this, name, sweep, np.ones(sweep.num_runs, bool))


def by_decay(this: Study, name: str, sweep: Sweep, chosen: np.ndarray) -> Iterator[tuple[Cell, Times]]:
    """The chosen runs of a sweep, one decay after another."""
    wrong = 1 - sweep.metrics["test_accuracy"][..., 0]
    found = statistics.until_below(
        wrong, np.nextafter(1 - RIGHT, 1), steps=sweep.metrics["test_step"], smoothing=1
    )
    decay, seed = np.asarray(sweep.hypers.weight_decay), np.asarray(sweep.hypers.seed)
    for value in this["decays"]:
        own = np.flatnonzero(chosen & np.isclose(decay, value))
        own = own[np.argsort(seed[own])]
        yield (name, value), Times(found.time[own], found.ended[own])


def warm_up(times: dict[Cell, Times], ratios: dict[Cell, Ratio], adjusted: dict[Cell, float]) -> Answer:
    """Whether the warm-up matters, at the largest decay."""
    decay = max(decay for _, decay in times)
    others = [f"warm-up {steps}" for steps in WARM_UPS if f"warm-up {steps}" != PLAIN]
    told = [verdict(ratios[name, decay], adjusted[name, decay]) for name in others]
    return Answer(
        "003-12",
        "no scheduler over the first 10 steps. Not sure if this is important",
        f"onset (test accuracy {RIGHT}) over that of the same seed with a warm-up of 10, decay {decay}: "
        "median; pairs earlier and later; p of the sign test, corrected for all interventions",
        "; ".join(
            f"{name.removeprefix('warm-up ')} steps: {said(ratios[name, decay].median, '.2f')}, "
            f"{ratios[name, decay].earlier} and {ratios[name, decay].later}, p {adjusted[name, decay]:.2g}"
            for name in others
        ),
        "confirmed: " + ", ".join(f"{name} is {word}" for name, word in zip(others, told, strict=True))
        if set(told) != {"open"}
        else "open: no pair test tells them apart; more --seeds would settle it",
    )


def picture(this: Study, times: dict[Cell, Times], ratios: dict[Cell, Ratio]) -> figures.Plot:
    """Median ratios, and shares with an onset, of every intervention, a series for each decay."""
    series = lambda cells, of: {
        f"decay {decay}": figures.Points(
            [name for name, own in cells if own == decay],
            [of(found) for (_, own), found in cells.items() if own == decay],
        )
        for decay in this["decays"]
    }
    return figures.points(
        {
            "onset over that of the plain run (median of pairs)": series(ratios, lambda found: found.median),
            "share of runs with an onset": series(times, lambda found: found.share),
        },
        xlabel="",
        ylabel="",
        joined=False,
        sharey=False,
        levels={"onset over that of the plain run (median of pairs)": [("plain", 1.0)]},
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
