"""A sweep whose states and metrics are known functions of (seed, step): what was saved is checked without
training anything.
"""

import pathlib
import signal
import sys
import types

import jax
import numpy as np
import optax

import grokjax
from grokjax import checkpoints
from grokjax.training import RunState

COLUMNS = 3


def one_run(seed, step, width=4):
    """A run's state with parameters that depend on seed and step."""
    values = lambda *shape: (
        (np.arange(np.prod(shape)) + 1000 * np.float32(seed) + step / 7).astype(np.float32).reshape(shape)
    )
    params = dict(
        W_E=values(5, width), blocks=[dict(W_in=values(width, 2), b_in=values(2))], W_U=values(width, 3)
    )
    moments = optax.adamw(1e-3).init(params)
    moments = jax.tree.map(lambda leaf: np.asarray(leaf) + np.asarray(step, leaf.dtype), moments)
    return RunState(np.int32(step), params, moments, np.bool_(True), np.bool_(step > 90))


def runs(seeds, step, width=4):
    """The states of all runs, leaves [S, ...]."""
    return jax.tree.map(
        lambda *leaves: np.stack(leaves), *(one_run(seed, step, width) for seed in np.asarray(seeds))
    )


def target(width=4):
    """One run's state as shapes and types."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype), one_run(0, 0, width))


def metrics(seeds, first, last):
    """Metrics of steps first … last - 1, evaluated at every tenth."""
    seeds, steps = np.asarray(seeds, np.float32), np.arange(first, last)
    evaluated = steps[steps % 10 == 0]
    loss = lambda at: (seeds[:, None, None] + at[None, :, None] / 8 + np.arange(COLUMNS)).astype(np.float32)
    return {
        "loss": loss(steps),
        "gradient_norm": loss(steps)[..., 0],
        "test_loss": loss(evaluated),
        "test_step": evaluated,
    }


def spec(num_runs=4, steps=60, **changes):
    """Epochs of 10 steps, all of them saved by the log schedule."""
    task = changes.get("task", grokjax.ModularArithmetic(modulus=5))
    hypers = grokjax.grid(grokjax.Hyper(), seed=range(num_runs))
    given = dict(
        task=task,
        config=grokjax.ModelConfig.of(task, d_model=8),
        recipe=grokjax.Recipe(),
        hypers=hypers,
        steps=steps,
        epoch_steps=10,
    )
    return checkpoints.Spec(**(given | changes))


def epochs(part, first, width=4, stopped_at=10**9):
    """What training yields: epoch 0 unless restored, then 1, 2, ... to the last step."""
    seeds, steps, size = part.hypers.seed, part.spec.steps, part.spec.epoch_steps
    number, step = (first.number, first.step) if first else (-1, 0)
    while number < 0 or step < steps:
        number, before, step = number + 1, step, min(step + size, steps) if number >= 0 else 0
        yield types.SimpleNamespace(
            number=number,
            step=step,
            metrics=metrics(seeds, before, step),
            state=runs(seeds, step, width),
            active=np.full(len(seeds), step < stopped_at),
        )
        if step >= stopped_at:
            return


def run(writer, stop=None):
    """Train all parts of a writer as a command would, up to an epoch where given; the epochs from which the
    parts went on.
    """
    begun = []
    for part in writer.parts:
        first = part.restore(target())
        begun.append(first and first.number)
        for epoch in epochs(part, first):
            part.record(epoch)
            if epoch.number == stop:
                break
        part.finish()
    return begun


def write(directory, spec, stop=None):
    """Create or go on with a sweep and run it."""
    with checkpoints.resume(directory, spec) as writer:
        return run(writer, stop)


def check(directory, spec):
    """Assert that a directory holds exactly the finished sweep."""
    sweep = checkpoints.open_sweep(directory)
    seeds = np.asarray(spec.hypers.seed)
    for name, expected in metrics(seeds, 0, spec.steps).items():
        np.testing.assert_array_equal(sweep.metrics[name], expected)
    assert set(checkpoints.epochs_to_save(spec.save, spec.num_epochs)) <= set(sweep.epochs)
    for epoch in sweep.epochs:
        jax.tree.map(
            np.testing.assert_array_equal, sweep.params(epoch), runs(seeds, sweep.steps(epoch)).params
        )
    return sweep


if __name__ == "__main__":
    # A sweep in a process of its own, to be killed: planted_sweep.py DIRECTORY STEPS [hold | readonly | long]
    directory, steps = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    print("begun", flush=True)
    if sys.argv[3:] == ["hold"]:
        with checkpoints.resume(directory, spec(steps=steps)):
            print("held", flush=True)
            signal.pause()
    if sys.argv[3:] == ["readonly"]:
        with checkpoints.resume(directory, spec(steps=steps)) as writer:
            (part,) = writer.parts
            for epoch in epochs(part, None):
                part.record(epoch)
                part.wait()
                part.snapshots.chmod(0o555)
    write(directory, spec(steps=steps, save="every:1"))
    print("finished", flush=True)
