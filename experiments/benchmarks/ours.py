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
from grokjax import programs, sweep, training, trees
from grokjax.model.fast import stream
from grokjax.training import data, flight, loop, step
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


def epochs(
    setting: Setting, steps: int, resume_from: training.Snapshot | None = None
) -> Iterator[training.Epoch]:
    """The epochs of `grokjax.train` to step `steps`, number 0 first or those after `resume_from`."""
    task, config, recipe = setting.program.task, setting.program.config, setting.program.recipe
    return training.train(
        task,
        config,
        recipe,
        setting.hypers,
        steps=steps,
        epoch_steps=setting.steps,
        block=setting.block,
        resume_from=resume_from,
    )


def first_step(setting: Setting) -> tuple[float, float]:
    """(compile_seconds, first_step_seconds): until every run has made its first step, and how much of that a
    second time spares.
    """
    cold, warm = (seconds(lambda: list(epochs(setting, 1))) for _ in range(2))
    return max(cold - warm, 0.0), cold


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
    begun = next(epochs(setting, 0))
    # One step, untimed, then the epoch that ends with an evaluation, then one without.
    start = training.Snapshot(0, every - steps - 1, begun.state)

    def sample() -> float:
        trained = epochs(setting, every + steps, start)
        next(trained)
        with_evaluation, without = seconds(next, trained), seconds(next, trained)
        return setting.runs * every / (with_evaluation + (every / steps - 1) * without)

    return sample


def whole_epochs(setting: Setting) -> float:
    """The same for epochs that are long enough to hold an evaluation each."""
    trained = epochs(setting, setting.epochs * setting.steps)
    next(trained)
    return setting.epochs * setting.runs * setting.steps / seconds(lambda: list(trained))


class Beginning(NamedTuple):
    """What the program of an epoch takes on each device, for the first turn of each: keywords by device."""

    block: int
    taken: dict[Any, dict[str, Any]]


def beginning(setting: Setting) -> Beginning:
    """What `train` gives to its program at the beginning."""
    hypers, program, begun = setting.hypers, setting.program, next(epochs(setting, 0))
    splits, table, taken = data.splits(program.task, hypers), data.table_of(program.task), {}
    for turn, state in zip(begun.laid, begun.states, strict=True):
        if turn.device not in taken:
            taken[turn.device] = dict(
                table=turn.put(table),
                shared=flight.place(turn, hypers, splits),
                runs=state,
                span=flight.span_on(turn.device, 0, setting.steps),
            )
    return Beginning(begun.laid[0].block, taken)


def on_every_device(function: Any, static: tuple[Any, ...], taken: dict[Any, dict[str, Any]]) -> Any:
    """A function that begins `function` on every device, compiled as `train` compiles its own."""
    (one, *_), devices = taken.values(), list(taken)
    programs_of = programs.compiled(function, static, one, devices)
    return lambda: [programs_of[device](**taken[device]) for device in devices]


def memory(setting: Setting) -> dict[str, int]:
    """Bytes that a setting takes.

    bytes_per_run: of one run's whole state
    block_bytes: of the compiled program's temporaries for one block on every device
    peak_bytes: the state twice (before and after an epoch), that, and what is measured in an epoch
    """
    block, taken = beginning(setting)
    (first, *_), num_devices = taken.values(), len(taken)
    static = (setting.program, setting.steps, block)
    compiled = loop.epoch.lower(*static, **first).compile().memory_analysis()
    assert compiled is not None
    state, per_turn = trees.num_bytes(shapes(setting.program)), len(first["runs"].step)
    num_turns = len(next(epochs(setting, 0)).laid)
    table, shared = (sum(x.nbytes for x in jax.tree.leaves(first[name])) for name in ("table", "shared"))
    temporary = num_devices * (compiled.temp_size_in_bytes + table)
    measured = num_turns * (compiled.output_size_in_bytes - per_turn * state)
    peak = 2 * num_turns * per_turn * state + temporary + num_turns * shared + measured
    return dict(peak_bytes=peak, bytes_per_run=state, block_bytes=temporary)


@contextlib.contextmanager
def unchunked() -> Iterator[None]:
    """XLA counts the body of a scan once, however often it runs: here the rows of a step are one chunk."""
    kept, stream.CHUNK = stream.CHUNK, 2**60
    try:
        yield
    finally:
        stream.CHUNK = kept


def flops_per_run_step(setting: Setting) -> float:
    """XLA's count for one compiled step of one run, optimiser and metrics included, with the rows of a batch
    in one chunk.
    """
    task = setting.program.task
    one = jax.tree.map(lambda x: np.asarray(x)[0], setting.hypers)
    rows = data.splits(task, jax.tree.map(lambda x: np.asarray(x)[:1], setting.hypers))[0].train
    train = None if not task.finite else data.rows_of(data.table_of(task), rows)
    with unchunked():
        one_step = jax.jit(functools.partial(step.step, setting.program))
        # The count is taken before machine code is made, so that need not be good.
        options: dict[str, str | bool] | None = (
            {"xla_backend_optimization_level": "0"} if jax.default_backend() == "cpu" else None
        )
        counted: Any = (
            one_step.lower(one, train, shapes(setting.program))
            .compile(compiler_options=options)
            .cost_analysis()
        )
        return counted["flops"]
