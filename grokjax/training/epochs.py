"""`train`, a generator of epochs: saving, printing and stopping are the caller's plain `for` loop."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.objective import Task
from grokjax.run import Run
from grokjax.training import data, metrics
from grokjax.training.checks import check, whole
from grokjax.training.devices import Turn, blocks_per_turn, default_block, joined, joined_tree, turns
from grokjax.training.flight import Done, Flight
from grokjax.training.state import Program, RunState, Snapshot, shapes
from grokjax.trees import num_bytes


@dataclasses.dataclass(frozen=True, repr=False)
class Epoch:
    """A stretch of optimiser steps of all runs, and the runs after it.

    number: 0 before the first step
    step: optimiser steps done
    first_step: the first step of this epoch
    metrics: numpy arrays of float32 by name, NaN once a run is stopped
      of the steps first_step … step - 1 (T of them, none in epoch 0), each before its update: loss, accuracy
      [S, T, C] (column k = digit k, 0 = units); exact_match, gradient_norm, gradient_norm.NAME,
      parameter_norm [S, T]
      of the evaluations, after test_step [E] updates (0 and every `evaluate_every`): test_loss, test_accuracy
      [S, E, C], test_exact_match [S, E]
    active: which runs are still training, [S]
    diverged: which were frozen because loss or gradient was not finite, [S]
    """

    number: int
    step: int
    first_step: int
    metrics: dict[str, np.ndarray]
    active: np.ndarray
    diverged: np.ndarray
    program: Program
    hypers: Hyper
    states: tuple[RunState, ...]
    laid: tuple[Turn, ...]

    @functools.cached_property
    def state(self) -> RunState:
        """The training state of all runs, leaves [S, ...].

        They lie over the mesh axis `runs` where several devices train (see `devices.joined_tree`).
        """
        return joined_tree(self.states, self.laid)

    @property
    def runs(self) -> Run:
        """All runs as one stack, leaves [S, ...]."""
        params, program = self.state.params, self.program
        # among several processes the parameters end in padding
        more = len(self.state.step) - len(self.hypers.seed)
        hypers = self.hypers
        if more:
            hypers = jax.tree.map(lambda x: np.pad(np.asarray(x), (0, more), mode="edge"), hypers)
        return Run(program.task, program.config, params, hypers, program.recipe)

    def on_host(self) -> RunState:
        """The same state as numpy arrays, and not kept: for a save.

        With several processes it is `state`, global arrays of which each process has a part.
        """
        if jax.process_count() > 1:
            return self.state
        return jax.tree.map(lambda *pieces: joined(pieces, self.laid), *self.states)

    def __repr__(self) -> str:
        """One line: medians over runs of the epoch's last losses."""
        if not self.metrics["loss"].shape[1]:
            return f"epoch {self.number}: step {self.step}, {len(self.active)} runs"
        last = np.nanmedian(self.metrics["loss"][:, -1].mean(-1))
        tests = self.metrics["test_loss"].mean(-1)[:, -1:]
        test = f", test {np.nanmedian(tests):.3g}" if np.isfinite(tests).any() else ""
        runs = f"medians of {len(self.active)} runs, {self.active.sum()} active"
        return f"epoch {self.number}: step {self.step}, train {last:.3g}{test} ({runs})"


