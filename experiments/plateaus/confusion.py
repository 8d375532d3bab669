"""What does a model answer to each true answer, over training?

    python -m experiments.plateaus.confusion

Mean probabilities from all inputs, a strip and an animation, and the noise.

The tens of 2-digit addition, single mode, --d_model 16 with 4 heads, --batch 256, --steps 3000, --seeds 16,
no weight decay; all 10^4 inputs at every snapshot. The noise of a set of problems is the rms deviation of its
matrix from that of all inputs, over --draws 20 sets of each of --sizes 128,512,2048; its contrast is the rms
deviation of the exact matrix from 1/10. Each run is looked at where its loss is nearest to ln 10, 1.4, ln 2
and .3. The animations are in --runs.
Time: 155 s on two cores for 8 seeds; GPU: not measured.
"""

import functools
import sys

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import exact, mean
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.plateaus import confusion_noise
from grokjax import figures
from grokjax.checkpoints import map_epochs
from grokjax.curves import statistics
from grokjax.interp import confusion
from grokjax.interp.addition import carry_free, evaluation_sets, predictions
from grokjax.run import Run

DEFAULTS: dict[str, study.Setting] = {
    "d_model": 16,
    "batch": 256,
    "steps": 3000,
    "seeds": 16,
    "draws": 20,
    "sizes": (128, 512, 2048),
}
LARGE: dict[str, study.Setting] = {"d_model": 64, "seeds": 32}
SMALL: dict[str, study.Setting] = {
    "d_model": 8,
    "batch": 16,
    "steps": 50,
    "seeds": 2,
    "draws": 2,
    "sizes": (64,),
}
OFF_SHELVES = (("start", "descent"), ("ln 2 shelf", "carries"))
"""A shelf, and what comes after it."""
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
    ratios, rows = confusion_noise.of_regimes(this, sweep, fixed, right, loss, means)
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
        answers=answers(this, ratios, means, len(steps)),
        numbers={
            "noise_over_contrast": {
                name: {str(size): statistics.mean(ratio) for size, ratio in of.items()}
                for name, of in ratios.items()
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


def answers(this: Study, ratios: confusion_noise.Ratios, means: np.ndarray, num_shots: int) -> list[Result]:
    """What it says to the notes."""
    built = "built: python -m experiments.plateaus.confusion"
    runs = means.shape[1]
    shots = exact("snapshots of every run", num_shots, "")
    return [
        Result(
            "001-32",
            "The mean probability of each answer is computed for each true one over all 10⁴ inputs, at "
            "{shots} snapshots.",
            dict(shots=shots),
            "Built if the matrices of all inputs are computed for every saved epoch of every run.",
            built,
        ),
        noisy(ratios, min(this["sizes"])),
        Result(
            "001-34",
            "A strip of panels, and {animations} animations: one of each run, one of their mean.",
            dict(animations=exact("animations", runs + 1, ""), shots=shots),
            "Built if one command draws the strip and an animation of every run and of the mean.",
            built,
        ),
        Result(
            "001-35",
            "Drawn for {shots} snapshots, the average above and the likeliest answers below.",
            dict(shots=shots),
            "Built if both versions are drawn from the same problems.",
            built,
        ),
        how_many(ratios, this["sizes"], built),
    ]


def noisy(ratios: confusion_noise.Ratios, size: int) -> Result:
    """001-33."""
    key = lambda name: name.replace(" ", "_")
    rows = {
        key(name): mean(f"noise over contrast of {size} problems, {name}", of[size], "")
        for name, of in ratios.items()
    }
    gaps = {
        f"gap_{key(shelf)}": mean(
            f"{shelf} less {after}, same run, {size} problems", ratios[shelf][size] - ratios[after][size], ""
        )
        for shelf, after in OFF_SHELVES
    }
    on_shelf = rows["ln_2_shelf"]
    loud = on_shelf.low is not None and on_shelf.low > CLEAR
    clear = all(row.low is not None and row.low > 0 for row in gaps.values())
    sure = on_shelf.low is not None
    return Result(
        "001-33",
        f"The noise of a {size}-problem set is {{ln_2_shelf}} of the contrast on the ln 2 shelf, "
        "{carries} after it.",
        rows | gaps,
        f"Noisy: confirmed if on the ln 2 shelf a set of {size} has noise above {CLEAR} of the contrast "
        "(whole interval). More informative off shelves: confirmed if both shelves are noisier than what "
        "follows them, run by run (whole intervals).",
        "open: one run has no interval; more seeds would tell"
        if not sure
        else "confirmed"
        if loud and clear
        else "refuted"
        if not loud and not clear
        else f"mixed: {'confirmed' if loud else 'refuted'} that it is noisy, "
        f"{'confirmed' if clear else 'refuted'} that it is less so off shelves",
    )


def how_many(ratios: confusion_noise.Ratios, sizes: tuple[int, ...], built: str) -> Result:
    """001-36: noise falls with the root of the number of problems, so one size gives the number that is
    needed.
    """
    size = sorted(sizes)[len(sizes) // 2]
    needed = {name: size * (of[size] / CLEAR) ** 2 for name, of in ratios.items()}
    rows = {
        name.replace(" ", "_"): mean(
            f"problems for noise of {CLEAR:g} of the contrast, {name}", x, "problems"
        )
        for name, x in needed.items()
    }
    rows |= {
        f"ratio_{i}_{size}": mean(f"noise over contrast of {size} problems, {name}", x, "")
        for i, (name, of) in enumerate(ratios.items())
        for size, x in of.items()
    }
    return Result(
        "001-36",
        "All inputs where they can be enumerated; else {descent} in the descent, {ln_2_shelf} on the shelf.",
        rows,
        f"Built if the number of problems is told at which a matrix has noise of {CLEAR:g} of its contrast.",
        built,
        [f"From the noise of {size} problems, which falls with the root of their number; the rows show it."],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
