"""Which of six differences from the published setting keeps modular addition from being learned in full?

    python -m experiments.modular.what_stops_grokking

The notes mended six differences from the preset of Zhong et al. 2023 (arXiv:2306.17844) together. Here every
combination of them is trained (2^6 cells), all with the same seeds, splits and full batches:

- embedding: W_E is drawn from N(0, 1), without 1/sqrt(width)
- bias: the unembedding has one
- uniform: all weights are drawn uniformly, at the same variance
- decay: 0.01 instead of 2
- warm-up: none, instead of 10 steps
- untrained: W_in keeps its initial values

--modulus 23, --percent 70 of the table, --d_model 64, --seeds 8, --steps 3000. Bias and uniform draws change
the program: four programs of 16 cells each. A run has grokked at its first evaluation with a test accuracy of
.99 or more; one that has not by the last step counts with all its steps.

A main effect is the mean change of the share of runs that grok, over the 32 pairs of cells that differ in one
thing. An interaction is half the change that another difference makes to it. Both are taken for every seed
and then averaged, so an interval (Student's, at 95% for all six together) is over seeds. Rule, set before the
runs: a difference matters where the interval of its effect excludes 0, and does not where it lies within .05
of 0. In addition each tensor is left untrained alone, all else as published.

Time: about 15 minutes on two cores. Found: not yet run at this size.
"""

import itertools
import math
import sys
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Setting, Study
from grokjax import figures
from grokjax.checkpoints import Sweep
from grokjax.config import TENSORS, freeze
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval

DEFAULTS: dict[str, Setting] = {"modulus": 23, "d_model": 64, "percent": 70, "steps": 3000, "seeds": 8}
SMALL: dict[str, Setting] = {"modulus": 5, "d_model": 8, "percent": 70, "steps": 50, "seeds": 2}
FACTORS = ("embedding", "bias", "uniform", "decay", "warm-up", "untrained")
RIGHT = 0.99
"""The test accuracy at which a run has grokked."""
SMALL_EFFECT = 0.05
FROZEN = (*TENSORS, "b_in", "b_out")
"""The tensors that are left untrained, one at a time."""


class Cells(NamedTuple):
    """The runs of every cell: whether they grokked, and the steps until then, [2, 2, 2, 2, 2, 2, S].

    An axis is a factor in the order of FACTORS: 0 as published, 1 as in the notes.
    """

    grokked: Float[np.ndarray, "2 2 2 2 2 2 S"]
    time: Float[np.ndarray, "2 2 2 2 2 2 S"]


def measure(this: Study) -> Finding:
    """Shares, times and effects over all cells."""
    cells = factorial(this)
    frozen = untrained(this)
    effects = {name: effect(cells.grokked, (i,)) for i, name in enumerate(FACTORS)}
    pairs = list(itertools.combinations(range(len(FACTORS)), 2))
    return Finding(
        task=f"modular addition, modulus {this['modulus']}, {this['percent']}% of the table",
        size=f"1 layer, width {this['d_model']}, 4 heads, rate .001, {this['steps']} full-batch steps, "
        "64 cells",
        seeds=this.seeds,
        answers=[why(cells, effects), *of_factors(effects, cells), of_tensors(frozen)],
        numbers={
            "share": effects,
            "time": {name: effect(cells.time, (i,)) for i, name in enumerate(FACTORS)},
            "interaction_share": {named(pair): effect(cells.grokked, pair) for pair in pairs},
            "interaction_time": {named(pair): effect(cells.time, pair) for pair in pairs},
            "cells": {
                "".join(map(str, cell)): [int(cells.grokked[cell].sum()), float(cells.time[cell].mean())]
                for cell in itertools.product((0, 1), repeat=len(FACTORS))
            },
            "untrained": {name: times.share for name, times in frozen.items()},
            "untrained_at": {name: times.median for name, times in frozen.items()},
        },
        plot=picture(this, cells),
    )


def named(pair: tuple[int, ...]) -> str:
    """Two factors in words."""
    return " and ".join(FACTORS[i] for i in pair)


def options(this: Study) -> dict[str, object]:
    """What all sweeps have in common."""
    return dict(
        task="modular",
        preset="pizza",
        modulus=this["modulus"],
        d_model=this["d_model"],
        train_fraction=this["percent"] / 100,
    )


def factorial(this: Study) -> Cells:
    """All cells, in four programs."""
    grokked, time = np.zeros((2, *(2,) * len(FACTORS), this["seeds"]))
    for bias, uniform in itertools.product((0, 1), repeat=2):
        sweep = this.sweep(
            f"bias{bias}_uniform{uniform}",
            **options(this),
            unembed_bias=bool(bias),
            init=("normal", "uniform")[uniform],
            scale_W_E=[1.0, math.sqrt(this["d_model"])],
            weight_decay=[2.0, 0.01],
            warmup_steps=[10.0, 0.0],
            frozen=[0, freeze("W_in")],
        )
        times, hypers = until_right(sweep), sweep.hypers
        traced = [
            np.asarray(hypers.scale_W_E) > 1,
            np.asarray(hypers.weight_decay) < 1,
            np.asarray(hypers.warmup_steps) < 1,
            np.asarray(hypers.frozen) > 0,
        ]
        wide, slow, cold, held = (np.asarray(x, int) for x in traced)
        place = wide, bias, uniform, slow, cold, held, np.asarray(hypers.seed)
        grokked[place], time[place] = times.ended, times.time
    return Cells(grokked, time)


