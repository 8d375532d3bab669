"""Do the embeddings of the digits become number-shaped, a line or a circle, and when?

    python -m experiments.mechanism.embeddings_over_training

PCA, Fourier spectra and R² over training.

The shared runs of n-digit addition (`experiments.frame.adder`: --digits 5, 1 layer, --d_model 128, --batch
256, --steps 2500, --seeds 16), at 13
saved epochs: W_E of the digits, and W_E W_V W_O of all heads together (OV), each against --draws 499
  permutations of the digits. R² says how well a digit's place on a line, or on a circle of a frequency, is
  read off its row by a fit to the other nine. Animations lie in --runs.
Time: 40 s on two cores that others used too, once the runs are trained; GPU: not measured.

Found: the digits become number-shaped in all 16 runs, first in what the heads write: from step 50 on the OV
  rows lie on a line (R² of a left-out digit .96 at step 150), W_E follows from step 200 (100-300), after the
  first digit has left its first level and 270 steps before the last one does. A line comes first (W_E at step
  150: line .38, circle .16), the circle of frequency 1 catches up (.74 and .78 at the end); of W_E's variance
  two components hold .42, .31 at the start: most of a random embedding is still there. Frequencies 1 and 2
  grow, 3 to 5 shrink.
"""

import functools
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float

from experiments.frame import adder, study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import circuits, fourier, number_line, pca, permutation
from grokjax.run import Run

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "draws": 499}
SMALL: dict[str, study.Setting] = {**adder.TINY, "draws": 19}
LEVEL = 0.05
"""The p-value below which structure exceeds chance."""
LEFT = 2.0
"""A digit has left its first levels, ln 10 and 2.11, where its loss (nats, median of 11 steps) is below this.
"""
PANELS = 5
MATRICES = ("W_E", "OV")


class Shapes(NamedTuple):
    """How the rows of the digits lie, for each of MATRICES: R² of the line and of each circle, the spectrum,
    the circularity, each against permutations; and the variance along the first components."""

    structure: permutation.Permuted
    power: permutation.Permuted
    circularity: permutation.Permuted
    variance: Float[np.ndarray, "*M K"]

    def of(self, matrix: int) -> "Shapes":
        """Those of one matrix, leaves [E, S, ...]."""
        return jax.tree.map(lambda leaf: np.asarray(leaf)[:, :, matrix], self)


def both(run: Run) -> Float[Array, "M base base"]:
    """The embeddings, and what all heads of the first layer write for each digit, each in the coordinates of
    the span of its rows: lengths and angles are kept, and nothing here depends on more."""
    heads = jnp.moveaxis(circuits.ov_to_stream(run, of="symbol"), 1, 0)
    spans = [
        jnp.linalg.qr(rows.T, mode="r").T
        for rows in (circuits.basis(run, "symbol"), heads.reshape(len(heads), -1))
    ]
    return jnp.stack([jnp.pad(rows, ((0, 0), (0, len(rows) - rows.shape[1]))) for rows in spans])


def shape(draws: int, rows: Float[Array, "base base"]) -> dict[str, Any]:
    """The fields of `Shapes`, of one matrix."""
    kinds = lambda rows: dict(
        structure=number_line.structure(rows),
        power=fourier.power(rows, len(rows)),
        circularity=pca.circularity(rows)[None],
    )
    return {
        **permutation.compared(kinds, random.key(0), rows, draws=draws),
        "variance": pca.components(rows, count=4).explained,
    }


def shapes(draws: int, rows: Float[np.ndarray, "E S M base base"]) -> Shapes:
    """All of them, one after another on one device: on two, several calls of LAPACK at once can wait for each
    other for ever.
    """
    found = jax.jit(lambda rows: jax.lax.map(functools.partial(shape, draws), rows))(
        rows.reshape(-1, *rows.shape[3:])
    )
    return Shapes(
        **jax.tree.map(lambda leaf: np.asarray(leaf).reshape(*rows.shape[:3], *leaf.shape[1:]), found)
    )


