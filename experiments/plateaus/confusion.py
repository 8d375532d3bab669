"""What does a model answer to each true answer, over training?

    python -m experiments.plateaus.confusion

Mean probabilities from all inputs, a strip and an animation, and the noise.

The tens of 2-digit addition, single mode, --d_model 16 with 4 heads, --batch 256, --steps 3000, --seeds 8, no
weight decay; all 10^4 inputs at every snapshot. The noise of a set of problems is the rms deviation of its
matrix from that of all inputs, over --draws 20 sets of each of --sizes 128,512,2048; its contrast is the rms
deviation of the exact matrix from 1/10. The animations are in --runs.
Time: 155 s on two cores that others used too; GPU: not measured.

Found: from the descent on the mean matrix is a band of the true answer and its two cyclic neighbours, the
  errors of a missing and of a spurious carry. A set of 128 problems is too noisy everywhere: its noise is .45
  of the contrast at the start, .19 on the ln 2 shelf and .14 later, so the notes' batches were noisy on
  shelves most of all. 512 problems do from the shelf on, 2048 in the descent; all 10^4 are take one forward
  pass.
"""

import functools
import math
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import confusion
from grokjax.interp.addition import carry_free, evaluation_sets, predictions
from grokjax.run import Run

DEFAULTS: dict[str, study.Setting] = {
    "d_model": 16,
    "batch": 256,
    "steps": 3000,
    "seeds": 8,
    "draws": 20,
    "sizes": (128, 512, 2048),
}
SMALL: dict[str, study.Setting] = {
    "d_model": 8,
    "batch": 16,
    "steps": 50,
    "seeds": 2,
    "draws": 2,
    "sizes": (64,),
}
REGIMES = {"start": math.log(10), "descent": 1.4, "ln 2 shelf": math.log(2), "carries": 0.3}
"""A run is in a regime at the snapshot whose loss is nearest to this (nats)."""
PANELS = 6
CLEAR = 0.1
"""A picture is clear where its noise is at most this share of its contrast."""


def matrices(
    fixed: evaluation_sets.Problems,
    right: Int[np.ndarray, " B"],
    run: Run,
) -> tuple[Float[Array, ""], Float[Array, "V V"], Float[Array, "V V"]]:
    """The loss, the mean probabilities for each true answer, and the shares of the likeliest answers."""
    task = run.task
    log_probs = predictions.log_probabilities(run, fixed.tokens, task.digit)
    certain = jnp.where(jnp.arange(task.base) == log_probs.argmax(1)[:, None], 0.0, -jnp.inf)
    loss = -jnp.take_along_axis(log_probs, jnp.asarray(right)[:, None], 1).mean()
    return (
        loss,
        confusion.matrix(log_probs, jnp.asarray(right)),
        confusion.matrix(certain, jnp.asarray(right)),
    )


def noises(
    sets: Int[np.ndarray, "draws N"],
    right: Int[np.ndarray, " B"],
    fixed: evaluation_sets.Problems,
    run: Run,
) -> Float[Array, ""]:
    """The rms deviation of the matrices of sets of problems from that of all."""
    log_probs, labels = (
        predictions.log_probabilities(run, fixed.tokens, run.task.digit),
        jnp.asarray(right),
    )
    exact = confusion.matrix(log_probs, labels)
    each = jnp.stack([confusion.matrix(log_probs[rows], labels[rows]) for rows in jnp.asarray(sets)])
    return jnp.sqrt(jnp.nanmean((each - exact) ** 2))


def measure(this: Study) -> Finding:
    """The matrices of every run and snapshot, and how much of them is noise."""
    sweep = this.sweep(
        "single",
        mode="single",
        digits=2,
        digit=1,
        d_model=this["d_model"],
        batch=this["batch"],
        weight_decay=0,
        epoch_steps=50,
        save="every:1",
    )
    fixed, steps = evaluation_sets.every(sweep.task), [sweep.steps(epoch) for epoch in sweep.epochs]
    right = np.asarray(carry_free.digits(fixed, 10, 2)[:, 1])
    loss, means, certain = map_epochs(sweep, functools.partial(matrices, fixed, right))
    animate(this, means, steps)
    ratios, rows = of_regimes(this, sweep, fixed, right, loss, means)
    middle = np.median(loss, 1)
    kept = sorted(
        {
            int(np.abs(middle - nats).argmin())
            for nats in np.geomspace(middle[0], max(middle[-1], 0.01), PANELS)
        }
    )
    shown = np.concatenate([means.mean(1)[kept], certain.mean(1)[kept]])
    titles = [f"{kind} {steps[epoch]}" for kind in ("step", "argmax,") for epoch in kept]
    return Finding(
        task="tens of 2-digit addition, single mode",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, no decay, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=answers(this, ratios, rows, means, len(steps)),
        numbers={
            "noise_over_contrast": {
                name: {str(size): ratio for size, ratio in of.items()} for name, of in ratios.items()
            },
            "regimes": rows,
        },
        plot=figures.confusion(shown, titles),
    )


