"""Why does decoding from resid_mid fail: is the answer not there, or not where the unembedding looks?

    python -m experiments.mechanism.lenses

5-digit addition in sequence mode, most significant digit first: the runs of `experiments.frame.adder`,
--seeds 16. At each place the logit lens (W_U as it is) and the tuned lens (an affine map for each place and
answer digit, fitted on 3/4 of --size 4096 problems by L-BFGS, for every saved epoch by least squares), scored
on the rest; and where the class means of the answers lie to what W_U reads.
Time: 8 min on two cores that others used too; GPU: not measured.

Found: below the leading digit the logit lens is right at resid_mid in .110 of the cases (guessing .1), with a
  loss above guessing's (3.5 to 4.2 nats). W_U does look elsewhere: it reads .067 of the variance between the
  answers there, no more than a random direction would (.070), and .93 at resid_post. But that is not why: the
  tuned lens, in the best basis, is right in .36 of the cases, which closes .28 of the gap to the model's
  .992. The sum mod 10 is not there before the MLP. The leading digit, a threshold, is (.991), and digit 4 in
  part (.66).
"""

import sys
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from experiments.frame import adder, study
from experiments.frame.finding import Answer, Finding, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import lenses
from grokjax.interp.addition import evaluation_sets

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "size": 4096}
SMALL: dict[str, study.Setting] = {**adder.TINY, "size": 64}
SHARE = 0.75
"""Of the problems, for the tuned lens to be fitted on."""
MID = 1
"""The place of resid_mid of the first layer among `lenses.names(run)`."""


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
    direct, tuned, lying = jax.tree.map(lambda x: x[0], at_end)
    training = map_epochs(
        sweep,
        lambda run: (
            lenses.logit_lens(run, batch).accuracy,
            lenses.translated(run, batch, key, share=SHARE).accuracy,
        ),
    )
    panels, xlabel = pictured(sweep, direct, tuned, lying, training)
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"{this['layers']} layer, width {this['d_model']}, 4 heads, batch {this['batch']}, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=answers(sweep, direct, tuned, lying),
        numbers=numbers(sweep, direct, tuned, lying, training),
        plot=figures.points(panels, xlabel=xlabel, ylabel="", sharey=False),
    )


def place(name: str) -> str:
    """The name of a place without its block, which is the only one."""
    return name.removeprefix("blocks.0.")


def each(values: ArrayLike) -> list[statistics.Interval]:
    """The mean over runs of each answer."""
    return [statistics.mean(column[np.isfinite(column)]) for column in np.asarray(values, float).T]


def below_leading(values: ArrayLike) -> Float[np.ndarray, " S"]:
    """Each run's mean over all answers but the first, which has two values only."""
    return np.asarray(values, float)[:, 1:].mean(1)


def pictured(
    sweep: Sweep, direct: lenses.Reading, tuned: lenses.Reading, lying: lenses.Alignment, training: tuple
) -> tuple:
    """The panels and their horizontal axes."""
    places, digits = [place(name) for name in lenses.names(sweep.run(0))], list(sweep.task.columns)
    steps = [sweep.steps(epoch) for epoch in sweep.epochs]
    by_digit = lambda reading, i, field: figures.Points(digits, each(getattr(reading, field)[:, i]))
    panels = {}
    for title, field in (("accuracy", "accuracy"), ("loss (nats)", "loss")):
        panels[title] = {f"logit lens, {name}": by_digit(direct, i, field) for i, name in enumerate(places)}
        panels[title] |= {
            f"tuned lens, {name}": by_digit(tuned, i, field) for i, name in enumerate(places[:-1])
        }
    panels["share of the answers' variance that W_U reads"] = {
        f"logit lens, {name}": figures.Points(digits, each(lying.share[:, i]))
        for i, name in enumerate(places)
    }
    over_training = lambda values, i: figures.Points(
        steps, [statistics.mean(below_leading(epoch[:, i])) for epoch in values]
    )
    last = "accuracy over training, leading digit left out"
    panels[last] = {f"logit lens, {name}": over_training(training[0], i) for i, name in enumerate(places)}
    panels[last] |= {
        f"tuned lens, {name}": over_training(training[1], i) for i, name in enumerate(places[:-1])
    }
    return panels, {title: "step" if title == last else "answer digit (units 0)" for title in panels}


