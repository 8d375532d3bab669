"""Why does the shelf of the tens lie above its exact level h(.45) = .68814?

    python -m experiments.plateaus.tens_excess

Leak, miscalibration and spread, by width, rate and batch, and with weights averaged.

The tens of 2 digits in single mode, 4 heads, no weight decay, --seeds 16, --steps 3000: --widths 16,64,128
at --rates 100,300,1000 (millionths) and --batch 256; the middle width at the highest rate with --batches
64,1024 as well. Every run that leaves ln 10 counts, not those alone that rest: it is looked at in all
snapshots (each 25 steps) after that in which its training loss is between .62 and .85. There all 10^4
problems are scored, and once with the mean of the snapshots' weights. The excess is a sum of three parts,
of which two can be negative; the leak is −ln of the mass on the two candidates and cannot, so it counts
from .01 nats on.
Time: 18 minutes on two cores; GPU: not measured.

Changed after a first look: width 16 alone, and the half of its runs that had a shelf, said little of the
note's width.
"""

import sys

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.plateaus import excess_answers, tens_answers
from experiments.plateaus.tens_level import PARTS, Cell, cell, row
from grokjax import figures
from grokjax.curves import statistics

DEFAULTS: dict[str, study.Setting] = {
    "widths": (16, 64, 128),
    "rates": (100, 300, 1000),
    "batch": 256,
    "batches": (64, 1024),
    "steps": 3000,
    "seeds": 16,
}
SMALL: dict[str, study.Setting] = {
    "widths": (8,),
    "rates": (1000,),
    "batch": 16,
    "batches": (32,),
    "steps": 60,
    "seeds": 2,
}
LARGE: dict[str, study.Setting] = {"seeds": 64, "steps": 6000}


def measure(this: Study) -> Finding:
    """The level at every setting."""
    cells = [one for width in this["widths"] for one in of_width(this, width)]
    middle = this["widths"][len(this["widths"]) // 2]
    cells += [one for batch in this["batches"] for one in of_width(this, middle, batch)]
    panels = {
        f"width {width}": {
            name.replace("_", " "): figures.Points(
                [f"{one.rate:g}, {one.batch}" for one in cells if one.width == width],
                [statistics.mean(one.along[name].tolist()) for one in cells if one.width == width],
            )
            for name in PARTS
        }
        for width in this["widths"]
    }
    return Finding(
        task="2-digit addition, single-digit mode, tens",
        size=f"1 layer, widths {this['widths']}, 4 heads, batch {this['batch']}, no decay, {this['steps']} "
        f"steps",
        seeds=this.seeds,
        answers=answers(cells),
        numbers={one.name: row(one) for one in cells},
        plot=figures.points(
            panels,
            xlabel="learning rate, batch",
            ylabel="nats above h(.45), and their parts",
            joined=False,
        ),
    )


def of_width(this: Study, width: int, batch: int | None = None) -> list[Cell]:
    """The cells of a width: every rate at the usual batch, or the highest rate at another one."""
    rates = [rate / 1e6 for rate in (this["rates"] if batch is None else this["rates"][-1:])]
    size = batch or this["batch"]
    sweep = this.sweep(
        f"width_{width}_batch_{size}",
        mode="single",
        digits=2,
        digit=1,
        d_model=width,
        weight_decay=0,
        epoch_steps=25,
        save="every:1",
        batch=size,
        learning_rate=rates,
    )
    of = np.asarray(sweep.hypers.learning_rate)
    return [cell(sweep, width, rate, size, np.flatnonzero(np.isclose(of, rate))) for rate in rates]


def answers(cells: list[Cell]) -> list[Result]:
    """What the level says to the notes, first at the largest width and the highest rate."""
    usual = [one for one in cells if one.batch == cells[0].batch]
    top = max(usual, key=lambda one: (one.width, one.rate))
    return [
        excess_answers.above_exact(cells, top),
        tens_answers.at_log_20_9(cells, top),
        tens_answers.both_strata_exactly(),
        tens_answers.strata_measured(top),
        tens_answers.predicted(top),
        tens_answers.alike(top),
        tens_answers.as_noted(cells, top),
        excess_answers.parts_of_excess(cells, top),
        excess_answers.more_with_carry(top),
        excess_answers.noise_of_a_batch(top),
    ]


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