def train(
    task: Task,
    config: ModelConfig,
    recipe: Recipe,
    hypers: Hyper,
    *,
    steps: int,
    epoch_steps: int = 50,
    block: int | None = None,
    resume_from: Snapshot | Epoch | None = None,
    devices: Sequence[Any] | None = None,
    goes_on: Callable[[], bool] = lambda: True,
) -> Iterator[Epoch]:
    """Trains all runs of `hypers` [S]; yields epoch 0 (nothing is trained yet), then 1, 2, ...

    steps: optimiser steps of each run in all; 0 gives epoch 0 alone
    epoch_steps: those of an epoch (the last may be shorter)
    block: runs per block, which belongs to a run's bits (None: `default_block`)
    resume_from: a `Snapshot` or an `Epoch` to go on from; its own epoch is not repeated
    devices: on which to train (None: all, of every process); they do not change the bits
    goes_on: asked when an epoch is trained; if True, the devices begin the next one while the caller has
      this, also if it then stops

    It ends early when no run is active: all are stopped (`Recipe.stop_below`) or diverged. What it yields
    stays valid. Raises ValueError, before anything is compiled, for counts out of range and for what
    `checks.check` refuses.
    """
    steps, epoch_steps = whole("steps", steps, 0), whole("epoch_steps", epoch_steps, 1)
    block = None if block is None else whole("block", block, 1)
    hypers, program = check(task, config, recipe, hypers), Program(task, config, recipe)
    if resume_from is not None and len(resume_from.state.step) != len(hypers.seed):
        given = f"resume_from has {len(resume_from.state.step)} runs, hypers {len(hypers.seed)}"
        raise ValueError(f"{given}: they must be the same runs")
    devices = list(devices or jax.devices())
    block = block or default_block(config, task, devices[0].platform)
    splits = data.splits(task, hypers)
    laid = turns(splits, block, devices, blocks_per_turn(block * num_bytes(shapes(program))))
    made = functools.partial(Epoch, program=program, hypers=hypers, laid=tuple(laid))
    prepare = functools.partial(Flight, program, hypers, splits, laid, epoch_steps)
    return _epochs(prepare, made, steps, resume_from, goes_on)


def _epochs(
    prepare: Callable[[], Flight],
    made: Callable[..., Epoch],
    steps: int,
    resume_from: Any,
    goes_on: Callable[[], bool],
) -> Iterator[Epoch]:
    flight = prepare()
    if resume_from is None:
        if steps:
            flight.compile()
        number, step, done = 0, 0, flight.start()
        active, diverged = flight.flags()
        yield made(0, 0, 0, read(flight, done, 0, 0), active, diverged, states=states_of(done))
        del done
    else:
        number, step = resume_from.number, int(resume_from.step)
        flight.resume(resume_from.state)
        active, resume_from = flight.flags()[0], None  # what is trained on is held once
    length = lambda step: min(flight.epoch_steps - step % flight.epoch_steps, steps - step)
    while step < steps and active.any():
        first, count = step, length(step)
        flight.begin(first, count)
        done = flight.land()
        active, diverged = flight.flags()
        number, step = number + 1, first + count
        if step < steps and active.any() and jax.process_count() == 1 and goes_on():
            # The devices go on while the host reads, keeps and saves this epoch: with one turn each, so that
            # little more memory is held, and not among several processes, where what they gather would wait
            # for it.
            flight.begin(step, length(step), len(flight.devices))
        measured = read(flight, done, first, count)
        epoch = made(number, step, first, measured, active, diverged, states=states_of(done))
        del done
        yield epoch
        del epoch  # its states are freed when the caller has dropped it too


def states_of(done: Sequence[Done]) -> tuple[RunState, ...]:
    """The states after each turn."""
    return tuple(each.state for each in done)


def read(flight: Flight, done: Sequence[Done], first: int, count: int) -> dict[str, np.ndarray]:
    """Metrics by name in the order of the sweep, of `count` steps from `first` (0: those of the start)."""
    at_step, at_evaluation = metrics.layout(flight.program)
    every, laid = flight.program.recipe.evaluate_every, flight.laid
    if count:
        evaluated = np.arange(first // every + 1, (first + count) // every + 1)
        steps = joined([np.asarray(each.kept)[:, :count] for each in done], laid)
    else:
        evaluated = np.zeros(1, int)
        steps = np.zeros((sum(turn.real.sum() for turn in laid), 0, sum(at_step.values())), np.float32)
    seen = joined([np.asarray(each.seen)[:, : len(evaluated)] for each in done], laid)
    tested = metrics.unpack(at_evaluation, seen)
    return metrics.unpack(at_step, steps) | tested | dict(test_step=evaluated * every)
