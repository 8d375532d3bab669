"""`train`, a generator of epochs: saving, printing and stopping are the caller's plain `for` loop."""
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.objective import Task
from grokjax.training import data, loop
from grokjax.training.devices import Block, blocks, default_block, joined, joined_tree
from grokjax.training.state import Program, RunState


@dataclasses.dataclass(frozen=True)
class Epoch:
    """A stretch of optimiser steps of all runs, and their state after it.

    number: 0 before the first step;  step: optimiser steps done;  first_step: of this epoch
    metrics: numpy, float32, of the steps first_step … step - 1 (T of them), each measured before its update, NaN once a run is stopped:
      loss, accuracy [S, T, C] (column k = digit k, 0 = units);  exact_match, gradient_norm, gradient_norm.NAME, parameter_norm [S, T]
      test_loss, test_accuracy [S, E, C], test_exact_match [S, E] after test_step [E] updates: 0 and every `evaluate_every`
    active, diverged: [S], which runs are still training, and which were frozen because loss or gradient was not finite
    """
    number: int
    step: int
    first_step: int
    metrics: dict[str, np.ndarray]
    states: tuple[RunState, ...] = dataclasses.field(repr=False)
    active: np.ndarray = dataclasses.field(repr=False)
    diverged: np.ndarray = dataclasses.field(repr=False)
    laid: tuple[Block, ...] = dataclasses.field(repr=False)

    @functools.cached_property
    def runs(self) -> RunState:
        """The state of all runs, leaves [S, ...], over the mesh axis `runs` where several devices train (see `devices.joined_tree`)."""
        return joined_tree(self.states, self.laid)

    def on_host(self) -> RunState:
        """The same as numpy arrays, and not kept: for a save. With several processes the global arrays, of which each has a part."""
        if jax.process_count() > 1:
            return self.runs
        return jax.tree.map(lambda *pieces: joined([np.asarray(piece) for piece in pieces], self.laid), *self.states)

    def __str__(self) -> str:
        """One line: medians over runs of the epoch's last losses."""
        if not self.metrics["loss"].shape[1]:
            return f"epoch {self.number}: step {self.step}, {len(self.active)} runs"
        last = np.nanmedian(self.metrics["loss"][:, -1].mean(-1))
        tests = self.metrics["test_loss"].mean(-1)[:, -1:]
        test = f", test {np.nanmedian(tests):.3g}" if np.isfinite(tests).any() else ""
        runs = f"medians of {len(self.active)} runs, {self.active.sum()} active"
        return f"epoch {self.number}: step {self.step}, train {last:.3g}{test} ({runs})"


def train(task: Task, config: ModelConfig, recipe: Recipe, hypers: Hyper, *, epochs: int | None = None, steps: int = 50,
          until: int | None = None, block: int | None = None, first: Any = None, devices: Sequence[Any] | None = None) -> Iterator[Epoch]:
    """Epochs of `steps` optimiser steps of all runs of `hypers` [S]: number 0 (nothing trained yet), then 1, 2, ...

    epochs: how many;  until: optimiser steps in all instead (the last epoch may be shorter)
    first: go on from this epoch, kept or restored (anything with number, step and runs); number 0 is then not repeated
    block: runs per block, part of a run's bits (None: `default_block`);  devices: all of every process
    It ends early when no run is active: all stopped (`Recipe.stop_below`) or diverged. What it yields stays valid.
    Raises ValueError, before anything is compiled, for bad counts.
    """
    last = until if until is not None else steps * (epochs or 0)
    counts = (("steps", steps, 1), ("epochs" if until is None else "until", last, 0), ("block", 1 if block is None else block, 1))
    for name, value, least in counts:
        if value < least:
            raise ValueError(f"{name}={value} must be at least {least}")
    devices = list(devices or jax.devices())
    block = block or default_block(config, task, devices[0].platform)
    splits = data.splits(task, hypers)
    return _epochs(Program(task, config, recipe), hypers, blocks(splits, block, devices), splits, (steps, last), first)


