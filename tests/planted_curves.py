"""Sweeps whose curves are planted: when each run leaves its shelf, memorises and generalises is known.

Nothing is trained; the directory is written as training writes it.
"""

import math
import types

import jax
import numpy as np

import grokjax as gj
from grokjax import checkpoints
from grokjax.training.state import Program, shapes

STEPS, EVERY = 600, 20


def fall(at, high, low, seed):
    """A curve that stays at `high` until step `at`, then falls to `low`; 2% of noise."""
    steps = np.arange(STEPS)
    level = np.where(steps < at, high, low + (high - low) * np.exp(-np.maximum(steps - at, 0) / 15))
    return level * (1 + 0.02 * np.random.default_rng(seed).normal(size=STEPS))


def addition(directory, exits, decays, *, diverged=(), d_model=8, command="planted", digits=1):
    """A sweep of addition: run r leaves ln 10 in the units at step exits[r]; digit 1 is learned at once.

    decays: the weight decay of each run; seeds count the runs of one decay
    """
    task = gj.Addition(num_digits=digits)
    loss = np.stack(
        [
            np.stack([fall(at, math.log(10), 0.001, r), *[fall(5, 0.69, 0.001, r + 99)] * digits], 1)
            for r, at in enumerate(exits)
        ]
    )
    right = (loss < 0.02).all(-1).astype(float)
    return written(
        directory, task, loss, right, right[:, ::EVERY], loss[:, ::EVERY], decays, diverged, d_model, command
    )


def modular(directory, memorised, generalised, decays, *, diverged=(), modulus=5, tested=True):
    """A sweep of modular arithmetic: run r is right on the training set from step memorised[r] on, and on
    the test set from generalised[r] on (infinity: never). tested: whether there is a test set
    """
    task = gj.ModularArithmetic(modulus=modulus)
    steps = np.arange(STEPS)
    since = lambda at: (steps >= np.asarray(at)[:, None]).astype(float)
    train, test = since(memorised), since(generalised)
    curve = lambda right: np.where(right, 0.001, 1.6)[..., None] + 0 * right[..., None]
    if not tested:
        test = np.full_like(test, np.nan)
    return written(
        directory, task, curve(train), train, test[:, ::EVERY], curve(test)[:, ::EVERY], decays, diverged
    )


def written(
    directory, task, loss, right, test_right, test_loss, decays, diverged=(), d_model=8, command="planted"
):
    """Writes the sweep, and opens it."""
    config, recipe, hyper = gj.presets.nanda(task, d_model=d_model, num_heads=2)
    seeds = [list(decays[:r]).count(decay) for r, decay in enumerate(decays)]
    hypers = gj.sweep.paired(hyper.replace(train_fraction=0.5), seed=seeds, weight_decay=list(decays))
    spec = checkpoints.Spec(task, config, recipe, hypers, STEPS, STEPS, "0", command=command)
    for run, step in dict(diverged).items():
        loss[run, step:] = right[run, step:] = np.nan
        test_right[run, step // EVERY :] = test_loss[run, step // EVERY :] = np.nan
    metrics = dict(loss=loss, accuracy=(loss < 0.02).astype(float), exact_match=right)
    metrics |= dict(test_loss=test_loss, test_accuracy=(test_loss < 0.02).astype(float))
    metrics |= dict(test_exact_match=test_right)
    metrics = {name: value.astype(np.float32) for name, value in metrics.items()}
    metrics["test_step"] = np.arange(0, STEPS, EVERY)
    one = shapes(Program(task, config, recipe))
    state = jax.tree.map(lambda leaf: np.zeros((len(loss), *leaf.shape), leaf.dtype), one)
    with checkpoints.create(directory, spec) as writer:
        (part,) = writer.parts
        active = np.ones(len(loss), bool)
        part.record(types.SimpleNamespace(number=1, step=STEPS, metrics=metrics, state=state, active=active))
        part.finish()
    return gj.open_sweep(directory)
