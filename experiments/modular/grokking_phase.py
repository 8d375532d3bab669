"""Where in (training fraction, weight decay) does modular addition grok, when, and how late?

    python -m experiments.modular.grokking_phase

The preset of Nanda et al. at a size that two cores carry; all cells are one grid of runs.

--modulus 23, --d_model 64, --seeds 16, --steps 5000 full-batch steps.
--percents 50,70,90: of the table that is trained on;  --decays 0,1,2: weight decay, of AdamW at rate .001

A run has memorised at its first step with a training loss below .01 nats, and has grokked at its first with
such a test loss. The delay is the second over the first. A run that has not grokked by the last step counts
as "> T", never as missing.

Runs of one seed are not independent: of each seed it is counted how many settings grok. Rules, set before the
runs; "most" is a Wilson interval above one half:
- Decay (the training fraction) matters where most seeds grok in more settings at its largest value than at
  its smallest; it does not where the interval lies below one half.
- Grokking is separated and quick where in one setting most runs grok, and at twice their memorising step or
  later. The setting is chosen on the even seeds and scored on the odd ones.

Time: 13 minutes on two cores; GPU: not measured.
"""

import sys
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, interval, share, time
from experiments.frame.result import Result
from experiments.frame.study import Setting, Study
from grokjax import figures
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics

DEFAULTS: dict[str, Setting] = {
    "modulus": 23,
    "d_model": 64,
    "percents": (50, 70, 90),
    "decays": (0, 1, 2),
    "seeds": 16,
    "steps": 5000,
}
LARGE: dict[str, Setting] = {
    "modulus": 59,
    "d_model": 128,
    "percents": (30, 50, 80),
    "seeds": 32,
    "steps": 10000,
}
SMALL: dict[str, Setting] = {
    "modulus": 5,
    "d_model": 8,
    "percents": (50, 70),
    "decays": (0, 1),
    "seeds": 2,
    "steps": 40,
}
SOLVED = 0.01
"""Nats below which a loss counts as solved."""
SEPARATED = 2.0
"""A run groks late where it solves the test set at so many times the step at which it has memorised."""


class Cell(NamedTuple):
    """The runs of one training fraction (per cent) and weight decay, in the order of their seeds."""

    percent: int
    decay: int
    memorised: statistics.Times
    grokked: statistics.Times

    @property
    def name(self) -> str:
        """The setting in words."""
        return f"{self.percent}%, decay {self.decay}"

    @property
    def late(self) -> Bool[np.ndarray, " S"]:
        """Which runs grok, and late."""
        return grok_late(self.memorised, self.grokked)

    @property
    def delay(self) -> statistics.Interval:
        """The median of steps to grokking over steps to memorising."""
        return statistics.paired_ratio(self.grokked, self.memorised).median


def grok_late(memorised: statistics.Times, grokked: statistics.Times) -> Bool[np.ndarray, " S"]:
    """Which runs grok, and at SEPARATED times their step of memorising or later."""
    both = memorised.ended & grokked.ended
    return both & (grokked.time >= SEPARATED * np.maximum(memorised.time, 1))


def measure(this: Study) -> Finding:
    """The share of runs that grok, their times and delays, in every cell."""
    found = this.sweep(
        "phase",
        task="modular",
        preset="nanda",
        modulus=this["modulus"],
        d_model=this["d_model"],
        train_fraction=[percent / 100 for percent in this["percents"]],
        weight_decay=[float(decay) for decay in this["decays"]],
    )
    cells = [cell(found, percent, decay) for percent in this["percents"] for decay in this["decays"]]
    return Finding(
        task=f"modular addition, modulus {this['modulus']}",
        size=f"1 layer, width {this['d_model']}, 4 heads, rate .001, full batch, {this['steps']} steps",
        seeds=this.seeds,
        answers=answers(this, cells),
        numbers={
            "cells": [
                dict(
                    percent=each.percent,
                    decay=each.decay,
                    memorised=each.memorised.share,
                    memorised_at=each.memorised.median,
                    grokked=each.grokked.share,
                    grokked_at=each.grokked.median,
                    delay=each.delay,
                    late=statistics.wilson(int(each.late.sum()), this["seeds"]),
                )
                for each in cells
            ]
        },
        plot=figures.times(
            {each.name: {"memorised": each.memorised, "grokked": each.grokked} for each in cells}
        ),
    )


