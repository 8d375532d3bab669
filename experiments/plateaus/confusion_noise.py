"""How noisy a confusion matrix of few problems is, on shelves and off them: for `confusion`."""

import functools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from experiments.frame.study import Study
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import confusion
from grokjax.interp.addition import evaluation_sets, predictions
from grokjax.run import Run

REGIMES = {"start": math.log(10), "descent": 1.4, "ln 2 shelf": math.log(2), "carries": 0.3}
"""A run is in a regime at the snapshot whose loss is nearest to this (nats)."""
Ratios = dict[str, dict[int, Float[np.ndarray, " S"]]]
"""For every regime and size of a set of problems the noise over the contrast of each run."""


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


def of_regimes(
    this: Study,
    sweep: Sweep,
    fixed: evaluation_sets.Problems,
    right: np.ndarray,
    loss: Float[np.ndarray, "E S"],
    means: Float[np.ndarray, "E S V V"],
) -> tuple[Ratios, dict[str, Any]]:
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
        name: {size: values / contrast[name] for size, values in of.items()} for name, of in noise.items()
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
