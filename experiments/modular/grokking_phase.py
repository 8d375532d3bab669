"""Where in (training fraction, weight decay) does modular addition grok, when, and how late?

    python -m experiments.modular.grokking_phase

The preset of Nanda et al. at a size that two cores carry; all cells are one grid of runs.

--modulus 23, --d_model 64, --seeds 16, --steps 5000 full-batch steps.
--percents 50,70,90: of the table that is trained on;  --decays 0,1,2: weight decay, of AdamW at rate .001

A run has memorised at its first step with a training loss below .01 nats, and has grokked at its first with
such a test loss. The delay is the second over the first. A run that has not grokked by the last step counts
as "> T", never as missing.

Time: about 12 minutes on two cores, not yet measured; GPU: not measured. Found: not yet run at this size.
"""

import sys
from typing import NamedTuple

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Setting, Study
from grokjax import figures
from grokjax.curves import statistics

DEFAULTS: dict[str, Setting] = {
    "modulus": 23,
    "d_model": 64,
    "percents": (50, 70, 90),
    "decays": (0, 1, 2),
    "seeds": 16,
    "steps": 5000,
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
    """The runs of one training fraction (per cent) and weight decay."""

    percent: int
    decay: int
    memorised: statistics.Times
    grokked: statistics.Times

    @property
    def delays(self) -> np.ndarray:
        """Steps to grokking over steps to memorising, of the runs that did both."""
        both = self.memorised.ended & self.grokked.ended
        return self.grokked.time[both] / np.maximum(self.memorised.time[both], 1)

    @property
    def late(self) -> int:
        """How many runs grokked late."""
        return int((self.delays >= SEPARATED).sum())


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
                    delay=statistics.quantile(each.delays),
                    late=statistics.wilson(each.late, this["seeds"]),
                )
                for each in cells
            ]
        },
        plot=picture(this, cells),
    )


def cell(found, percent: int, decay: int) -> Cell:
    """The times of the runs of one cell; a loss that ends above SOLVED is censored at the last step."""
    grid = {name: np.asarray(getattr(found.hypers, name)) for name in ("train_fraction", "weight_decay")}
    own = np.isclose(grid["train_fraction"], percent / 100) & np.isclose(grid["weight_decay"], decay)
    train, test = (found.metrics[name][own][..., 0] for name in ("loss", "test_loss"))
    return Cell(
        percent,
        decay,
        statistics.until_below(train, SOLVED, smoothing=1),
        statistics.until_below(test, SOLVED, steps=found.metrics["test_step"], smoothing=1),
    )


def answers(this: Study, cells: list[Cell]) -> list[Answer]:
    """What the notes say about decay, fraction and separation, over cells."""
    runs, steps = this["seeds"], this["steps"]
    share = lambda chosen: (sum(int(each.grokked.ended.sum()) for each in chosen), runs * len(chosen))
    by_decay = {decay: share([c for c in cells if c.decay == decay]) for decay in this["decays"]}
    by_fraction = {percent: share([c for c in cells if c.percent == percent]) for percent in this["percents"]}
    best = max(cells, key=lambda each: each.late)
    clear = statistics.wilson(best.late, runs)
    return [
        Answer(
            "003-11",
            "It is important that the weight decay is 2, not 1e-2",
            f"runs with a test loss below {SOLVED} nats by step {steps}, over all fractions, by decay",
            "; ".join(f"decay {decay}: {counted(*count)}" for decay, count in by_decay.items()),
            verdict(by_decay[min(by_decay)], by_decay[max(by_decay)]),
        ),
        Answer(
            "003-15",
            "Nanda used 30% of the data, not 80%",
            "the same over all decays, by share of the table trained on",
            "; ".join(f"{percent}%: {counted(*count)}" for percent, count in by_fraction.items()),
            verdict(by_fraction[min(by_fraction)], by_fraction[max(by_fraction)]),
        ),
        Answer(
            "003-17",
            'grokking is "clearly separated from memorization, but … doesn\'t take too long"',
            f"runs that grok at {SEPARATED:g} times their memorising step or later, within {steps} steps, in "
            "the cell with most of them; median delay (times) and median step there",
            f"{best.percent}% and decay {best.decay}: {counted(best.late, runs)}; "
            f"{said(statistics.quantile(best.delays), '.1f')}; {said(best.grokked.median, '.0f')}",
            "confirmed" if clear.low is not None and clear.low > 0.5 else "refuted: in no cell for most runs",
        ),
    ]


def verdict(least: tuple[int, int], most: tuple[int, int]) -> str:
    """A knob matters where the intervals of the shares at its two ends lie apart, the larger end above."""
    low, high = statistics.wilson(*least), statistics.wilson(*most)
    if low.high is None or high.low is None or low.low is None or high.high is None:
        return "open: too few runs"
    if low.high < high.low:
        return "confirmed"
    return "refuted" if high.high < low.low else "open: the intervals overlap; more --seeds would settle it"


def picture(this: Study, cells: list[Cell]) -> figures.Plot:
    """Share, time and delay against the training fraction, a line for each decay."""
    shown = {
        "share that groks": lambda each: each.grokked.share,
        "median step of grokking": lambda each: each.grokked.median,
        "median delay (times)": lambda each: statistics.quantile(each.delays),
    }
    panels = {
        title: {
            f"decay {decay}": figures.Points(
                list(this["percents"]), [of(each) for each in cells if each.decay == decay]
            )
            for decay in this["decays"]
        }
        for title, of in shown.items()
    }
    return figures.points(panels, xlabel="trained on (% of the table)", ylabel="", sharey=False)


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
