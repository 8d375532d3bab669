"""Do all seeds learn the same thing?

    python -m experiments.mechanism.similarity

5-digit addition in sequence mode, most significant digit first: the runs of `experiments.frame.adder`,
--seeds 32, on --size 512 problems, at the positions that predict the answer. Activations of two runs are
compared up to rotation (debiased linear CKA, position by position, over training too), neurons and heads one
by one (the best assignment, by the correlation of their activity over problems). The interval of a mean over
pairs is the jackknife's over runs; neurons and heads are matched in pairs that have no run in common.
Time: 2 minutes on two cores, once the runs are trained; GPU: not measured.
"""

import functools
import itertools
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.frame import adder, study
from experiments.frame.bounds import of_pairs
from experiments.frame.finding import Finding
from experiments.frame.measured import mean, share
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep
from grokjax.interp import similarity
from grokjax.interp.addition import evaluation_sets
from grokjax.mapping import map_runs
from grokjax.run import Run

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "size": 512}
SMALL: dict[str, study.Setting] = {**adder.TINY, "size": 32}
ABLE = 0.9
"""Exact match above which a run has learned the task."""
PLACES = ("blocks.0.resid_mid", "blocks.0.mlp.post", "blocks.0.resid_post")


def measure(this: Study) -> Finding:
    """How alike the runs are in pairs, at the start, over training and at the end."""
    sweep = adder.trained(this)
    tokens = jnp.asarray(evaluation_sets.drawn(sweep.task, this["size"], seed=1).tokens)
    found = {epoch: seen(sweep, tokens, epoch) for epoch in (sweep.epochs[0], sweep.epochs[-1])}
    first, last = (np.asarray(in_pairs(found[epoch])) for epoch in (sweep.epochs[0], sweep.epochs[-1]))
    along = np.stack([np.asarray(beside(seen(sweep, tokens, epoch))) for epoch in sweep.epochs])
    own = np.asarray(before_and_after(found[sweep.epochs[0]], found[sweep.epochs[-1]]))
    units = {name: partners(sweep, tokens, name) for name in ("neurons", "heads")}
    panels = {
        f"{label}, {name(place)}": matrix[i]
        for label, matrix in (("start", first[-1:]), ("end", last))
        for i, place in enumerate(PLACES[-1:] if label == "start" else PLACES)
    }
    axes: dict[str, Any] = dict(rows="seed", columns="seed", label="debiased CKA (1: alike)")
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"{this['layers']} layer, width {this['d_model']}, 4 heads, batch {this['batch']}, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=[answer(sweep.metrics["test_exact_match"][:, -1], first, last, own, units)],
        numbers=numbers(sweep, last, along),
        plot=figures.matrices(panels, **axes, centred=False),
    )


def name(place: str) -> str:
    """A place without its block, which is the only one."""
    return place.removeprefix("blocks.0.")


def seen(sweep: Sweep, tokens: Array, epoch: int) -> list[Float[Array, "S C B D"]]:
    """The activations of all runs at each place, position by position."""

    def one(run: Run) -> list[Array]:
        cache = run.cache(tokens, names=PLACES)
        return [cache[place][:, np.asarray(run.task.read)].swapaxes(0, 1) for place in PLACES]

    return map_runs(one)(sweep.runs(epoch))


def alike(x: Float[Array, "C B D"], y: Float[Array, "C B D"]) -> Float[Array, ""]:
    """The likeness of two runs, mean over positions; where nothing varies (the first position of a run that
    attends nowhere) it is 0.
    """
    return jax.vmap(similarity.debiased_cka)(x, y).mean()


@jax.jit
def in_pairs(every: list[Float[Array, "S C B D"]]) -> Float[Array, "places S S"]:
    """Every run with every other."""
    each = lambda runs: jax.lax.map(lambda x: jax.lax.map(functools.partial(alike, x), runs), runs)
    return jnp.stack([each(runs) for runs in every])


@jax.jit
def beside(every: list[Float[Array, "S C B D"]]) -> Float[Array, "places S"]:
    """Every run with the next one, in a ring."""
    return jnp.stack([jax.lax.map(lambda pair: alike(*pair), (runs, jnp.roll(runs, 1, 0))) for runs in every])


@jax.jit
def before_and_after(
    first: list[Float[Array, "S C B D"]], last: list[Float[Array, "S C B D"]]
) -> Float[Array, "places S"]:
    """Every run at the start with itself at the end."""
    return jnp.stack([jax.lax.map(lambda pair: alike(*pair), pair) for pair in zip(first, last, strict=True)])