def cell(found: Sweep, percent: int, decay: int) -> Cell:
    """The times of the runs of one cell; a loss that ends above SOLVED is censored at the last step."""
    grid = {name: np.asarray(getattr(found.hypers, name)) for name in ("train_fraction", "weight_decay")}
    own = np.isclose(grid["train_fraction"], percent / 100) & np.isclose(grid["weight_decay"], decay)
    runs = np.flatnonzero(own)
    runs = runs[np.argsort(np.asarray(found.hypers.seed)[runs])]
    train, test = (found.metrics[name][runs][..., 0] for name in ("loss", "test_loss"))
    return Cell(
        percent,
        decay,
        statistics.until_below(train, SOLVED, smoothing=1),
        statistics.until_below(test, SOLVED, steps=found.metrics["test_step"], smoothing=1),
    )


def answers(this: Study, cells: list[Cell]) -> list[Result]:
    """What the notes say about decay, fraction and separation, over cells."""
    decays = {decay: [each for each in cells if each.decay == decay] for decay in this["decays"]}
    fractions = {percent: [each for each in cells if each.percent == percent] for percent in this["percents"]}
    return [
        matters(
            "003-11",
            "At the largest weight decay a seed groks on more training fractions than at the least: {more}.",
            {f"decay {decay}": own for decay, own in decays.items()},
            [f"The smallest decay is {min(decays)}, where the note has .01."],
        ),
        matters(
            "003-15",
            "With most of the table to train on, a seed groks at more weight decays than with least: {more}.",
            {f"{percent}%": own for percent, own in fractions.items()},
            [f"Modulus {this['modulus']}; the notes have 59 and 113."],
        ),
        separated(this, cells),
    ]


def matters(id: str, sentence: str, groups: dict[str, list[Cell]], caveats: list[str]) -> Result:
    """Whether a setting matters, from the runs at each of its values, the least first."""
    per_seed = {name: np.stack([each.grokked.ended for each in own]).sum(0) for name, own in groups.items()}
    least, *_, most = per_seed.values()
    more, seeds = int((most > least).sum()), len(most)
    ends = f"{next(reversed(groups))} than at {next(iter(groups))}"
    return Result(
        id,
        sentence,
        dict(more=share(f"seeds that grok in more settings at {ends}", more, seeds, "seeds"))
        | {f"grok_{i}": that_grok(name, own) for i, (name, own) in enumerate(groups.items())},
        f"Confirmed where most seeds (Wilson's interval above one half) grok in more settings at {ends}; "
        "refuted where the interval lies below one half; else open.",
        majority(more, seeds),
        ["The settings of a seed share its weights: they are counted within it.", *caveats],
    )


def that_grok(name: str, cells: list[Cell]) -> Measured:
    """How many runs of some cells grok. Their interval is that of as many independent runs."""
    ended = np.concatenate([each.grokked.ended for each in cells])
    return share(f"runs that grok, {name}", int(ended.sum()), len(ended))._replace(low=None, high=None)


def separated(this: Study, cells: list[Cell]) -> Result:
    """Whether runs of some setting grok late and still soon: it is chosen on half of the seeds."""
    best = max(cells, key=lambda each: int(each.late[::2].sum()))
    scored = best.late[1::2]
    return Result(
        "003-17",
        "In the setting chosen on other seeds {late} grok at twice the memorising step or later; median "
        "delay {delay}.",
        dict(
            late=share(f"odd seeds that grok late, {best.name}", int(scored.sum()), len(scored)),
            delay=interval(
                f"step of grokking over that of memorising, {best.name}", best.delay, "times", this["seeds"]
            ),
            step=time(f"step of grokking, {best.name}", best.grokked, this["steps"]),
        )
        | {
            f"late_{i}": share(f"runs that grok late, {each.name}", int(each.late.sum()), this["seeds"])
            for i, each in enumerate(cells)
        },
        f"Late is at {SEPARATED:g} times the memorising step or later. Confirmed where in the setting with "
        "most late runs among the even seeds most of the odd ones are late (Wilson's interval above one "
        "half); refuted where the interval lies below one half; else open.",
        majority(int(scored.sum()), len(scored)),
        [f"Within {this['steps']} steps; a run that does not grok by then is not late."],
    )


def majority(successes: int, n: int) -> str:
    """The rule of all three."""
    found = statistics.wilson(successes, n)
    if found.low is None or found.high is None:
        return "open: no seed tells; more --seeds would settle it"
    if found.low > 0.5:
        return "confirmed"
    return (
        "refuted" if found.high < 0.5 else "open: the interval holds one half; more --seeds would settle it"
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
