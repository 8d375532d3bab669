"""What a sweep will cost, from its sizes alone: nothing is compiled or written."""

import dataclasses
import os
from typing import NamedTuple

import jax
import rich.console
import rich.table

from grokjax import sweep, tasks, training, trees
from grokjax.checkpoints import schedule
from grokjax.cli import cluster
from grokjax.cli.request import Request
from grokjax.training import data
from grokjax.training.devices import default_block
from grokjax.training.state import shapes

FULL_STATES = 3
"""The newest two and the newest whole epoch are kept with their optimiser state."""
MEMORY_SHARE = 0.8
"""Of the memory that is free, what a part of a sweep may take."""
STATES_TRAINED, STATES_SAVED = 2, 4
"""How often a state is held where it trains (before and after an epoch), and by the host while it is saved: a
copy, the storage library's, and what C's allocator keeps. Measured: 5.8 together for 5 digits, 256 and 768
runs, every epoch saved."""
FIXED_MEMORY = 600e6
"""Bytes of Python, JAX and its compiled programs."""
FIXED_DISK = 5e6
"""Bytes of pictures and tables."""


class Plan(NamedTuple):
    """Sizes of a sweep. Bytes are of memory or disk; `epochs` are those that will be saved."""

    num_runs: int
    parameters: int
    block: int
    devices: list[jax.Device]
    epochs: tuple[int, ...]
    memory: float
    disk: float
    part_runs: int


def plan(request: Request) -> Plan:
    """The plan of a request. ValueError for a training set without examples."""
    if request.task.finite:
        for fraction in set(data.as_decimal(request.hypers.train_fraction)):
            tasks.split(len(request.task.table().tokens), fraction, 0)
    devices = jax.devices()
    state = shapes(training.Program(request.task, request.config, request.recipe))
    epochs = schedule.epochs(request.save, -(-request.steps // request.epoch_steps))
    block = request.block or default_block(request.config, request.task, devices[0].platform)
    num_runs = sweep.num_runs(request.hypers)
    # Several processes: each on a machine of its own, holding an equal share.
    part_runs = min(num_runs, jax.process_count() * cluster.least(most_runs(request, state)))
    return Plan(
        num_runs=num_runs,
        parameters=trees.num_parameters(state.params),
        block=block,
        devices=devices,
        epochs=epochs,
        memory=FIXED_MEMORY + part_runs * sum(memory_per_run(request, state)),
        part_runs=part_runs,
        disk=FIXED_DISK + num_runs * disk_per_run(request, state, len(epochs)),
    )


def metrics_per_step(request: Request, state: training.RunState) -> int:
    """Bytes of what is kept of every step of a run: loss and accuracy per answer, exact match, norms in total
    and per tensor.
    """
    return 4 * (2 * len(request.task.columns) + 3 + len(jax.tree.leaves(state.params)))


def memory_per_run(request: Request, state: training.RunState) -> tuple[float, float]:
    """Bytes of the device that trains, and of the host beside it."""
    metrics = request.epoch_steps * metrics_per_step(request, state)
    return STATES_TRAINED * trees.num_bytes(state) + metrics, STATES_SAVED * trees.num_bytes(state) + metrics


def disk_per_run(request: Request, state: training.RunState, num_saved: int) -> float:
    """Bytes: a snapshot of the parameters per saved epoch, the newest full states (all with --save all),
    metrics of every step.
    """
    full = num_saved if schedule.keeps_everything(request.save) else min(FULL_STATES, num_saved)
    rest = trees.num_bytes(state) - trees.num_bytes(state.params)
    return (
        num_saved * trees.num_bytes(state.params)
        + full * rest
        + request.steps * metrics_per_step(request, state)
    )


def most_runs(request: Request, state: training.RunState) -> int:
    """The runs that fit into memory at once, at least one: into an accelerator's and the host's, or into the
    host's alone.
    """
    trained, saved = memory_per_run(request, state)
    host, device = free_memory()
    fits = lambda memory, each: int((MEMORY_SHARE * memory - FIXED_MEMORY) / each)
    return max(
        1, fits(host, trained + saved) if device is None else min(fits(device, trained), fits(host, saved))
    )


def free_memory() -> tuple[float, float | None]:
    """Bytes that are free: of the host, and of all accelerators of this process (None where they have none of
    their own).
    """
    host = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = [device.memory_stats() if device.platform != "cpu" else None for device in jax.local_devices()]
    own = [
        stats["bytes_limit"] - stats.get("bytes_in_use", 0)
        for stats in found
        if stats and "bytes_limit" in stats
    ]
    return host, sum(own) if own else None


def size(num_bytes: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(num_bytes) < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "B" else f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} TB"


def describe(request: Request, made: Plan) -> list[tuple[str, str]]:
    """The plan in words: what and how much."""
    config, kind = request.config, made.devices[0].platform
    num_parts = -(-made.num_runs // made.part_runs)
    together = (
        "all at once"
        if num_parts == 1
        else f"in {num_parts} parts of at most {made.part_runs}, which fit into memory"
    )
    mlp = f"MLP {config.mlp_width}" if config.mlp else "no MLP"
    return [
        ("task", task_in_words(request)),
        ("model", f"layers {config.num_layers}, width {config.d_model}, heads {config.num_heads}, {mlp}"),
        (
            "runs",
            f"{made.num_runs}, {together}; {kind} devices: {len(made.devices)}, runs in a block: {made.block}",
        ),
        ("parameters", f"{made.parameters:,} a run, {made.parameters * made.num_runs:,} in all"),
        ("steps", f"{request.steps:,} of each run, {request.epoch_steps} to an epoch"),
        ("saved", f"{len(made.epochs)} epochs ({request.save}), about {size(made.disk)} on disk"),
        ("memory", f"about {size(made.memory)}"),
        ("time", "known after the first epoch"),
        ("directory", request.output),
    ]


def task_in_words(request: Request) -> str:
    """The task's name, the options that are not its defaults, and the sizes that follow."""
    task = request.task
    values = {
        field.name: getattr(task, field.name)
        for field in dataclasses.fields(task)
        if getattr(task, field.name) != field.default
    }
    options = [f"{name}={value}" for name, value in values.items()]
    return f"{' '.join([request.task_name, *options])}: {task.num_positions} tokens of {task.vocabulary}, {len(task.columns)} answers"


def show(request: Request, made: Plan, console: rich.console.Console) -> None:
    """Print the plan."""
    table = rich.table.Table(box=None, show_header=False, pad_edge=False)
    for row in describe(request, made):
        table.add_row(*row)
    console.print(table)