def measure(this: Study) -> Finding:
    """The shapes at every saved epoch of every run."""
    sweep = adder.trained(this)
    rows = map_epochs(sweep, both)
    everything = shapes(this["draws"], rows)
    found = {name: everything.of(matrix) for matrix, name in enumerate(MATRICES)}
    steps = np.array([sweep.steps(epoch) for epoch in sweep.epochs])
    frames, titles = moved(this, rows[:, :, 0], steps)
    shown = np.unique(np.linspace(0, len(steps) - 1, min(PANELS, len(steps))).round().astype(int))
    spectra = {f"spectrum of {name}": np.asarray(found[name].power.value.mean(1)) for name in MATRICES}
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
        answers=answers(this, sweep, found, steps),
        numbers={
            name: {str(step): row(found[name], epoch) for epoch, step in enumerate(steps)}
            for name in MATRICES
        },
        plot=figures.orbits(
            frames, titles, shown=shown.tolist(), spectra=spectra, lines={"R² of a left-out digit": lines}
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
    return dict(
        r2={
            name: statistics.mean(np.asarray(shape.structure.value[epoch, :, k]))
            for k, name in enumerate(names)
        },
        circularity=statistics.mean(np.asarray(shape.circularity.value[epoch, :, 0])),
        variance_of_two=statistics.mean(np.asarray(shape.variance[epoch, :, :2].sum(1))),
        stands_out={
            kind: share(getattr(shape, kind), epoch) for kind in ("structure", "power", "circularity")
        },
    )


def share(tested: permutation.Permuted, epoch: int) -> statistics.Interval:
    """The runs in which it stands out."""
    return statistics.wilson(stands_out(tested, epoch), tested.p_any.shape[1])


def stands_out(tested: permutation.Permuted, epoch: int) -> int:
    """How many runs these are."""
    return int((tested.p_any[epoch] <= LEVEL).sum())


def onset(tested: permutation.Permuted, steps: np.ndarray) -> statistics.Times:
    """The first saved step of each run from which on it stands out; censored where it does not."""
    stays = np.logical_and.accumulate(np.asarray(tested.p_any <= LEVEL)[::-1])[::-1]
    ends = np.asarray(stays.any(0))
    return statistics.Times(np.where(ends, steps[stays.argmax(0)], steps[-1]).astype(float), ends)


def answers(this: Study, sweep: Sweep, found: dict[str, Shapes], steps: np.ndarray) -> list[Answer]:
    """What it says to the notes."""
    W_E, OV, runs, early = found["W_E"], found["OV"], this["seeds"], min(3, len(steps) - 1)
    r2 = lambda shape, epoch: ", ".join(
        f"{name} {said(statistics.mean(np.asarray(shape.structure.value[epoch, :, k])), '.2f')}"
        for k, name in enumerate(("line", "circle"))
    )
    told = lambda shape: "; ".join(r2(shape, epoch) for epoch in (0, early, -1))
    mean = lambda values: said(statistics.mean(np.asarray(values)), ".2f")
    counts = {kind: counted(stands_out(getattr(W_E, kind), -1), runs) for kind in ("power", "circularity")}
    shaped = [stands_out(shape.structure, -1) for shape in (W_E, OV)]
    return [
        Answer(
            "002-10",
            "PCA of the learned embeddings: algebraic structure visible?",
            "runs in which a frequency stands out of the digits' embeddings at the end (permutation p ≤ "
            f"{LEVEL:g}), and in which their "
            "circularity does; circularity, and variance along the first two components, at the start and "
            "at the end",
            f"{counts['power']}, {counts['circularity']}; circularity "
            f"{mean(W_E.circularity.value[0, :, 0])}, "
            f"{mean(W_E.circularity.value[-1, :, 0])}; variance {mean(W_E.variance[0, :, :2].sum(1))}, "
            f"{mean(W_E.variance[-1, :, :2].sum(1))}",
            verdict(share(W_E.power, -1)),
        ),
        Answer(
            "002-11",
            "compare over epochs",
            "step from which on structure exceeds chance, of the saved ones; steps at which the first and "
            "the last digit leave their "
            f"first level (below {LEFT:g} nats), and how far ahead of them a run's W_E is",
            compared(sweep, found, steps),
            "built: python -m experiments.mechanism.embeddings_over_training",
        ),
        Answer(
            "001-53",
            "would not guess that it learns a number-shaped representation",
            f"R² of a left-out digit's place at steps {steps[0]}, {steps[early]}, {steps[-1]}; runs in "
            "which it stands out at the end",
            f"W_E: {told(W_E)}. OV: {told(OV)}. Stands out: W_E {counted(shaped[0], runs)}, OV "
            f"{counted(shaped[1], runs)}",
            number_shaped(W_E, shaped, runs),
        ),
    ]


def verdict(share: statistics.Interval) -> str:
    """Whether most runs have what the share counts."""
    if share.low is not None and share.low > 0.5:
        return "confirmed"
    return (
        "refuted"
        if share.high is not None and share.high < 0.5
        else "open: in about half of the runs; more of them would tell"
    )


def compared(sweep: Sweep, found: dict[str, Shapes], steps: np.ndarray) -> str:
    """When structure is there, beside the exits."""
    loss = sweep.metrics["loss"]
    exits = np.stack(
        [statistics.until_below(loss[:, :, digit], LEFT).time for digit in range(sweep.task.num_digits)]
    )
    times = {name: onset(found[name].structure, steps) for name in MATRICES}
    ahead = [
        statistics.median((end - times["W_E"].time)[times["W_E"].ended].tolist())
        for end in (exits.min(0), exits.max(0))
    ]
    return (
        f"W_E {counted(int(times['W_E'].ended.sum()), loss.shape[0])}, at "
        f"{said(times['W_E'].median, '.0f')}; OV at "
        f"{said(times['OV'].median, '.0f')}; exits {said(statistics.median(exits.min(0)), '.0f')} and "
        f"{said(statistics.median(exits.max(0)), '.0f')}; ahead by {said(ahead[0], '.0f')} and "
        f"{said(ahead[1], '.0f')}"
    )


def number_shaped(W_E: Shapes, shaped: list[int], runs: int) -> str:
    """The note's guess is refuted where most runs are number-shaped; then line or circle, by the paired
    difference of the two R².
    """
    said_of = verdict(statistics.wilson(min(shaped), runs))
    if said_of != "confirmed":
        return "confirmed" if said_of == "refuted" else said_of
    gap = statistics.mean(np.asarray(W_E.structure.value[-1, :, 0] - W_E.structure.value[-1, :, 1]))
    if gap.low is not None and gap.low > 0:
        return "refuted: it does, and more a line than a circle"
    circle = gap.high is not None and gap.high < 0
    return (
        "refuted: it does, "
        f"{'and at the end more a circle than a line' if circle else 'a line and a circle alike'}"
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
