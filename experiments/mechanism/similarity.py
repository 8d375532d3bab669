"""Do all seeds learn the same thing?

    python -m experiments.mechanism.similarity

5-digit addition in sequence mode, most significant digit first: the runs of `experiments.frame.adder`,
--seeds 16, on --size 512 problems, at the positions that predict the answer. Activations of two runs are
compared up to rotation (debiased linear CKA, position by position, over training too), neurons and heads one
by one (the best assignment, by the correlation of their activity over problems).
Time: 3 min on two cores; GPU: not measured.

Found: two runs are alike from the start, since they read the same tokens (CKA .92 at resid_mid), and apart in
  between (.76 at step 400, when one learns before the other), but what they end with is new and common: .90
  between two runs at the end, .08 between a run's start and its own end. Run 4, the worst in accuracy, stands
  apart. Matched neurons of two runs correlate by .74 (.53 in a random basis, .62 before training), matched
  heads, by what their patterns depend on, by .42 (.06 before training).
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
from experiments.frame.finding import Answer, Finding, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.interp import similarity
from grokjax.interp.addition import evaluation_sets
from grokjax.mapping import map_runs
from grokjax.run import Run

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "size": 512}
SMALL: dict[str, study.Setting] = {**adder.TINY, "size": 32}
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
    axes: dict[str, Any] = dict(rows="run", columns="run", label="debiased CKA")
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"{this['layers']} layer, width {this['d_model']}, 4 heads, batch {this['batch']}, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=[answer(first, last, own, units)],
        numbers=numbers(sweep, first, last, along, own, units),
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
    """Mean likeness of matched units, of each run and the next: as they are, after shuffling the problems of
    one, and in a random basis (neurons), or before training."""
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
    ring = lambda runs: [
        jax.device_get(compiled(*pair)) for pair in zip(runs, runs[1:] + runs[:1], strict=True)
    ]
    trained, fresh = ring(at(sweep.epochs[-1])), ring(at(sweep.epochs[0]))
    mean = lambda tables, label: [float(np.mean(similarity.match(one[label]).likeness)) for one in tables]
    return {label: mean(trained, label) for label in trained[0]} | {
        "before training": mean(fresh, "as they are")
    }


def of_pairs(matrix: Float[np.ndarray, "S S"]) -> statistics.Interval:
    """The mean over pairs; its interval is that of each run's mean over the others, since pairs that share a
    run are not independent.
    """
    runs = len(matrix)
    return statistics.mean((matrix.sum(1) - np.diag(matrix)) / max(runs - 1, 1))


def numbers(
    sweep: Sweep, first: np.ndarray, last: np.ndarray, along: np.ndarray, own: np.ndarray, units: dict
) -> dict[str, Any]:
    """Means over runs."""
    at = list(zip(range(len(PLACES)), map(name, PLACES), strict=True))
    pairs = list(itertools.combinations(range(last.shape[1]), 2))
    return {
        "CKA at the start": {place: of_pairs(first[i]) for i, place in at},
        "CKA at the end": {place: of_pairs(last[i]) for i, place in at},
        "least alike pair": {place: min(last[i][pair] for pair in pairs) for i, place in at},
        "most alike pair": {place: max(last[i][pair] for pair in pairs) for i, place in at},
        "each run with the others": {
            place: (last[i].sum(1) - np.diag(last[i])) / max(len(last[i]) - 1, 1) for i, place in at
        },
        "CKA of a run's start with its end": {place: statistics.mean(own[i]) for i, place in at},
        "CKA by step, neighbours": {
            place: {sweep.steps(epoch): along[k, i].mean() for k, epoch in enumerate(sweep.epochs)}
            for i, place in at
        },
        "matched units": {
            kind: {label: statistics.mean(values) for label, values in found.items()}
            for kind, found in units.items()
        },
    }


def apart(matrix: Float[np.ndarray, "S S"]) -> list[int]:
    """The runs that are unlike the others: more than five median deviations below the median."""
    likeness = (matrix.sum(1) - np.diag(matrix)) / max(len(matrix) - 1, 1)
    below = np.median(likeness) - likeness
    return np.flatnonzero(below > 5 * np.median(np.abs(below)) + 1e-6).tolist()


def answer(first: np.ndarray, last: np.ndarray, own: np.ndarray, units: dict) -> Answer:
    """The runs there are to play with, and whether one can stand for the others."""
    of_places = lambda each: ", ".join(
        f"{name(where)} {said(each(i), '.2f')}" for i, where in enumerate(PLACES)
    )
    matched = "; ".join(
        f"{kind} "
        + ", ".join(f"{label} {said(statistics.mean(values), '.2f')}" for label, values in found.items())
        for kind, found in units.items()
    )
    different = ", ".join(map(str, apart(last[-1]))) or "none"
    return Answer(
        "001-73",
        "_REPRODUCE_ so we … have our own run to play with",
        f"{len(last[-1])} saved runs; does one stand for all? Debiased CKA: of two runs at the start; of "
        "two runs at the end; "
        "of a run's start with its own end; runs that stand apart; mean correlation of matched units of two "
        "runs",
        f"{of_places(lambda i: of_pairs(first[i]))}; {of_places(lambda i: of_pairs(last[i]))}; "
        f"{of_places(lambda i: statistics.mean(own[i]))}; {different}; {matched}. "
        f"{verdict(last[-1], own[-1], units)}",
        "built: python -m experiments.mechanism.similarity",
    )


def verdict(last: np.ndarray, own: np.ndarray, units: dict) -> str:
    """What the numbers come to."""
    runs, start = of_pairs(last), statistics.mean(own)
    neurons = statistics.mean(np.subtract(units["neurons"]["as they are"], units["neurons"]["random basis"]))
    if runs.low is None or start.high is None or neurons.low is None:
        return "Too few runs to tell"
    common = (
        "like each other more than like their own starts: what is learned is common"
        if runs.low > start.high
        else "no more like each other than like their own starts"
    )
    return (
        f"Runs end {common}; neuron by neuron "
        f"{'too, beyond what any basis shows' if neurons.low > 0 else 'no more than in any basis'}"
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
