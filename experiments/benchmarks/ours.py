"""This project's own path: the real `grokjax.train`, every metric of every step and the evaluation at its
default interval included.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.benchmarks.measuring import seconds
from experiments.benchmarks.workloads import Workload
from grokjax import sweep, training, trees
from grokjax.model.fast import fused
from grokjax.training import data, loop
from grokjax.training import epochs as places
from grokjax.training.devices import default_block
from grokjax.training.state import shapes


class Setting(NamedTuple):
    """So many runs of a workload in blocks (None: the default), in epochs of so many steps; a sample is one
    epoch or several.
    """

    workload: Workload
    runs: int
    steps: int
    block: int | None
    epochs: int = 1

    @property
    def program(self) -> training.Program:
        """What is compiled."""
        return training.Program(self.workload.task, self.workload.config, self.workload.recipe)

    @property
    def hypers(self) -> Any:
        """One seed per run."""
        return sweep.grid(self.workload.hyper, seed=range(self.runs))

    @property
    def block_size(self) -> int:
        """Runs of one program."""
        return self.block or default_block(self.workload.config, self.workload.task, jax.default_backend())


def epochs(setting: Setting, **length: Any) -> Iterator[training.Epoch]:
    """The epochs of `grokjax.train`, number 0 first."""
    task, config, recipe = setting.program.task, setting.program.config, setting.program.recipe
    return training.train(
        task, config, recipe, setting.hypers, steps=setting.steps, block=setting.block, **length
    )


def first_step(setting: Setting) -> tuple[float, float]:
    """(compile_seconds, first_step_seconds): until every run has made its first step, and how much of that a
    second time spares.
    """
    cold, warm = (seconds(lambda: list(epochs(setting, until=1))) for _ in range(2))
    return max(cold - warm, 0.0), cold


class Reached(NamedTuple):
    """A place to go on from."""

    number: int
    step: int
    runs: Any


def sampler(setting: Setting) -> Callable[[], float]:
    """Run-steps per second; epochs with and without an evaluation are weighted as they follow each other in a
    long run.

    ValueError if neither number of steps, of an epoch or between evaluations, is a multiple of the other.
    """
    every, steps = setting.workload.recipe.evaluate_every, setting.steps
    if every % steps and steps % every:
        raise ValueError(f"epochs of {steps} steps do not fit evaluations every {every}")
    if steps >= every:
        return functools.partial(whole_epochs, setting)
    begun = next(epochs(setting, epochs=0))
    # One step, untimed, then the epoch that ends with an evaluation, then one without.
    first = Reached(0, every - steps - 1, begun.runs)

    def sample() -> float:
        trained = epochs(setting, until=every + steps, first=first)
        next(trained)
        with_evaluation, without = seconds(next, trained), seconds(next, trained)
        return setting.runs * every / (with_evaluation + (every / steps - 1) * without)

    return sample


def whole_epochs(setting: Setting) -> float:
    """The same for epochs that are long enough to hold an evaluation each."""
    trained = epochs(setting, epochs=setting.epochs)
    next(trained)
    return setting.epochs * setting.runs * setting.steps / seconds(lambda: list(trained))


def arguments(setting: Setting) -> dict[str, Any]:
    """What the program of the first turn takes, as `train` gives it: compiled for these, it is not compiled
    again.
    """
    hypers, program, begun = setting.hypers, setting.program, next(epochs(setting, epochs=0))
    turn = begun.laid[0]
    table, shared = (
        turn.put_everywhere(data.table_of(program.task)),
        places.place(turn, hypers, data.splits(program.task, hypers)),
    )
    span = places.span_of(turn, 0, setting.steps)
    return dict(mesh=turn.mesh, block=turn.block, span=span, shared=shared, runs=begun.states[0], table=table)


def memory(setting: Setting) -> dict[str, int]:
    """bytes_per_run, of one run's whole state; block_bytes, of the compiled program's temporaries for one
    block on every device;
    peak_bytes: the state twice (before and after an epoch), that, and what is measured in an epoch."""
    taken = arguments(setting)
    compiled = loop.epoch.lower(setting.program, setting.steps, **taken).compile().memory_analysis()
    assert compiled is not None
    state, num_devices = trees.num_bytes(shapes(setting.program)), taken["mesh"].size
    per_device = taken["runs"].step.size // num_devices
    num_turns = -(-setting.runs // (per_device * num_devices))
    table, shared = (sum(x.nbytes for x in jax.tree.leaves(taken[name])) for name in ("table", "shared"))
    block = num_devices * (compiled.temp_size_in_bytes + table)
    measured = num_turns * num_devices * (compiled.output_size_in_bytes - per_device * state)
    peak = 2 * num_turns * num_devices * per_device * state + block + num_turns * shared + measured
    return dict(peak_bytes=peak, bytes_per_run=state, block_bytes=block)


@contextlib.contextmanager
def unchunked() -> Iterator[None]:
    """XLA counts the body of a scan once, however often it runs: here the rows of a step are one chunk."""
    kept, fused.CHUNK = fused.CHUNK, 2**60
    try:
        yield
    finally:
        fused.CHUNK = kept


def flops_per_run_step(setting: Setting) -> float:
    """XLA's count for one compiled step of one run, optimiser and metrics included, with the rows of a batch
    in one chunk.
    """
    task = setting.program.task
    one = jax.tree.map(lambda x: np.asarray(x)[0], setting.hypers)
    rows = data.splits(task, jax.tree.map(lambda x: np.asarray(x)[:1], setting.hypers))[0].train
    train = None if not task.finite else data.rows_of(data.table_of(task), rows)
    with unchunked():
        step = jax.jit(functools.partial(loop.step, setting.program))
        # The count is taken before machine code is made, so that need not be good.
        options: dict[str, str | bool] | None = (
            {"xla_backend_optimization_level": "0"} if jax.default_backend() == "cpu" else None
        )
        counted: Any = (
            step.lower(one, train, shapes(setting.program)).compile(compiler_options=options).cost_analysis()
        )
        return counted["flops"]
