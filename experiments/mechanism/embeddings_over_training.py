"""Do the embeddings of the digits become number-shaped, a line or a circle, and when?

    python -m experiments.mechanism.embeddings_over_training

PCA, Fourier spectra and R² over training.

The shared runs of n-digit addition (`experiments.frame.adder`: --digits 5, 1 layer, --d_model 128, --batch
256, --steps 2500, --seeds 32), at 13 saved epochs: W_E of the digits, and W_E W_V W_O of all heads together
(OV), each against --draws 499 permutations of the digits. R² says how well a digit's place on a line, or on a
circle of a frequency, is read off its row by a fit to the other nine. A run has structure where the tests of
the line and of all circles together give p ≤ .05; chance gives it to one run in twenty, and so do the same
runs before training. A line and the circle of frequency 1 count as alike within an R² of .05. Animations lie
in --runs.
Time: a quarter of a minute on two cores, once the runs are trained; GPU: not measured.
"""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.frame import adder, study
from experiments.frame.bounds import above, below, within
from experiments.frame.finding import Finding
from experiments.frame.measured import exact, interval, mean, share, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.mechanism.digit_shapes import LEVEL, MATRICES, Shapes, both, onset, shapes, stands_out
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import pca

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "draws": 499}
SMALL: dict[str, study.Setting] = {**adder.TINY, "draws": 19}
LEFT = 2.0
"""A digit has left its first levels, ln 10 and 2.11, where its loss (nats, median of 11 steps) is below this.
"""
ALIKE = 0.05
"""Two R² within this of each other count as equal."""
PANELS, SPECTRA = 5, ("mean spectrum of W_E", "mean spectrum of W_E W_V W_O (OV)")


def measure(this: Study) -> Finding:
    """The shapes at every saved epoch of every run."""
    sweep = adder.trained(this)
    rows = map_epochs(sweep, both)
    everything = shapes(this["draws"], rows)
    found = {name: everything.of(matrix) for matrix, name in enumerate(MATRICES)}
    steps = np.array([sweep.steps(epoch) for epoch in sweep.epochs])
    frames, titles = moved(this, rows[:, :, 0], steps)
    shown = np.unique(np.linspace(0, len(steps) - 1, min(PANELS, len(steps))).round().astype(int))
    power = [np.asarray(found[name].power.value.mean(1)) for name in MATRICES]
    spectra = dict(zip(SPECTRA, power, strict=True))
    lines = {
        f"{name}, {kind}": np.asarray(found[name].structure.value[:, :, k].mean(1))
        for name in MATRICES
        for k, kind in enumerate(("line", "circle"))
    }
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=[pattern(found["W_E"]), over_epochs(sweep, found, steps), number_shaped(found, steps)],
        numbers={
            name: {str(step): row(found[name], epoch) for epoch, step in enumerate(steps)}
            for name in MATRICES
        },
        plot=figures.orbits(
            frames,
            titles,
            shown=shown.tolist(),
            spectra=spectra,
            lines={"R² of a left-out digit, mean of runs": lines},
            xlabel="component 1 of W_E, seed 0 (grey: digits in order; coloured: their ways so far)",
            ylabel="component 2",
        ),
    )


def moved(
    this: Study, rows: Float[np.ndarray, "E S base base"], steps: np.ndarray
) -> tuple[Float[np.ndarray, "E V 2"], list[str]]:
    """The digits of the first run on its first two components at every epoch, none flipped; animations of a
    few runs.
    """
    titles = [f"step {step}" for step in steps]
    frames = np.asarray(jax.vmap(pca.orbits, 1)(jnp.asarray(rows)).scores)
    this.directory.mkdir(parents=True, exist_ok=True)
    for run in range(min(4, len(frames))):
        figures.orbits_animation(this.directory / f"run_{run}.gif", frames[run], titles)
    return frames[0], titles


def row(shape: Shapes, epoch: int) -> dict[str, Any]:
    """The numbers of one matrix at one epoch."""
    names = ("line", *(f"circle {k}" for k in range(1, 4)))
    runs = shape.variance.shape[1]
    return dict(
        r2={
            name: statistics.mean(np.asarray(shape.structure.value[epoch, :, k]))
            for k, name in enumerate(names)
        },
        circularity=statistics.mean(np.asarray(shape.circularity.value[epoch, :, 0])),
        variance_of_two=statistics.mean(np.asarray(shape.variance[epoch, :, :2].sum(1))),
        stands_out={
            kind: statistics.wilson(stands_out(getattr(shape, kind), epoch), runs)
            for kind in ("structure", "power", "circularity")
        },
    )


