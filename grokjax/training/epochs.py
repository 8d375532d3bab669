"""`train`, a generator of epochs: saving, printing and stopping are the caller's plain `for` loop."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.objective import Task
from grokjax.training import data, loop
from grokjax.training.devices import Turn, blocks_per_turn, default_block, joined, joined_tree, turns
from grokjax.training.state import Program, RunState, shapes
from grokjax.trees import num_bytes


@dataclasses.dataclass(frozen=True)
class Epoch:
    """A stretch of optimiser steps of all runs, and their state after it.

    number: 0 before the first step;  step: optimiser steps done;  first_step: of this epoch
    metrics: numpy, float32, of the steps first_step … step - 1 (T of them), each measured before its update,
      NaN once a run is stopped:
      loss, accuracy [S, T, C] (column k = digit k, 0 = units);  exact_match, gradient_norm,
      gradient_norm.NAME, parameter_norm [S, T] test_loss, test_accuracy [S, E, C], test_exact_match [S, E]
      after test_step [E] updates: 0 and every `evaluate_every`
    active, diverged: [S], which runs are still training, and which were frozen because loss or gradient was
      not finite
    """

    number: int
    step: int
    first_step: int
    metrics: dict[str, np.ndarray]
    states: tuple[RunState, ...] = dataclasses.field(repr=False)
    active: np.ndarray = dataclasses.field(repr=False)
    diverged: np.ndarray = dataclasses.field(repr=False)
    laid: tuple[Turn, ...] = dataclasses.field(repr=False)

    @functools.cached_property
    def runs(self) -> RunState:
        """The state of all runs, leaves [S, ...], over the mesh axis `runs` where several devices train (see
        `devices.joined_tree`).
        """
        return joined_tree(self.states, self.laid)

    def on_host(self) -> RunState:
        """The same as numpy arrays, and not kept: for a save. With several processes the global arrays, of
        which each has a part.
        """
        if jax.process_count() > 1:
            return self.runs
        return jax.tree.map(lambda *pieces: joined(pieces, self.laid), *self.states)

    def __str__(self) -> str:
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
    epochs: int | None = None,
    steps: int = 50,
    until: int | None = None,
    block: int | None = None,
    first: Any = None,
    devices: Sequence[Any] | None = None,
    goes_on: Callable[[], bool] = lambda: True,
) -> Iterator[Epoch]:
    """Epochs of `steps` optimiser steps of all runs of `hypers` [S]: number 0 (nothing trained yet), then 1,
    2, ...

    epochs: how many;  until: optimiser steps in all instead (the last epoch may be shorter)
    first: go on from this epoch, kept or restored (anything with number, step and runs); number 0 is then not
      repeated
    block: runs per block, part of a run's bits (None: `default_block`);  devices: all of every process
    goes_on: asked when an epoch is trained; if True, the devices begin the next one while the caller has
      this, also if it then stops
    It ends early when no run is active: all stopped (`Recipe.stop_below`) or diverged. What it yields stays
      valid.
    Raises ValueError, before anything is compiled, for bad counts.
    """
    last = until if until is not None else steps * (epochs or 0)
    counts = (
        ("steps", steps, 1),
        ("epochs" if until is None else "until", last, 0),
        ("block", 1 if block is None else block, 1),
    )
    for name, value, least in counts:
        if value < least:
            raise ValueError(f"{name}={value} must be at least {least}")
    devices = list(devices or jax.devices())
    block = block or default_block(config, task, devices[0].platform)
    splits, program = data.splits(task, hypers), Program(task, config, recipe)
    laid = turns(splits, block, devices, blocks_per_turn(block * num_bytes(shapes(program))))
    return _epochs(program, hypers, laid, splits, (steps, last), first, goes_on)


def _epochs(
    program: Program,
    hypers: Hyper,
    laid: list[Turn],
    splits: list[data.Split],
    span: tuple[int, int],
    first: Any,
    goes_on: Callable[[], bool],
) -> Iterator[Epoch]:
    steps, last = span
    local = [turn for turn in laid if turn.local]
    table, by_devices = data.table_of(program.task), {turn.devices: turn for turn in local}
    tables = {devices: turn.put_everywhere(table) for devices, turn in by_devices.items()}
    placed = [(place(turn, hypers, splits), tables[turn.devices]) for turn in local]
    made = functools.partial(Epoch, laid=tuple(laid))
    advance = functools.partial(loop.epoch, program, steps)
    length = lambda step: min(steps - step % steps, last - step)
    span_at = functools.lru_cache(len(by_devices))(
        lambda devices, step: span_of(by_devices[devices], step, length(step))
    )

    def begin(step: int, states: list[RunState], which: slice) -> list[Any]:
        """Begin the epoch from `step` for some local turns. Their states leave the list, so that each is
        freed once its turn is done and the caller has dropped the epoch that holds it."""
        return [
            advance(
                turn.mesh,
                turn.block,
                span=span_at(turn.devices, step),
                shared=shared,
                runs=states.pop(0),
                table=table,
            )
            for turn, (shared, table) in list(zip(local, placed, strict=True))[which]
        ]

    compiled = functools.partial(compile_side_by_side, program, advance, local, placed)
    ahead = compiled() if first is None and last else []
    if first is None:
        begun = [
            loop.begin(program, turn.mesh, turn.block, table=table, shared=shared)
            for turn, (shared, table) in zip(local, placed, strict=True)
        ]
        states, scores = [state for state, _ in begun], [np.asarray(seen) for _, seen in begun]
        del begun
        number, step = 0, 0
        yield made(
            0,
            0,
            0,
            metrics_of(program, laid, (None, scores), np.zeros(1, int)),
            tuple(states),
            *flags(states, laid),
        )
    else:
        states = [turn.put(rows(first.runs, turn)) for turn in local]
        number, step, first = first.number, int(first.step), None
    states = [
        state.replace(stopped=turn.put(np.asarray(state.stopped) | ~turn.real))
        for turn, state in zip(local, states, strict=True)
    ]
    active = flags(states, laid)[0]
    if step < last and active.any():
        for kind in ahead or compiled():
            kind.result()
    early: list[Any] = []
    while step < last and active.any():
        count = length(step)
        del states[: len(early)]
        results = early + begin(step, states, slice(len(early), None))
        states, early = [state for state, *_ in results], []
        active, diverged = flags(states, laid)
        if step + count < last and active.any() and jax.process_count() == 1 and goes_on():
            # The devices go on while the host reads, keeps and saves this epoch: with one turn, so that
            # little more memory is held, and not among several processes, where what they gather would wait
            # for it.
            early = begin(step + count, states[:1], slice(1))
        evaluated = np.arange(
            step // program.recipe.evaluate_every + 1, (step + count) // program.recipe.evaluate_every + 1
        )
        measured = (
            [np.asarray(kept)[:, :count] for _, kept, _ in results],
            [np.asarray(seen)[:, : len(evaluated)] for *_, seen in results],
        )
        del results
        metrics = metrics_of(program, laid, measured, evaluated * program.recipe.evaluate_every)
        number, step = number + 1, step + count
        yield made(number, step, step - count, metrics, tuple(states), active, diverged)


def flags(states: Sequence[RunState], laid: Sequence[Turn]) -> tuple[np.ndarray, np.ndarray]:
    """Which runs are active and which diverged, [S] each."""
    alive, stopped = (
        joined([getattr(state, name) for state in states], laid) for name in ("alive", "stopped")
    )
    return alive & ~stopped, ~alive


def place(turn: Turn, hypers: Hyper, splits: list[data.Split]) -> tuple[Hyper, data.Split]:
    """The hypers and splits of a turn on its devices."""
    split = data.Split(
        *(np.stack([getattr(splits[run], part) for run in turn.runs]) for part in data.Split._fields)
    )
    return turn.put((rows(hypers, turn), split))


def span_of(turn: Turn, first: int, count: int) -> tuple[Any, Any]:
    """Which steps a turn takes, on its devices: made once for all turns of an epoch, since this takes longer
    than to begin one.
    """
    return turn.put_everywhere((np.int32(first), np.int32(count)))


def rows(tree: PyTree, turn: Turn) -> PyTree:
    """The runs of a turn, of a tree with leaves [S, ...], on the host."""
    return jax.tree.map(lambda x: np.asarray(x)[turn.runs], tree)


def compile_side_by_side(
    program: Program, advance: Any, local: list[Turn], placed: list[Any]
) -> list[Future[None]]:
    """Begin to compile what trains, a program per number of training examples, all at once and beside what is
    done meanwhile.

    Each is called for no steps of runs that are all zero.
    """
    kinds = {
        (turn.devices, shared[1].train.shape): i
        for i, (turn, (shared, _)) in enumerate(zip(local, placed, strict=True))
    }

    def run_nothing(i: int) -> None:
        (shared, table), turn = placed[i], local[i]
        blank = turn.put(
            jax.tree.map(lambda x: np.zeros((len(turn.runs), *x.shape), x.dtype), shapes(program))
        )
        advance(turn.mesh, turn.block, span=span_of(turn, 0, 0), shared=shared, runs=blank, table=table)

    pool = ThreadPoolExecutor(len(kinds))
    compiling = [pool.submit(run_nothing, i) for i in kinds.values()]
    pool.shutdown(wait=False)
    return compiling


def metrics_of(
    program: Program,
    laid: list[Turn],
    measured: tuple[list[np.ndarray] | None, list[np.ndarray]],
    test_steps: np.ndarray,
) -> dict[str, np.ndarray]:
    """Metrics by name in the order of the sweep, from what each local turn measured at its steps (None: no
    steps) and evaluations.
    """
    kept, seen = measured
    at_step, at_evaluation = loop.layout(program)
    blank = np.zeros((sum(turn.real.sum() for turn in laid), 0, sum(at_step.values())), np.float32)
    steps = blank if kept is None else joined(kept, laid)
    return (
        loop.unpack(at_step, steps)
        | loop.unpack(at_evaluation, joined(seen, laid))
        | dict(test_step=test_steps)
    )
