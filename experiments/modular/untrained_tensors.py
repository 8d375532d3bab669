"""Which tensors must be trained for modular addition to grok: one is left as drawn."""

import numpy as np

from experiments.frame.measured import count, share, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.modular.factorial import options, until_right
from grokjax.config import TENSORS, freeze
from grokjax.curves import statistics

FROZEN = (*TENSORS, "b_in", "b_out")
"""The tensors that are left untrained, one at a time."""


def untrained(this: Study) -> dict[str, statistics.Times]:
    """The runs in which one tensor is not trained, by its name; `none` trains all."""
    bits = {"none": 0} | {name: freeze(name) for name in FROZEN}
    sweep = this.sweep("frozen", **options(this), frozen=list(bits.values()))
    times, own = until_right(sweep), np.asarray(sweep.hypers.frozen)
    return {
        name: statistics.Times(times.time[own == held], times.ended[own == held])
        for name, held in bits.items()
    }


def of_tensors(frozen: dict[str, statistics.Times], steps: int) -> Result:
    """Which tensor may be left untrained."""
    base = frozen["none"].share
    alone = {name: times for name, times in frozen.items() if name != "none"}
    above = lambda end, least: end is not None and least is not None and end > least
    worse = [name for name, times in alone.items() if above(base.low, times.share.high)]
    fine = [name for name, times in alone.items() if above(times.share.low, 0.5)]
    words = {name: "all trained" if name == "none" else f"{name} untrained" for name in frozen}
    ended = {name: (int(times.ended.sum()), len(times.ended)) for name, times in frozen.items()}
    needed = "tensors without whose training fewer runs grok"
    return Result(
        "003-13",
        "Training of {worse} is needed: left at their initial values fewer runs grok; with all trained "
        "{none} do.",
        dict(worse=count(needed, len(worse), len(alone), "tensors"))
        | {name: share(f"runs that grok, {words[name]}", *counts) for name, counts in ended.items()}
        | {
            f"step_{name}": time(f"step of grokking, {words[name]}", times, steps)
            for name, times in frozen.items()
        },
        "Confirmed where without training some tensor fewer runs grok than with all trained, Wilson's "
        "intervals apart; refuted where without training any tensor more than half grok, interval above one "
        "half; else open.",
        f"confirmed: without training {', '.join(worse)}"
        if worse
        else "refuted"
        if len(fine) == len(alone)
        else "open: no tensor's share is apart from that with all trained; more --seeds would settle it",
        ["Intervals of 95% that lie apart are a test at about .005: ten tensors together stay near .05."],
    )
