"""Which changes of how a run is trained make it grok earlier, all else equal?

    python -m experiments.modular.interventions

Modular addition by the preset of Nanda et al., --modulus 23, --percent 80 of the table, --d_model 64, full
batch, and the same with one thing changed. Each change is a preset of its name in `grokjax.presets`;
--changes lists those to train, all by default:

0 grokfast_ema, 1 grokfast_ma: slow gradients amplified (Lee et al. 2024)
2 orthograd, 3 stablemax: no gradient along the weights; another softmax (Prieto et al. 2025)
4 temperature: logits divided by 4;  5 norm_clamp: the weight norm is at most .8 of the initial one
6 muon;  7 schedule_free AdamW

Also no warm-up, and one of 100 steps instead of 10. Every one is trained at --decays 0,1 with the same
--seeds 16 (initial weights, split and batches alike) for --steps 3000. A step of grokfast_ma takes
twice as long as the others.

A first measurement, with 70% and 12 seeds, left warm-up undecided: 9 of 12 plain runs grokked. The rules are
those of before.

Onset: the first evaluation with a test accuracy of .9 or more. Each run is compared with its partner, the
plain run of its seed and decay. Pairs of which a run has no onset by the last step enter with the bound
that they give. Rule, set before the runs: a change makes runs earlier (or later) where the exact sign test
over pairs has p < .05 after Holm's correction for all changes at all decays; it makes no difference where the
interval of the median ratio lies between .8 and 1.25.

Time: 18 minutes on two cores; GPU: not measured.
"""

import sys
from collections.abc import Iterator

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, interval, share, time
from experiments.frame.result import Result
from experiments.frame.study import Setting, Study
from grokjax import figures, presets
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.curves.statistics import Ratio, Times, comparisons

DEFAULTS: dict[str, Setting] = {
    "modulus": 23,
    "d_model": 64,
    "percent": 80,
    "decays": (0, 1),
    "changes": tuple(range(8)),
    "steps": 3000,
    "seeds": 16,
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
NEAR = 1.25
"""A ratio of times between 1/NEAR and NEAR is no difference."""
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
        answers=[warm_up(this, times, ratios, adjusted)],
        numbers={
            f"{name}, decay {decay}": dict(
                share=found.share,
                onset=found.median,
                **(of_pairs(ratios[name, decay], adjusted[name, decay]) if name != PLAIN else {}),
            )
            for (name, decay), found in times.items()
        },
        plot=picture(this, times),
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


def warm_up(
    this: Study, times: dict[Cell, Times], ratios: dict[Cell, Ratio], adjusted: dict[Cell, float]
) -> Result:
    """Whether the warm-up matters, at the largest decay."""
    decay = max(this["decays"])
    others = [f"warm-up {steps}" for steps in WARM_UPS if f"warm-up {steps}" != PLAIN]
    told = {name: verdict(ratios[name, decay], adjusted[name, decay]) for name in others}
    near = all(within(ratios[name, decay].median) for name in others)
    return Result(
        "003-12",
        "Beside ten steps of warm-up, {earlier_0} grok earlier without one, and {earlier_100} with a "
        "hundred.",
        {f"ratio_{name.split()[-1]}": of_pair(name, decay, ratios[name, decay]) for name in others}
        | {f"earlier_{name.split()[-1]}": earlier(name, decay, ratios[name, decay]) for name in others}
        | {
            f"onset_{i}": time(f"onset, {name}, decay {own}", found, this["steps"])
            for i, ((name, own), found) in enumerate(times.items())
        }
        | {
            f"change_{i}": of_pair(name, own, found)
            for i, ((name, own), found) in enumerate(ratios.items())
            if (name, own) not in [(other, decay) for other in others]
        },
        "At the largest decay. Confirmed where the exact sign test over seeds tells either from a warm-up of "
        f"10 (p < {SIGNIFICANT} after Holm's correction for all changes at all decays); refuted where both "
        f"intervals of the median ratio lie within {1 / NEAR:g} and {NEAR:g}; else open.",
        "confirmed: " + ", ".join(f"{name} is {word}" for name, word in told.items() if word != "open")
        if set(told.values()) != {"open"}
        else "refuted"
        if near
        else "open: no pair test tells them apart; more --seeds would settle it",
        [
            f"Onset: a test accuracy of {RIGHT}. Pairs share their initial weights, split and batches.",
            "Pairs in which a run has no onset by the last step enter with the bound that they give.",
        ],
    )


def within(found: statistics.Interval) -> bool:
    """Whether a ratio is near 1 with its whole interval."""
    return found.low is not None and found.high is not None and 1 / NEAR <= found.low <= found.high <= NEAR


def of_pair(name: str, decay: int, found: Ratio) -> Measured:
    """The median ratio of a change as a row."""
    pairs = found.earlier + found.later + found.unknown
    return interval(
        f"onset over that of the plain run, {name}, decay {decay}", found.median, "times", pairs, "pairs"
    )


def earlier(name: str, decay: int, found: Ratio) -> Measured:
    """The pairs of known order in which the changed run comes first."""
    return share(
        f"pairs of known order in which {name} is earlier, decay {decay}",
        found.earlier,
        found.earlier + found.later,
        "pairs",
    )


def picture(this: Study, times: dict[Cell, Times]) -> figures.Plot:
    """The onset of every run, a row for each change."""
    names = dict.fromkeys(name for name, _ in times)
    return figures.times(
        {name: {f"decay {decay}": times[name, decay] for decay in this["decays"]} for name in names},
        xlabel=f"step of a test accuracy of {RIGHT}",
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
