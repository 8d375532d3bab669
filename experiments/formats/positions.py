"""Which positional encoding learns addition, and which adds longer numbers than it was trained on?

    python -m experiments.formats.positions

Exact match on a grid of lengths.

Operands of 1 to --trained 5 digits in a format with room for --digits 8, --order msb and lsb, with and
without index hints; --layers 2, --d_model 64 with 4 heads, --batch 64, rate 3e-3, decay .1, --steps 2000,
--seeds 4, the same for every encoding. Exact match, teacher forced, of --size 200 problems for every pair of
operand lengths 1 … 8, the untrained ones included. Abacus (McLeish et al. 2024, arXiv:2405.17399) moves its
indices by up to 4 in training, so that all of them are trained; index hints are those of Zhou et al. 2023
(arXiv:2310.16028). A run has learned the trained lengths if its exact match at the longest of them is above
.5, and adds longer numbers if that one digit beyond is. Where no encoding does so in most runs, the setting
cannot show length generalisation, and the answers that ask for it are open. Changed after a review: an
encoding whose runs have not all learned the trained lengths is open, where it was refuted; Abacus and learned
positions are compared, units first, by Fisher's exact test; fewer than 8 runs have no interval.
Index hints most significant digit first (--cells 10), and no positions in that order (7), are left to the
larger size.
Time: 20 minutes on two cores.
"""

import functools
import sys

import numpy as np
from jaxtyping import Float

from experiments.formats.position_answers import FORMATS, answers, longest
from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import map_epochs
from grokjax.curves import statistics
from grokjax.interp.addition import length_generalization

DEFAULTS: dict[str, study.Setting] = {
    "digits": 8,
    "trained": 5,
    "layers": 2,
    "d_model": 64,
    "batch": 64,
    "steps": 2000,
    "seeds": 4,
    "size": 200,
    "cells": (0, 1, 2, 3, 4, 5, 6, 8, 9),
}
LARGE: dict[str, study.Setting] = {
    "layers": 3,
    "d_model": 128,
    "batch": 128,
    "steps": 8000,
    "seeds": 8,
    "cells": tuple(range(11)),
}
SMALL: dict[str, study.Setting] = {
    "digits": 2,
    "trained": 1,
    "layers": 1,
    "d_model": 8,
    "batch": 8,
    "steps": 20,
    "seeds": 2,
    "size": 4,
    "cells": (2, 7),
}
RATE = 3e-3
ENCODINGS = ("learned", "sinusoidal", "none", "rope", "abacus", "fire")
CELLS: dict[str, dict[str, str | bool]] = {
    **{f"lsb, {positions}": dict(order="lsb", positions=positions) for positions in ENCODINGS},
    **{
        f"msb, {positions}": dict(order="msb", positions=positions)
        for positions in ("learned", "none", "abacus")
    },
    **{
        f"{order} with hints, none": dict(order=order, positions="none", hints=True)
        for order in ("lsb", "msb")
    },
}
"""What is trained, numbered from 0 for --cells: the order of the answer, what tells places apart, and hints,
a token before each digit that names its column."""
DOWN = 0.1
"""A run is down where its mean loss over the digits (nats, median of 11 steps) is below this."""


def measure(this: Study) -> Finding:
    """Every cell's exact match by lengths, and when its loss was down."""
    grids, times = {}, {}
    for label, options in [list(CELLS.items())[cell] for cell in this["cells"]]:
        sweep = this.sweep(
            label.replace(", ", "_").replace(" ", "_"),
            task="addition",
            digits=this["digits"],
            lengths=tuple(range(1, this["trained"] + 1)),
            layers=this["layers"],
            d_model=this["d_model"],
            batch=this["batch"],
            learning_rate=RATE,
            weight_decay=0.1,
            max_offset=4,
            **options,
        )
        batch = length_generalization.problems(sweep.task, this["size"])
        grids[label] = map_epochs(
            sweep,
            functools.partial(length_generalization.exact_match, batch=batch),
            sweep.epochs[-1:],
        )[0]
        times[label] = statistics.until_below(sweep.metrics["loss"].mean(2), DOWN)
    return Finding(
        task=f"addition of operands of 1 to {this['trained']} digits in a format with room for "
        f"{this['digits']}, sequence mode",
        size=f"{this['layers']} layers, width {this['d_model']}, 4 heads, batch {this['batch']}, rate "
        f"{RATE:g}, decay .1, {this['steps']} steps",
        seeds=this.seeds,
        answers=answers(grids, times, this["trained"], this["steps"]),
        numbers={label: dict(exact_match=grid.mean(0).round(3)) for label, grid in grids.items()},
        plot=figures.points(
            pictured(grids),
            xlabel="digits of the longer operand",
            ylabel="exact match: mean, lowest and highest run",
            legend="positions",
        ),
    )


def pictured(grids: dict[str, Float[np.ndarray, "S n n"]]) -> dict[str, dict[str, figures.Points]]:
    """A panel for each format: means over runs, with the lowest and the highest run."""
    panels: dict[str, dict[str, figures.Points]] = {title: {} for title in FORMATS.values()}
    for label, grid in grids.items():
        format_, positions = label.split(", ")
        panels[FORMATS[format_]][positions] = figures.Points(
            list(range(1, grid.shape[1] + 1)), [(x.mean(), x.min(), x.max()) for x in longest(grid).T]
        )
    return {title: series for title, series in panels.items() if series}


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