def partners(sweep: Sweep, tokens: Array, units: str) -> dict[str, list[float]]:
    """Mean likeness of matched units of pairs without a common run: as they are, after shuffling the problems
    of one, and in a random basis (neurons), or before training."""
    read = np.asarray(sweep.task.read)

    def columns(run: Run) -> Array:
        if units == "heads":
            return similarity.head_features(run, tokens, 0)
        post = run.cache(tokens)["blocks.0.mlp.post"][:, read]
        return (post - post.mean(0)).reshape(-1, post.shape[-1])

    def table(one: Run, other: Run) -> dict[str, Array]:
        x, y = columns(one), columns(other)
        key, width = jax.random.key(0), y.shape[1]
        shuffled = jax.random.permutation(key, y.reshape(len(tokens), -1, width)).reshape(-1, width)
        found = {
            "as they are": similarity.correlations(x, y),
            "problems shuffled": similarity.correlations(x, shuffled),
        }
        return found | (
            {"random basis": similarity.correlations(x, similarity.rotated(y, key))}
            if units == "neurons"
            else {}
        )

    compiled = jax.jit(table)
    at = lambda epoch: list(sweep.runs(epoch))
    pairs = lambda runs: [
        jax.device_get(compiled(*pair)) for pair in zip(runs[0::2], runs[1::2], strict=False)
    ]
    trained, fresh = pairs(at(sweep.epochs[-1])), pairs(at(sweep.epochs[0]))
    mean = lambda tables, label: [float(np.mean(similarity.match(one[label]).likeness)) for one in tables]
    return {label: mean(trained, label) for label in trained[0]} | {
        "before training": mean(fresh, "as they are")
    }


def numbers(sweep: Sweep, last: np.ndarray, along: np.ndarray) -> dict[str, Any]:
    """What the rows of the answer leave out."""
    at = list(enumerate(map(name, PLACES)))
    pairs = list(itertools.combinations(range(last.shape[1]), 2))
    return {
        "least alike pair": {place: min(last[i][pair] for pair in pairs) for i, place in at},
        "most alike pair": {place: max(last[i][pair] for pair in pairs) for i, place in at},
        "each run with the others": {
            place: (last[i].sum(1) - np.diag(last[i])) / max(len(last[i]) - 1, 1) for i, place in at
        },
        "runs that stand apart": apart(last[-1]),
        "CKA by step, neighbours": {
            place: {sweep.steps(epoch): along[k, i].mean() for k, epoch in enumerate(sweep.epochs)}
            for i, place in at
        },
    }


def apart(matrix: Float[np.ndarray, "S S"]) -> list[int]:
    """The runs that are unlike the others: more than five median deviations below the median."""
    likeness = (matrix.sum(1) - np.diag(matrix)) / max(len(matrix) - 1, 1)
    below = np.median(likeness) - likeness
    return np.flatnonzero(below > 5 * np.median(np.abs(below)) + 1e-6).tolist()


def answer(
    exact_match: np.ndarray, first: np.ndarray, last: np.ndarray, own: np.ndarray, units: dict
) -> Result:
    """001-73: the runs there are to play with, and whether one can stand for the others."""
    rows = dict(
        able=share(
            f"runs with an exact match above {ABLE:g}", int((exact_match > ABLE).sum()), len(exact_match)
        ),
        exact_match=mean("exact match", exact_match, ""),
    )
    for i, place in enumerate(map(name, PLACES)):
        key = place.replace(".", "_")
        rows |= {
            f"start_{key}": of_pairs(f"CKA of two runs before training, {place}", first[i]),
            f"end_{key}": of_pairs(f"CKA of two runs at the end, {place}", last[i]),
            f"own_{key}": mean(f"CKA of a run's start with its own end, {place}", own[i], ""),
        }
    for kind, found in units.items():
        rows |= {
            f"{kind}_{label.replace(' ', '_')}": mean(
                f"correlation of matched {kind}, {label}", values, "", "pairs of runs"
            )
            for label, values in found.items()
        }
    key = name(PLACES[-1]).replace(".", "_")
    return Result(
        "001-73",
        f"{{able}} learn the task from their seed alone; two of them end with a CKA of {{end_{key}}}.",
        rows,
        "Built if one command trains runs that are saved and come of their seeds alone, of which more "
        f"than half have an exact match above {ABLE:g}.",
        "built: python -m experiments.mechanism.similarity"
        if (exact_match > ABLE).mean() > 0.5
        else "open: most runs have not learned the task; more steps would tell",
        [
            "CKA: 1 for activations that are equal up to a rotation and a scale.",
            "Neurons of two runs are matched best; in a random basis they are alike too, by the rows.",
        ],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
