"""How much memory a sweep takes, from its sizes alone, and how much there is."""

import pathlib
from collections.abc import Iterator

import jax
import numpy as np
import psutil

from grokjax import training, trees
from grokjax.checkpoints import multihost
from grokjax.runner.request import Request

SHARE = 0.8
"""Of the memory that is free, what a part of a sweep may take."""
STATES_TRAINED, STATES_SAVED = 2, 3
"""How often a state is held where it trains (before and after an epoch), and by the host while it is saved: a
copy, the storage library's, and what C's allocator keeps. Measured of 5 digits, every epoch saved: together
3.9 for 192 runs and 3 epochs, 4.7 for 192 and 8, 5.2 for 256 and 14, 5.8 in long sweeps."""
INFINITE = float("inf")
FIXED = 850e6
"""Bytes of Python, JAX, its compiler and the programs. Measured: 900 MB of a tiny sweep."""


def metrics_per_step(request: Request, state: training.RunState) -> int:
    """Bytes of what is kept of every step of a run: loss and accuracy per answer, exact match, norms."""
    return 4 * (2 * len(request.task.columns) + 3 + len(jax.tree.leaves(state.params)))


def per_run(request: Request, state: training.RunState) -> tuple[float, float]:
    """Bytes of the device that trains, and of the host beside it: states, metrics of an epoch, split."""
    rest = request.epoch_steps * metrics_per_step(request, state) + 4 * table_sizes(request)[0]
    size = trees.num_bytes(state)
    return STATES_TRAINED * size + rest, STATES_SAVED * size + rest


def shared(request: Request, block: int, num_devices: int) -> tuple[float, float]:
    """Bytes that do not grow with the runs, of all devices and of the host.

    A device holds the table, the rows and the activations of the runs of one block; the host holds the table.
    """
    rows, row_bytes = table_sizes(request)
    each = rows * row_bytes * (1 + block) + block * activations(request, rows)
    return num_devices * each, rows * row_bytes


def table_sizes(request: Request) -> tuple[int, int]:
    """(examples, bytes of an example) of a finite task's table; nothing for an infinite task."""
    if not request.task.finite:
        return 0, 0
    table = request.task.table()
    return len(table.tokens), sum(leaf.nbytes for leaf in jax.tree.leaves(table)) // len(table.tokens)


def activations(request: Request, rows: int) -> float:
    """Bytes of what a run holds of its examples in one step, or in one evaluation, whichever is more."""
    task, config = request.task, request.config
    most = float(np.max(np.asarray(request.hypers.train_fraction)))
    least = float(np.min(np.asarray(request.hypers.train_fraction)))
    trained = task.batch_size or int(most * rows)
    tested = int((1 - least) * rows) if task.finite else request.recipe.evaluation_size
    places = len(task.read) if config.num_layers == 1 else config.num_positions
    floats = config.num_layers * (4 * config.d_model + 3 * config.mlp_width) + 2 * config.num_outputs
    # An evaluation keeps no activations for a gradient. Measured on two devices, width 64, modulus 211 and
    # 397: 197 and 292 MB more than a tiny sweep takes; this says 181 and 804.
    return 4.0 * places * floats * max(trained, tested / 2)


def most_runs(request: Request, state: training.RunState, block: int) -> int:
    """The runs that fit into memory at once, at least one: an accelerator's and the host's, or the host's."""
    trained, saved = per_run(request, state)
    there = shared(request, block, len(jax.local_devices()))
    host, device = free_memory()
    fits = lambda memory, taken, each: int((SHARE * memory - FIXED - taken) / each)
    if device is None:
        return max(1, fits(host, sum(there), trained + saved))
    return max(1, min(fits(device, there[0], trained), fits(host, there[1], saved)))


def least(number: int) -> int:
    """The least that a process says; every process must call it."""
    return int(multihost.gather(np.asarray(number)).min())


def free_memory() -> tuple[float, float | None]:
    """Bytes that are free: of the host, and of this process's accelerators (None where they tell of none)."""
    found = [device.memory_stats() if device.platform != "cpu" else None for device in jax.local_devices()]
    own = [
        float(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
        for stats in found
        if stats and "bytes_limit" in stats
    ]
    return min(float(psutil.virtual_memory().available), *limits(), INFINITE), sum(own) if own else None


def limits(root: pathlib.Path = pathlib.Path("/"), process: str = "self") -> Iterator[float]:
    """Bytes that each group of processes above this one may still take (a container's limit), on Linux."""
    try:
        lines = (root / "proc" / process / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        names = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes")
            if controllers
            else ("memory.max", "memory.current")
        )
        own = base / path.lstrip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(base):
                yield from _left(folder, *names)


def _left(folder: pathlib.Path, limit: str, used: str) -> Iterator[float]:
    """What a group may still take; its page cache, which gives way, does not count as used."""
    try:
        most, taken = (folder / limit).read_text().strip(), int((folder / used).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return
    if most.isdigit():
        yield max(0.0, float(int(most) - taken + int(stat.get("inactive_file", 0))))