def untrained(this: Study) -> dict[str, statistics.Times]:
    """The runs in which one tensor is not trained, by its name; `none` trains all."""
    bits = {"none": 0} | {name: freeze(name) for name in FROZEN}
    sweep = this.sweep("frozen", **options(this), frozen=list(bits.values()))
    times, own = until_right(sweep), np.asarray(sweep.hypers.frozen)
    return {
        name: statistics.Times(times.time[own == held], times.ended[own == held])
        for name, held in bits.items()
    }


def until_right(sweep: Sweep) -> statistics.Times:
    """Steps to grokking of every run."""
    wrong = 1 - sweep.metrics["test_accuracy"][..., 0]
    return statistics.until_below(
        wrong, np.nextafter(1 - RIGHT, 1), steps=sweep.metrics["test_step"], smoothing=1
    )


def effect(values: Float[np.ndarray, "2 2 2 2 2 2 S"], factors: tuple[int, ...]) -> Interval:
    """The main effect of one factor, or the interaction of two, with its interval over seeds."""
    for axis in sorted(factors, reverse=True):
        values = np.diff(values, axis=axis).squeeze(axis)
    each = values.reshape(-1, values.shape[-1]).mean(0) / 2 ** (len(factors) - 1)
    return statistics.mean(each, 1 - 0.05 / len(FACTORS))


def why(cells: Cells, effects: dict[str, Interval]) -> Answer:
    """All six together against none, and which of them matter."""
    none, every = (cells.grokked[(level,) * len(FACTORS)] for level in (0, 1))
    first, last = (statistics.wilson(int(x.sum()), x.size) for x in (none, every))
    matter = [name for name, found in effects.items() if matters(found)]
    apart = first.low is not None and last.high is not None and last.high < first.low
    harmful = [name for name in matter if (effects[name].value or 0) < 0]
    return Answer(
        "003-06",
        "the models do not reach 100% validation accuracy. Why?",
        f"runs with a test accuracy of {RIGHT} or more, with none and with all six differences; main effects "
        "on the share, over all 64 cells",
        f"none: {counted(int(none.sum()), none.size)}; all: {counted(int(every.sum()), every.size)}; "
        + "; ".join(f"{name}: {said(found, '+.2f')}" for name, found in effects.items()),
        f"confirmed: by {', '.join(harmful)}"
        if harmful and apart
        else "open: no difference matters beyond its interval, or none and all are not apart; more --seeds "
        "or --steps would settle it",
    )


def matters(found: Interval) -> bool:
    """Whether an interval excludes 0."""
    return found.low is not None and found.high is not None and (found.low > 0 or found.high < 0)


def of_factors(effects: dict[str, Interval], cells: Cells) -> list[Answer]:
    """The notes' questions about single differences."""
    asked = {
        "embedding": ("003-07", "`nn.Embedding` initialises from N(0, 1)"),
        "bias": ("003-08", "`nn.Linear`: I also added a bias"),
        "uniform": ("003-09", "`nn.Linear` uses a uniform distribution"),
    }
    time = {name: effect(cells.time, (FACTORS.index(name),)) for name in asked}
    return [
        Answer(
            number,
            question,
            "main effect of this difference on the share of runs that grok, and on the steps until then (a "
            "run that does not grok counts with all)",
            f"{said(effects[name], '+.2f')}; {said(time[name], '+.0f')} steps",
            verdict(effects[name]),
        )
        for name, (number, question) in asked.items()
    ]


def verdict(found: Interval) -> str:
    """Whether a difference keeps runs from grokking."""
    if found.low is None or found.high is None:
        return "open: too few seeds"
    if found.high < 0:
        return "confirmed"
    if found.low > 0:
        return "refuted: it helps"
    within = max(-found.low, found.high) <= SMALL_EFFECT
    return "refuted: no effect" if within else "open: the interval is wide; more --seeds would settle it"


def of_tensors(frozen: dict[str, statistics.Times]) -> Answer:
    """Which tensor may be left untrained."""
    base = frozen["none"].share
    worse = [
        name
        for name, times in frozen.items()
        if base.low is not None and times.share.high is not None and times.share.high < base.low
    ]
    return Answer(
        "003-13",
        "forgetting to use nn.Parameter",
        "runs that grok with one tensor untrained, all else as published",
        "; ".join(
            f"{name}: {counted(int(times.ended.sum()), len(times.ended))}" for name, times in frozen.items()
        ),
        f"confirmed: without training {', '.join(worse)}"
        if worse
        else "open: no tensor's share is apart from that with all trained; more --seeds would settle it",
    )


def picture(this: Study, cells: Cells) -> figures.Plot:
    """Main effects on the diagonal, interactions beside it: of the share, and of the time."""
    size = range(len(FACTORS))
    table = lambda values, scale: (
        np.array([[effect(values, tuple(sorted({i, j}))).value or 0.0 for j in size] for i in size]) * scale
    )
    return figures.matrices(
        {
            "share of runs that grok (%)": table(cells.grokked, 100),
            f"time (% of {this['steps']} steps)": table(cells.time, 100 / this["steps"]),
        },
        rows="difference",
        columns="difference (diagonal: alone)",
        label="change (percentage points)",
        row_names=FACTORS,
        column_names=FACTORS,
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
