"""How often does a run of some width and number of heads learn a digit?

    python -m experiments.optimization.success_rates

The single runs published beside the notes, as shares of seeds.

Single-digit mode, 2 digits, answer digits --digits 0,1 (units, tens), --widths 4,16,64 with --heads 1,4,
--batch 256, no decay, --steps 3000, --seeds 8. A run has left ln 10 when the running median of its loss is
below 95% of it, and has learned the digit when it is below .05 nats. The largest width and number of heads is
trained in sequence mode as well, in both orders of the answer, for --sequence_steps 10000 and
--sequence_seeds 64, and asked all 10^4 problems at the end.

Time: 19 minutes on two cores; GPU: not measured. Changed after a first look: sequence mode had 3000 steps, at
which no run was there; that is no answer to whether it works.
"""

import bisect
import sys

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.study import Study
from experiments.optimization.learned_digits import NAMES, ORDERS, Cell, of_cell, of_order
from experiments.optimization.success_answers import on_cells, works
from grokjax import figures
from grokjax.curves import statistics
from grokjax.curves.statistics import Times

DEFAULTS: dict[str, study.Setting] = {
    "digits": (0, 1),
    "widths": (4, 16, 64),
    "heads": (1, 4),
    "batch": 256,
    "steps": 3000,
    "seeds": 8,
    "sequence_steps": 10000,
    "sequence_seeds": 64,
}
LARGE: dict[str, study.Setting] = {"seeds": 32, "sequence_seeds": 64}
SMALL: dict[str, study.Setting] = {
    "digits": (1,),
    "widths": (4,),
    "heads": (2,),
    "batch": 16,
    "steps": 20,
    "seeds": 2,
    "sequence_steps": 20,
    "sequence_seeds": 2,
}


def measure(this: Study) -> Finding:
    """The share of seeds that succeeds in every cell, and the largest model on all problems."""
    cells = [
        of_cell(this, digit, width, heads)
        for digit in this["digits"]
        for width in this["widths"]
        for heads in this["heads"]
    ]
    orders = {order: of_order(this, order) for order in ORDERS}
    return Finding(
        task="2-digit addition, one digit asked at `=` (and sequence mode for 000-02)",
        size=f"1 layer, widths {this['widths']}, heads {this['heads']}, batch {this['batch']}, rate 1e-3, "
        f"no decay, {this['steps']} steps; sequence mode {this['sequence_steps']} steps, "
        f"{this['sequence_seeds']} seeds",
        seeds=this.seeds,
        answers=[*on_cells(this, cells), works(this, orders)],
        numbers={
            "cells": [
                dict(
                    digit=c.digit,
                    width=c.width,
                    heads=c.heads,
                    left=c.left.share,
                    left_at=c.left.median,
                    learned=c.learned.share,
                    learned_at=c.learned.median,
                )
                for c in cells
            ],
            "sequence": {
                order: dict(
                    exact_match_of_all=statistics.mean(exact),
                    reached_99=times.share,
                    reached_99_at=times.median,
                )
                for order, (exact, times) in orders.items()
            },
        },
        plot=pictured(this, cells, {order: times for order, (_, times) in orders.items()}),
    )


def pictured(this: Study, cells: list[Cell], orders: dict[str, Times]) -> figures.Plot:
    """The shares of runs by width, a panel for each digit and what was done; when whole answers are right."""
    panels = {
        f"{NAMES[digit]} alone, {what}": {
            f"{heads} head{'s' * (heads > 1)}": points(cells, digit, heads, what) for heads in this["heads"]
        }
        for digit in this["digits"]
        for what in ("left ln 10", "learned")
    }
    whole = "all digits, 99% of answers right"
    xlabel = {**dict.fromkeys(panels, "width"), whole: "optimiser step"}
    panels[whole] = {order: by_step(times) for order, times in orders.items()}
    return figures.points(panels, xlabel=xlabel, ylabel="share of runs", xscale="log")


def by_step(times: Times) -> figures.Points:
    """The share of runs that are there, at the step of each of them."""
    steps = sorted(times.time[times.ended].tolist())
    return figures.Points(
        list(dict.fromkeys(steps)),
        [(bisect.bisect_right(steps, at) / len(times.time), None, None) for at in dict.fromkeys(steps)],
    )


def points(cells: list[Cell], digit: int, heads: int, what: str) -> figures.Points:
    """The shares of one line of a panel."""
    own = [cell for cell in cells if (cell.digit, cell.heads) == (digit, heads)]
    return figures.Points(
        [cell.width for cell in own],
        [(cell.left if what.startswith("left") else cell.learned).share for cell in own],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
