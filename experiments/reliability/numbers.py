"""Are the numbers right where float32 is hard? Loss and gradient against float64; a run to tiny losses."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import grokjax as gj
from grokjax import objective
from grokjax.curves import spikes

SCALES = (1e-4, 1e-2, 1.0, 1e1, 1e2, 1e3, 1e4)
"""Standard deviations of the logits; the largest reaches beyond ±1e4."""
ROUNDINGS = 8.0
"""How many roundings a right number may be off: a loss exp(z) of log-odds z, each rounded once, is known to
(1 + |z|) roundings; the same goes for a gradient, whose error is relative to its largest entry.
"""
LEAST = 1e-30
"""Gradients below this are left out: float32 has no relative precision below 1.2e-38."""
WIDTH, MODULUS = 16, 11


def run(folder: pathlib.Path, examples: int, steps: int) -> dict[str, Any]:
    """Returns the largest errors, and what a long run shows."""
    errors = {f"{scale:g}": against_float64(scale, examples) for scale in SCALES}
    found = long_run(steps)
    failures = [
        f"logits of scale {scale}: {each}" for scale, each in errors.items() if max(each.values()) > ROUNDINGS
    ]
    for name in (
        "steps_not_finite",
        "steps_with_zero_loss",
        "steps_with_zero_gradient",
        "spikes_of_underflow",
    ):
        if found[name]:
            failures.append(f"the long run has {found[name]} {name.replace('_', ' ')}")
    if found["largest_relative_error_of_the_loss"] > 1e-4:
        failures.append(f"the long run's losses are off by {found['largest_relative_error_of_the_loss']:.1e}")
    return dict(errors=errors, long_run=found, failures=failures)


def against_float64(scale: float, examples: int) -> dict[str, float]:
    """Returns the largest errors, in roundings, of loss and gradient of random logits of a scale."""
    rng = np.random.default_rng(0)
    logits = np.clip(rng.normal(0, scale, (examples, 10)), -1e4, 1e4).astype(np.float32)
    # half of the labels are the likeliest symbol: their losses are tiny
    labels = np.where(np.arange(examples) % 2, logits.argmax(-1), rng.integers(0, 10, examples))
    mean = lambda x: objective.cross_entropy(x, jnp.asarray(labels))
    loss = np.asarray(jax.jit(mean)(logits), np.float64)
    gradient = np.asarray(jax.jit(jax.grad(lambda x: mean(x).sum()))(logits), np.float64)
    right, slope = in_float64(logits.astype(np.float64), labels)
    odds = np.where(
        np.arange(10) == labels[:, None], -np.inf, logits - logits[np.arange(examples), labels, None]
    )
    rounding = np.finfo(np.float32).eps / 2 * (1 + np.abs(odds.max(-1).astype(np.float64)))
    large, most = right > np.finfo(np.float32).tiny, np.abs(slope).max(-1)
    steep = most > LEAST
    return dict(
        loss=float(np.max((np.abs(loss - right) / right / rounding)[large])),
        gradient=float(np.max((np.abs(gradient - slope).max(-1) / most / rounding)[steep])),
    )


def in_float64(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the cross-entropy of every example and its gradient, by log-odds, so that nothing cancels."""
    odds = logits - np.take_along_axis(logits, labels[:, None], -1)
    others = np.arange(logits.shape[-1]) != labels[:, None]
    odds = np.where(others, odds, -np.inf)
    most = odds.max(-1, keepdims=True)
    sum_of = most[:, 0] + np.log(np.exp(odds - most).sum(-1))
    loss = np.logaddexp(0, sum_of)
    slope = np.exp(odds - loss[:, None])
    return loss, np.where(others, slope, -slope.sum(-1, keepdims=True))


def long_run(steps: int) -> dict[str, Any]:
    """Trains a modular model for many steps without decay, so that its loss falls as far as it can.

    An underflow spike is one at whose start a loss or a gradient was exactly 0: then Adam divides by what is
    left of its second moment.
    """
    task = gj.ModularArithmetic(modulus=MODULUS)
    config, recipe, hyper = gj.presets.nanda(task, d_model=WIDTH, num_heads=2)
    hypers = gj.grid(hyper.replace(weight_decay=0.0, train_fraction=0.8), seed=[0, 1])
    loss, gradient, errors = [], [], []
    every = max(steps // 10, 1)
    for epoch in gj.train(task, config, recipe, hypers, steps=steps, epoch_steps=every):
        loss.append(epoch.metrics["loss"][..., 0])
        gradient.append(epoch.metrics["gradient_norm"])
        errors.append(relative_error(epoch.runs))
    losses, gradients = np.concatenate(loss, 1), np.concatenate(gradient, 1)
    found = [spike for run in losses for spike in spikes.find(run)]
    zero = [
        run
        for run in range(len(losses))
        for spike in spikes.find(losses[run])
        if (gradients[run, max(spike.start - 50, 0) : spike.start + 1] == 0).any()
    ]
    return dict(
        steps=steps,
        least_loss=float(losses.min()),
        steps_not_finite=int((~np.isfinite(losses) | ~np.isfinite(gradients)).sum()),
        steps_with_zero_loss=int((losses == 0).sum()),
        steps_with_zero_gradient=int((gradients == 0).sum()),
        spikes=len(found),
        spikes_of_underflow=len(zero),
        largest_relative_error_of_the_loss=float(max(errors)),
    )


def relative_error(runs: gj.Run) -> float:
    """Returns the largest relative error of the runs' losses of the whole table, given their logits."""
    table = runs.task.table()
    batch = jax.tree.map(jnp.asarray, table)
    worst = 0.0
    for run in (runs[i] for i in range(len(runs.hyper.seed))):
        logits = np.asarray(jax.jit(run.logits)(batch.tokens))[:, 0]
        own = np.asarray(objective.cross_entropy(jnp.asarray(logits), batch.labels[:, 0]), np.float64)
        right, _ = in_float64(logits.astype(np.float64), np.asarray(batch.labels)[:, 0])
        large = right > np.finfo(np.float32).tiny
        worst = max(worst, float(np.max(np.abs(own - right)[large] / right[large])))
    return worst