def pattern(W_E: Shapes) -> Result:
    """002-10."""
    runs = W_E.variance.shape[1]
    counted = lambda name, tested, epoch: share(
        f"runs in which {name} {'at the end' if epoch else 'before training'}",
        stands_out(tested, epoch),
        runs,
    )
    rows = dict(
        power=counted("a frequency stands out", W_E.power, -1),
        circle=counted("the circularity stands out", W_E.circularity, -1),
        power_before=counted("a frequency stands out", W_E.power, 0),
        circle_before=counted("the circularity stands out", W_E.circularity, 0),
        chance=exact("share of runs that chance gives", LEVEL, ""),
        circularity=mean("circularity at the end", np.asarray(W_E.circularity.value)[-1, :, 0], ""),
        circularity_before=mean(
            "circularity before training", np.asarray(W_E.circularity.value)[0, :, 0], ""
        ),
        two=mean("variance along two components at the end", W_E.variance[-1, :, :2].sum(1), ""),
        two_before=mean("variance along two components before training", W_E.variance[0, :, :2].sum(1), ""),
    )
    visible = {"a frequency": rows["power"], "a circle": rows["circle"]}
    there = [name for name, one in visible.items() if above(one, 0.5)]
    absent = [name for name, one in visible.items() if below(one, 0.5)]
    return Result(
        "002-10",
        "A Fourier frequency stands out of the digits' embeddings in {power}; their two main components hold "
        "{two} of the variance.",
        rows,
        f"Stands out: permutation p ≤ {LEVEL:g}. Visible if it does in more than half of the runs (Wilson's "
        "whole interval): confirmed if a frequency and a circle both are, refuted if both are in fewer than "
        "half.",
        "confirmed"
        if len(there) == 2
        else "refuted"
        if len(absent) == 2
        else f"mixed: confirmed of {' and '.join(there)}, not of the other"
        if there
        else "open: about half of the runs show it; more runs would tell",
        ["Two components hold less of all variance than of what was learned: the start is still there."],
    )


def over_epochs(sweep: Sweep, found: dict[str, Shapes], steps: np.ndarray) -> Result:
    """002-11: when structure is there, beside the exits."""
    loss, last = sweep.metrics["loss"], float(steps[-1])
    digits = [statistics.until_below(loss[:, :, digit], LEFT) for digit in range(sweep.task.num_digits)]
    time_of, ended = np.stack([one.time for one in digits]), np.stack([one.ended for one in digits])
    first = statistics.Times(time_of.min(0), np.asarray(ended.any(0)))
    final = statistics.Times(time_of.max(0), np.asarray(ended.all(0)))
    onsets = {name: onset(found[name].structure, steps) for name in MATRICES}
    # the onset is known to a saved epoch: no run is at step 0
    at_least = statistics.Times(
        np.maximum(onsets["W_E"].time, steps[min(1, len(steps) - 1)]), onsets["W_E"].ended
    )
    ratios = {
        name: statistics.paired_ratio(at_least, exit_) for name, exit_ in (("first", first), ("last", final))
    }
    return Result(
        "002-11",
        "W_E is number-shaped from {W_E} on, what the heads write from {OV} on.",
        dict(
            **{
                name: time(f"structure of {name} exceeds chance from then on", one, last)
                for name, one in onsets.items()
            },
            first=time("the first digit leaves its first level", first, last),
            last=time("the last digit leaves its first level", final, last),
            **{
                f"to_{name}": interval(
                    f"onset in W_E over the exit of the {name} digit, run by run",
                    ratio.median,
                    "",
                    len(first.time),
                )
                for name, ratio in ratios.items()
            },
        ),
        "Built if trajectories of all runs, aligned over epochs, and the first saved step from which on "
        f"structure exceeds chance (p ≤ {LEVEL:g}) come of one command.",
        "built: python -m experiments.mechanism.embeddings_over_training",
        [f"Onsets are known to a saved epoch, of {len(steps)} from step 0 to {int(last)}."],
    )


def number_shaped(found: dict[str, Shapes], steps: np.ndarray) -> Result:
    """001-53."""
    W_E, runs, early = found["W_E"], found["W_E"].variance.shape[1], min(3, len(steps) - 1)
    r2 = lambda shape, epoch, k: np.asarray(shape.structure.value[epoch, :, k])
    rows = {
        f"{name}_{kind}_{when}": mean(
            f"R² of a left-out digit, {name}, {kind}, step {steps[epoch]}", r2(found[name], epoch, k), ""
        )
        for name in MATRICES
        for k, kind in enumerate(("line", "circle"))
        for when, epoch in (("start", 0), ("early", early), ("end", -1))
    }
    counts = {
        name: share(f"runs in which {name} is number-shaped at the end", stands_out(one.structure, -1), runs)
        for name, one in found.items()
    }
    gap = mean(
        "R² of the line less that of the circle, W_E at the end, paired", r2(W_E, -1, 0) - r2(W_E, -1, 1), ""
    )
    shaped = all(above(one, 0.5) for one in counts.values())
    none = any(below(one, 0.5) for one in counts.values())
    kind = (
        "alike"
        if within(gap, ALIKE)
        else "the line fits better"
        if above(gap, 0)
        else "the circle fits better"
        if below(gap, 0)
        else "not told apart"
    )
    return Result(
        "001-53",
        f"{'It does' if shaped else 'It does not' if none else 'Unsure'}: R² of a left-out digit in W_E is "
        f"{{W_E_line_end}} on a line, {{W_E_circle_end}} on a circle, {kind}.",
        dict(**rows, **counts, gap=gap),
        f"The guess is refuted if W_E and OV are number-shaped (p ≤ {LEVEL:g}) in more than half of the "
        "runs, confirmed if either is in fewer (Wilson's whole interval). Line and circle are alike within "
        f"{ALIKE:g}.",
        "refuted"
        if shaped
        else "confirmed"
        if none
        else "open: about half of the runs are; more runs would tell",
        ["An ordered line and the circle of frequency 1 differ at the ends only."],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