def _epochs(program: Program, hypers: Hyper, laid: list[Block], splits: list[data.Split], span: tuple[int, int],
            first: Any) -> Iterator[Epoch]:
    steps, last = span
    local = [block for block in laid if block.local]
    table = data.table_of(program.task)
    tables = {device: jax.device_put(table, device) for device in {block.device for block in local}}
    placed = [(place(block, hypers, splits), tables[block.device]) for block in local]
    made = functools.partial(Epoch, laid=tuple(laid))
    if first is None:
        states, scores = begun(program, local, placed)
        number, step = 0, 0
        yield made(0, 0, 0, metrics_of(program, laid, (None, scores), np.zeros(1, int)), tuple(states), *flags(states, laid))
    else:
        states = [jax.device_put(rows(first.runs, block), block.device) for block in local]
        number, step, first = first.number, int(first.step), None
    active = flags(states, laid)[0]
    advance = functools.partial(loop.epoch, program, steps)
    if step < last and active.any():
        compile_for_each_device(advance, local, placed, states)
    while step < last and active.any():
        count = min(steps - step % steps, last - step)
        results: list[Any] = [None] * len(local)
        before = dict(enumerate(states))
        del states      # a block's state is freed once it is advanced and the caller has dropped the epoch that holds it
        for i in interleaved(local):
            shared, own_table = placed[i]
            results[i] = advance(span=(np.int32(step), np.int32(count)), shared=shared, runs=before.pop(i), table=own_table)
        states = [state for state, *_ in results]
        active, diverged = flags(states, laid)
        evaluated = np.arange(step // program.recipe.evaluate_every + 1, (step + count) // program.recipe.evaluate_every + 1)
        measured = [np.asarray(kept)[:, :count] for _, kept, _ in results], [np.asarray(seen)[:, :len(evaluated)] for *_, seen in results]
        metrics = metrics_of(program, laid, measured, evaluated * program.recipe.evaluate_every)
        number, step = number + 1, step + count
        yield made(number, step, step - count, metrics, tuple(states), active, diverged)


def interleaved(local: Sequence[Block]) -> list[int]:
    """Blocks in an order that gives every device its first before any its second: all devices begin to work at once."""
    turn: dict[Any, int] = {}
    keyed = []
    for i, block in enumerate(local):
        turn[block.device] = turn.get(block.device, -1) + 1
        keyed.append((turn[block.device], i))
    return [i for _, i in sorted(keyed)]


def flags(states: Sequence[RunState], laid: Sequence[Block]) -> tuple[np.ndarray, np.ndarray]:
    """Which runs are active and which diverged, [S] each."""
    alive, stopped = (joined([np.asarray(getattr(state, name)) for state in states], laid) for name in ("alive", "stopped"))
    return alive & ~stopped, ~alive


def begun(program: Program, local: list[Block], placed: list[Any]) -> tuple[list[RunState], list[np.ndarray]]:
    """The initial state of every block and its evaluation; made on one device, so that its program is compiled once."""
    here = local[0].device
    made = [loop.begin(program, table=jax.device_put(table, here), shared=jax.device_put(shared, here)) for shared, table in placed]
    states = [jax.device_put(state, block.device) for (state, _), block in zip(made, local, strict=True)]
    return states, [np.asarray(seen) for _, seen in made]


def place(block: Block, hypers: Hyper, splits: list[data.Split]) -> tuple[Hyper, data.Split]:
    """A block's hypers and splits on its device."""
    split = data.Split(*(np.stack([getattr(splits[run], part) for run in block.runs]) for part in data.Split._fields))
    return jax.device_put((rows(hypers, block), split), block.device)


def rows(tree: PyTree, block: Block) -> PyTree:
    """A block's runs of a tree with leaves [S, ...], on the host."""
    return jax.tree.map(lambda x: np.asarray(x)[block.runs], tree)


def compile_for_each_device(advance: Any, local: list[Block], placed: list[Any], states: list[RunState]) -> None:
    """Run no steps once per device and number of training examples, side by side: each is a program of its own to XLA."""
    kinds = {(block.device, shared[1].train.shape): i for i, (block, (shared, _)) in enumerate(zip(local, placed, strict=True))}

    def run_nothing(i: int) -> None:
        shared, table = placed[i]
        advance(span=(np.int32(0), np.int32(0)), shared=shared, runs=states[i], table=table)

    with ThreadPoolExecutor(len(kinds)) as pool:
        list(pool.map(run_nothing, kinds.values()))


def metrics_of(program: Program, laid: list[Block], measured: tuple[list[np.ndarray] | None, list[np.ndarray]],
               test_steps: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics by name in the order of the sweep, from what each local block measured at its steps (None: no steps) and evaluations."""
    kept, seen = measured
    at_step, at_evaluation = loop.layout(program)
    blank = np.zeros((sum(block.size for block in laid), 0, sum(at_step.values())), np.float32)
    steps = blank if kept is None else joined(kept, laid)
    return loop.unpack(at_step, steps) | loop.unpack(at_evaluation, joined(seen, laid)) | dict(test_step=test_steps)
