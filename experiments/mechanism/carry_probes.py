"""Do attention and MLP compute the carries, and does a linear probe that reads them off show it?

    python -m experiments.mechanism.carry_probes

5-digit addition in sequence mode, most significant digit first: the runs of `experiments.frame.adder`,
--seeds 32. Probes for the carry into each column, at the position that predicts the answer digit of that
column, fitted on 3/4 of --size 4096 problems and scored on the rest: accuracy and control task with logistic
probes, correlation ratio (over training of --few 1024) and directions with least squares. Edits of --edits
1024 other problems. Columns of a run are averaged first; intervals hold the error of runs and of problems.

A carry is a linear threshold of the digits, so place-value weights on one-hot tokens, or attention that looks
the same way at every problem, allow a linear probe to be always right: accuracy cannot tell whether a carry
has been computed. The correlation ratio (how much of the variance of the probe's output lies between carry
and no carry) can: it is at most .667 for what is linear in the tokens, and 1 for a carry.

Directions of two sites are compared by the cosine of their probes (0 at random), by the correlation of their
outputs within the classes, which coordinates without variance do not touch, and by reading one site with the
other's probe, both ways.
Time: 4 minutes on two cores, once the runs are trained; GPU: not measured.
"""

import functools
import sys
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from experiments.frame import adder, study
from experiments.frame.finding import Finding
from experiments.frame.measured import of_each_column
from experiments.frame.study import Study
from experiments.mechanism import carry_answers, carry_reading
from experiments.mechanism.carry_directions import Compared, compare
from experiments.mechanism.carry_reading import HELD, SITES, SOURCES, Classes, Read
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp.addition import evaluation_sets

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "size": 4096, "few": 1024, "edits": 1024}
SMALL: dict[str, study.Setting] = {**adder.TINY, "size": 96, "few": 64, "edits": 32}
TRAINING = "over training"
"""A panel's title."""
YLABELS = {
    "accuracy": "balanced accuracy",
    "accuracy, sum of 9 below": "balanced accuracy",
    "correlation ratio": "correlation ratio",
    TRAINING: "correlation ratio",
    "within classes": "correlation of two probes",
    "edits": "share of answers turned",
}
"""Of each panel; all are means over runs but for `tokens, one-hot`."""


def measure(this: Study) -> Finding:
    """Probes in every place, what they share, and edits along them."""
    sweep = adder.trained(this)
    task, last = sweep.task, sweep.epochs[-1:]
    drawn = evaluation_sets.drawn(task, this["size"], seed=1)
    few = evaluation_sets.drawn(task, this["few"], seed=1)
    edited = evaluation_sets.drawn(task, this["edits"], seed=2)
    limit, of = carry_reading.of_tokens(sweep, drawn), carry_reading.classes(task, drawn)
    at_end = lambda function: jax.tree.map(lambda x: np.asarray(x[0]), map_epochs(sweep, function, last))
    reads, exact_match = at_end(functools.partial(carry_reading.read, drawn))
    compared = at_end(functools.partial(compare, drawn, edited))
    ratios = map_epochs(sweep, functools.partial(carry_reading.by_least_squares, few))
    panels = pictured(sweep, limit, reads, of, compared, ratios)
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"{this['layers']} layer, width {this['d_model']}, 4 heads, batch {this['batch']}, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=[
            *carry_answers.accuracies(reads, limit, of),
            carry_answers.extracted(reads, exact_match, compared, of, task.base),
            carry_answers.directions(compared, this["d_model"]),
        ],
        numbers=numbers(sweep, reads, of, compared, ratios),
        plot=figures.points(
            panels,
            xlabel={
                title: "optimiser step" if title == TRAINING else "column (0: units)" for title in panels
            },
            ylabel=YLABELS,
            sharey=False,
            joined=[TRAINING],
            levels={
                title: [("linear", carry_reading.linear_limit(task.base))]
                for title, label in YLABELS.items()
                if "ratio" in label
            },
        ),
    )


def whole(values: ArrayLike) -> statistics.Interval:
    """The mean over runs of the mean over columns."""
    of_run = np.asarray(values, float).mean(1)
    return statistics.mean(of_run[np.isfinite(of_run)])


def by_column(read: Read, of: Classes) -> dict[str, np.ndarray]:
    """The numbers of one place by column, [n], or [S, n] of runs."""
    return {
        "accuracy": carry_reading.balanced(read.right, of.carry),
        "accuracy, sum of 9 below": carry_reading.balanced(read.right, of.carry, of.propagates),
        "correlation ratio": carry_reading.ratios(read.margin, of.carry),
    }


def pictured(
    sweep: Sweep, limit: Read, reads: Read, of: Classes, compared: Compared, ratios: np.ndarray
) -> dict[str, dict[str, figures.Points]]:
    """The panels: what probes read off each place, at the end and over training, what the directions share,
    what edits do.
    """
    at, steps = list(carry_reading.columns(sweep.task)), [sweep.steps(epoch) for epoch in sweep.epochs]
    point = lambda values: figures.Points(at, of_each_column(values))
    exact = by_column(limit, of)
    found = {name: by_column(carry_answers.of_source(reads, name), of) for name in (HELD, *SITES)}
    panels = {
        title: {"tokens, one-hot": figures.Points(at, [(float(x), None, None) for x in values])}
        | {name: point(one[title]) for name, one in found.items()}
        for title, values in exact.items()
    }
    panels[TRAINING] = {
        site: figures.Points(steps, [whole(epoch[:, j]) for epoch in ratios]) for j, site in enumerate(SITES)
    }
    within = compared.whitened
    panels["within classes"] = {
        **{site: point(within[:, :, i, i]) for i, site in enumerate(SITES)},
        "resid_mid and resid_post": point((within[:, :, 0, 1] + within[:, :, 1, 0]) / 2),
    }
    panels["edits"] = {
        **{site: point(compared.turned[f"{site}, class means"].flipped) for site in SITES},
        "resid_mid, random direction": point(compared.turned["resid_mid, random"].flipped),
    }
    return panels


def numbers(sweep: Sweep, reads: Read, of: Classes, compared: Compared, ratios: np.ndarray) -> dict[str, Any]:
    """Means over runs, by column from 1 on."""
    found: dict[str, Any] = {
        name: {
            title: of_each_column(values)
            for title, values in by_column(carry_answers.of_source(reads, name), of).items()
        }
        for name in SOURCES
    }
    found["edits"] = {
        name: {field: whole(getattr(flips, field)) for field in flips._fields}
        for name, flips in compared.turned.items()
    }
    found["ratio by step"] = {
        site: {sweep.steps(epoch): whole(ratios[i, :, j]).value for i, epoch in enumerate(sweep.epochs)}
        for j, site in enumerate(SITES)
    }
    return found


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