def animate(this: Study, means: Float[np.ndarray, "E S V V"], steps: list[int]) -> None:
    """An animation of every run, and of the mean over the seeds."""
    titles = [f"step {step}" for step in steps]
    for run in range(means.shape[1]):
        figures.confusion_animation(this.directory / f"run_{run}.gif", means[:, run], titles)
    figures.confusion_animation(this.directory / "mean.gif", means.mean(1), titles)


def of_regimes(
    this: Study,
    sweep: Sweep,
    fixed: evaluation_sets.Problems,
    right: np.ndarray,
    loss: Float[np.ndarray, "E S"],
    means: Float[np.ndarray, "E S V V"],
) -> tuple[dict[str, dict[int, statistics.Interval]], dict[str, Any]]:
    """For every regime the noise over the contrast by the size of the set, and the entropy of the rows."""
    random, runs = np.random.default_rng(0), np.arange(loss.shape[1])
    at = {name: np.abs(loss - nats).argmin(0) for name, nats in REGIMES.items()}
    chosen = {name: means[epochs, runs] for name, epochs in at.items()}
    contrast = {name: np.sqrt(((each - 0.1) ** 2).mean((1, 2))) for name, each in chosen.items()}
    noise: dict[str, dict[int, np.ndarray]] = {name: {} for name in REGIMES}
    for size in this["sizes"]:
        sets = np.stack([random.permutation(len(right))[:size] for _ in range(this["draws"])])
        function = functools.partial(noises, sets, right, fixed)
        epochs = sorted({int(epoch) for each in at.values() for epoch in each})
        found = map_epochs(sweep, function, [sweep.epochs[epoch] for epoch in epochs])
        for name, each in at.items():
            noise[name][size] = found[[epochs.index(int(epoch)) for epoch in each], runs]
    ratios = {
        name: {size: statistics.mean((values / contrast[name]).tolist()) for size, values in of.items()}
        for name, of in noise.items()
    }
    rows = {
        name: dict(
            contrast=statistics.mean(contrast[name].tolist()),
            row_entropy=statistics.mean(entropies(each).tolist()),
            loss=statistics.mean(loss[at[name], runs].tolist()),
        )
        for name, each in chosen.items()
    }
    return ratios, rows


def entropies(each: Float[np.ndarray, "S V V"]) -> Float[np.ndarray, " S"]:
    """The mean entropy (nats) of the rows of each matrix."""
    return -(each * np.log(np.maximum(each, 1e-30))).sum(-1).mean(-1)


def answers(
    this: Study,
    ratios: dict[str, dict[int, statistics.Interval]],
    rows: dict[str, Any],
    means: np.ndarray,
    num_shots: int,
) -> list[Answer]:
    """What it says to the notes."""
    built, smallest = "built: python -m experiments.plateaus.confusion", min(this["sizes"])
    value = lambda interval: math.inf if interval.value is None else interval.value
    noisy = {name: of[smallest] for name, of in ratios.items()}
    entropy = "; ".join(f"{name}: {said(x['row_entropy'], '.2f')}" for name, x in rows.items())
    enough = {
        name: next((str(size) for size in sorted(of) if value(of[size]) <= CLEAR), f"more than {max(of)}")
        for name, of in ratios.items()
    }
    noisy_in = [name for name, x in noisy.items() if value(x) > CLEAR]
    shares, sizes = (
        "; ".join(f"{name}: {said(x, '.2f')}" for name, x in noisy.items()),
        ", ".join(map(str, sorted(this["sizes"]))),
    )
    return [
        Answer(
            "001-32",
            "figured how to extract the data",
            "mean probability of each answer for each true one, all 10^4 inputs",
            f"{num_shots} snapshots of {means.shape[1]} runs",
            built,
        ),
        Answer(
            "001-33",
            "disappointingly noisy; maybe informative off the shelves",
            f"noise over contrast of a set of {smallest} problems, by regime; entropy of the rows (nats)",
            f"{shares}. Entropy {entropy}",
            f"confirmed: above {CLEAR:g} in {', '.join(noisy_in)}" if noisy_in else "refuted",
        ),
        Answer(
            "001-34",
            "per epoch; visualise it; visualise a time series",
            "strip of panels (the picture), animations of each run and of the mean",
            f"{means.shape[1] + 1} animations of {num_shots} frames",
            built,
        ),
        Answer(
            "001-35",
            "plot the average probability for each true answer",
            "upper row of the picture; the likeliest answers below it",
            "mean over runs",
            built,
        ),
        Answer(
            "001-36",
            "what is a good way to collect the data?",
            f"smallest of sets of {sizes} problems whose noise is at most {CLEAR:g} of the contrast; all "
            "10^4 have none",
            "; ".join(f"{name}: {size}" for name, size in enough.items()),
            built,
        ),
    ]


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
