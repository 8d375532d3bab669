"""Why does decoding from resid_mid fail: is the answer not there, or not where the unembedding looks?

    python -m experiments.mechanism.lenses

5-digit addition in sequence mode, most significant digit first: the runs of `experiments.frame.adder`,
--seeds 32. At each place the logit lens (W_U as it is) and the tuned lens (an affine map for each place and
answer digit, fitted on 3/4 of --size 4096 problems by L-BFGS, for every saved epoch by least squares), scored
on the rest; and where the class means of the answers lie to what W_U reads. The leading digit, which is 0 or
1, and the others are told apart. A lens closes the share (lens − guess) / (model − guess) of the way, where
the guess is always the most frequent answer. Intervals hold the errors of runs and of problems.
Time: 6 minutes on two cores, once the runs are trained; GPU: not measured.
"""

import sys
from typing import Any

import jax
import numpy as np

from experiments.frame import adder, study
from experiments.frame.finding import Finding
from experiments.frame.measured import of_each_column
from experiments.frame.study import Study
from experiments.mechanism.lens_answers import SHARE, failure, of_part, reason
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import lenses
from grokjax.interp.addition import evaluation_sets

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "size": 4096}
SMALL: dict[str, study.Setting] = {**adder.TINY, "size": 64}
LAST = "accuracy over training, mean of all answers"
"""A panel's title."""
YLABELS = (
    "share right, mean of runs",
    "nats, mean of runs",
    "share, mean of runs",
    "share right, mean of runs",
)


def measure(this: Study) -> Finding:
    """What each lens reads, at the end and over training."""
    sweep = adder.trained(this)
    drawn = evaluation_sets.drawn(sweep.task, this["size"], seed=1)
    batch, key = sweep.task.encode(drawn.a, drawn.b), jax.random.key(1)
    last = sweep.epochs[-1:]
    at_end = map_epochs(
        sweep,
        lambda run: (
            lenses.logit_lens(run, batch),
            lenses.tuned_lens(run, batch, key, share=SHARE),
            lenses.alignment(run, batch),
        ),
        last,
    )
    direct, tuned, lying = jax.tree.map(lambda x: np.asarray(x[0], float), at_end)
    training = map_epochs(
        sweep,
        lambda run: (
            lenses.logit_lens(run, batch).accuracy,
            lenses.translated(run, batch, key, share=SHARE).accuracy,
        ),
    )
    labels = np.asarray(batch.labels)
    guess = np.array([np.bincount(column).max() / len(column) for column in labels.T])
    panels, xlabel = pictured(sweep, direct, tuned, lying, training)
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"{this['layers']} layer, width {this['d_model']}, 4 heads, batch {this['batch']}, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=[
            failure(direct, guess, this["size"]),
            reason(direct, tuned, lying, guess, this["size"], (sweep.task.base - 1) / this["d_model"]),
        ],
        numbers=numbers(sweep, direct, tuned, lying, training),
        plot=figures.points(
            panels, xlabel=xlabel, ylabel=dict(zip(panels, YLABELS, strict=True)), sharey=False, joined=[LAST]
        ),
    )


def place(name: str) -> str:
    """The name of a place without its block, which is the only one."""
    return name.removeprefix("blocks.0.")


def pictured(
    sweep: Sweep, direct: lenses.Reading, tuned: lenses.Reading, lying: lenses.Alignment, training: tuple
) -> tuple[dict[str, dict[str, figures.Points]], dict[str, str]]:
    """The panels and their horizontal axes."""
    places = [place(name) for name in lenses.names(sweep.run(0))]
    digits = [str(digit) for digit in sweep.task.columns]
    steps = [sweep.steps(epoch) for epoch in sweep.epochs]
    by_digit = lambda reading, i, field: figures.Points(digits, of_each_column(getattr(reading, field)[:, i]))
    panels = {}
    for title, field in (("accuracy", "accuracy"), ("loss", "loss")):
        panels[title] = {f"logit lens, {name}": by_digit(direct, i, field) for i, name in enumerate(places)}
        panels[title] |= {
            f"tuned lens, {name}": by_digit(tuned, i, field) for i, name in enumerate(places[:-1])
        }
    panels["share of the answers' variance that W_U reads"] = {
        f"logit lens, {name}": figures.Points(digits, of_each_column(lying.share[:, i]))
        for i, name in enumerate(places)
    }
    over_training = lambda values, i: figures.Points(
        steps, [statistics.mean(of_part(epoch[:, i], "all")) for epoch in values]
    )
    panels[LAST] = {f"logit lens, {name}": over_training(training[0], i) for i, name in enumerate(places)}
    panels[LAST] |= {
        f"tuned lens, {name}": over_training(training[1], i) for i, name in enumerate(places[:-1])
    }
    return panels, {
        title: "optimiser step" if title == LAST else "answer digit, as written (0: units)"
        for title in panels
    }


def numbers(
    sweep: Sweep, direct: lenses.Reading, tuned: lenses.Reading, lying: lenses.Alignment, training: tuple
) -> dict[str, Any]:
    """Means over runs, answers in reading order."""
    places = [place(name) for name in lenses.names(sweep.run(0))]
    found: dict[str, Any] = {"digits": list(sweep.task.columns)}
    for name, reading in (("logit lens", direct), ("tuned lens", tuned)):
        found[name] = {
            where: {field: of_each_column(getattr(reading, field)[:, i]) for field in reading._fields}
            for i, where in enumerate(places)
        }
    found["share read by W_U"] = {where: of_each_column(lying.share[:, i]) for i, where in enumerate(places)}
    angles = lambda i: np.asarray(lying.angles, float)[:, i, 1:].mean(1).T
    found["principal angles to W_U (degrees)"] = {
        where: [statistics.mean(one) for one in angles(i)] for i, where in enumerate(places)
    }
    at = [sweep.steps(epoch) for epoch in sweep.epochs]
    found["accuracy by step"] = {
        f"{name}, {where}": {step: of_part(values[k][:, i], "all").mean() for k, step in enumerate(at)}
        for name, values in (("logit lens", training[0]), ("least-squares lens", training[1]))
        for i, where in enumerate(places)
    }
    return found


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