def numbers(
    sweep: Sweep, direct: lenses.Reading, tuned: lenses.Reading, lying: lenses.Alignment, training: tuple
) -> dict[str, Any]:
    """Means over runs, answers in reading order."""
    places = [place(name) for name in lenses.names(sweep.run(0))]
    found: dict[str, Any] = {"digits": list(sweep.task.columns)}
    for name, reading in (("logit lens", direct), ("tuned lens", tuned)):
        found[name] = {
            where: {field: each(getattr(reading, field)[:, i]) for field in reading._fields}
            for i, where in enumerate(places)
        }
    found["share read by W_U"] = {where: each(lying.share[:, i]) for i, where in enumerate(places)}
    angles = lambda i: np.asarray(lying.angles, float)[:, i, 1:].mean(1).T
    found["principal angles to W_U (degrees)"] = {
        where: [statistics.mean(one) for one in angles(i)] for i, where in enumerate(places)
    }
    at = [sweep.steps(epoch) for epoch in sweep.epochs]
    found["accuracy by step"] = {
        f"{name}, {where}": {step: below_leading(values[k][:, i]).mean() for k, step in enumerate(at)}
        for name, values in (("logit lens", training[0]), ("least-squares lens", training[1]))
        for i, where in enumerate(places)
    }
    return found


def answers(
    sweep: Sweep, direct: lenses.Reading, tuned: lenses.Reading, lying: lenses.Alignment
) -> list[Answer]:
    """What it says to the notes."""
    base = sweep.task.base
    listed = lambda values, form: ", ".join(said(x, form) for x in each(values))
    accuracy = statistics.mean(below_leading(direct.accuracy[:, MID]))
    model, elsewhere = below_leading(direct.accuracy[:, -1]), below_leading(tuned.accuracy[:, MID])
    closed = statistics.mean(
        (elsewhere - below_leading(direct.accuracy[:, MID]))
        / (model - below_leading(direct.accuracy[:, MID]) + 1e-9)
    )
    share = {
        where: said(statistics.mean(below_leading(lying.share[:, i])), ".3f")
        for i, where in ((MID, "resid_mid"), (-1, "resid_post"))
    }
    chance = (base - 1) / sweep.config.d_model
    return [
        Answer(
            "002-08",
            "Decode from resid_mid: Model completely fails",
            "logit lens at resid_mid, answer digits from the leading one on: accuracy; loss (nats); "
            "accuracy of the model",
            f"{listed(direct.accuracy[:, MID], '.3f')}; {listed(direct.loss[:, MID], '.2f')}; "
            f"{listed(direct.accuracy[:, -1], '.3f')}",
            failure(accuracy, base),
        ),
        Answer(
            "002-09",
            "probably because resid_mid is not aligned with the unembedding space",
            "below the leading digit: accuracy of the logit lens, of the tuned lens at resid_mid, of the "
            "model; how much of the gap the "
            "tuned lens closes; share of the variance between the answers' class means that W_U reads, at "
            "resid_mid, at resid_post "
            f"(random {chance:.3f})",
            f"{said(accuracy, '.3f')}, {said(statistics.mean(elsewhere), '.3f')}, "
            f"{said(statistics.mean(model), '.3f')}; "
            f"{said(closed, '.2f')}; {share['resid_mid']}, {share['resid_post']}",
            reason(closed),
        ),
    ]


def failure(accuracy: statistics.Interval, base: int) -> str:
    """The verdict on whether nothing can be decoded: no more than twice as often right as guessing is."""
    if accuracy.low is None or accuracy.high is None:
        return "open: too few runs to tell"
    return (
        "confirmed: below twice the rate of guessing"
        if accuracy.high < 2 / base
        else "refuted: above twice the rate of guessing"
        if accuracy.low > 2 / base
        else "open: at about twice the rate of guessing"
    )


def reason(closed: statistics.Interval) -> str:
    """The verdict on whether another basis is the reason."""
    if closed.low is None or closed.high is None:
        return "open: too few runs to tell"
    return (
        "confirmed: most of the answer is there, elsewhere than W_U looks"
        if closed.low > 0.5
        else "refuted: most of the answer is nowhere to be read linearly, in any basis"
        if closed.high < 0.5
        else "open: about half of the answer is there, elsewhere than W_U looks"
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
