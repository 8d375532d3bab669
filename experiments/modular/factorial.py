"""Six differences from the published setting of modular addition: runs of every combination, and effects."""

import itertools
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.frame.study import Study
from grokjax.checkpoints import Sweep
from grokjax.config import freeze
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval

FACTORS = ("embedding", "bias", "uniform", "small decay", "no warm-up", "W_in untrained")
DECAYS = 2.0, 0.01
"""Weight decay as published, and as in the notes: `small decay`."""
DECAY = FACTORS.index("small decay")
RIGHT = 0.99
"""The test accuracy at which a run has grokked."""


class Cells(NamedTuple):
    """The runs of every cell: whether they grokked, and the steps until then, [2, 2, 2, 2, 2, 2, S].

    An axis is a factor in the order of FACTORS: 0 as published, 1 as in the notes.
    """

    grokked: Float[np.ndarray, "2 2 2 2 2 2 S"]
    time: Float[np.ndarray, "2 2 2 2 2 2 S"]


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
            weight_decay=list(DECAYS),
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


def until_right(sweep: Sweep) -> statistics.Times:
    """Steps to grokking of every run."""
    wrong = 1 - sweep.metrics["test_accuracy"][..., 0]
    return statistics.until_below(
        wrong, np.nextafter(1 - RIGHT, 1), steps=sweep.metrics["test_step"], smoothing=1
    )


def effect(values: Float[np.ndarray, "2 2 2 2 2 2 S"], factors: tuple[int, ...]) -> Interval:
    """The main effect of one factor, or the interaction of two, with its interval over seeds; those of other
    factors than the decay at the published decay, since where no run groks nothing can change.
    """
    if DECAY not in factors:
        values = values.take([0], axis=DECAY)
    for axis in sorted(factors, reverse=True):
        values = np.diff(values, axis=axis).squeeze(axis)
    each = values.reshape(-1, values.shape[-1]).mean(0) / 2 ** (len(factors) - 1)
    return statistics.mean(each, 1 - 0.05 / len(FACTORS))


def of_decay(values: Float[np.ndarray, "2 2 2 2 2 2 S"], small: int) -> Float[np.ndarray, "32 S"]:
    """The cells with the published decay (0) or the small one (1)."""
    return values.take(small, axis=DECAY).reshape(-1, values.shape[-1])
