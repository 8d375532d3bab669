"""Which runs go to which device, and how many share one program: one mechanism, from a laptop to a pod.

Every device runs the same program on its own runs and exchanges nothing. A program over several devices is
another program, which has other bits for some models; so there is none.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from grokjax.config import ModelConfig
from grokjax.objective import Task
from grokjax.training.data import Split

WORKING_SET = 2**33
"""Bytes of activations that a block may hold on an accelerator."""
LARGEST_BLOCK = 128
TURN = 2**20
"""Bytes of state that the blocks of one turn may hold. Only for small models the beginning of a turn takes
long beside the turn itself.
"""
MOST_BLOCKS = 16
"""A bound for the places that a small sweep leaves unused, which cost memory; not more than 16 were tried."""


def usable_cores() -> int:
    """The cores that this process may run on."""
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )  # macOS lacks it


def one_per_core(num_cores: int | None = None) -> None:
    """Asks for one CPU device per core, before JAX starts.

    Tiny products are no faster on two threads, but two runs are. It does nothing where the user's XLA_FLAGS
    already say how many devices there are, or on an accelerator (the flags only concern the CPU).
    """
    flags = os.environ.get("XLA_FLAGS", "")
    cores = num_cores or usable_cores()
    if "xla_force_host_platform_device_count" not in flags and cores > 1:
        os.environ["XLA_FLAGS"] = (
            f"{flags} --xla_force_host_platform_device_count={cores} --xla_cpu_multi_thread_eigen=false"
        ).strip()


def default_block(config: ModelConfig, task: Task, platform: str) -> int:
    """Runs per block: 1 on a CPU; on an accelerator the power of two whose activations fill WORKING_SET.

    It follows from sizes and the kind of device alone, never from a timing or the number of runs: it belongs
    to a run's bits.
    """
    if platform == "cpu":
        return 1
    examples = task.batch_size or (len(task.table().tokens) if task.finite else 1)
    rows = examples * (len(task.read) if config.num_layers == 1 else config.num_positions)
    floats = rows * config.num_layers * (4 * config.d_model + 3 * config.mlp_width + 2 * config.num_outputs)
    return int(2 ** np.clip(np.floor(np.log2(WORKING_SET / (4 * floats))), 0, np.log2(LARGEST_BLOCK)))


def blocks_per_turn(block_bytes: int) -> int:
    """Blocks that a device takes one after another in one turn: a power of two, and 1 for all but small
    models.

    It follows from the bytes of a block's states alone, so that a run has the same program in every sweep.
    """
    return int(2 ** np.floor(np.log2(np.clip(TURN // block_bytes, 1, MOST_BLOCKS))))


class Turn(NamedTuple):
    """Runs that go through the program of one device at once: whole blocks, as indices into the sweep.

    What is not `real` repeats another run, so that every turn has equally many.
    """

    device: Any
    block: int
    runs: np.ndarray
    real: np.ndarray

    @property
    def local(self) -> bool:
        """Whether the device belongs to this process."""
        return self.device.process_index == jax.process_index()

    def put(self, tree: PyTree) -> PyTree:
        """The leaves on the turn's device."""
        return jax.device_put(tree, self.device)


def turns(splits: Sequence[Split], block: int, devices: Sequence[Any], blocks: int = 1) -> list[Turn]:
    """Lays the runs of a sweep over devices, neighbours together, `blocks` blocks of runs to a turn.

    Devices get equally many runs, as far as whole blocks allow. Turns are ordered by process, then in the
    order in which they are to be begun: the first of every device, the second of every device, ... Runs with
    another number of training examples need another program, so they form turns of their own: a run has the
    same bits whatever fractions its neighbours have. With several processes every device gets equally many
    turns, if only of padding.
    """
    sizes = np.array([len(split.train) for split in splits])
    laid = []
    for size in np.unique(sizes):
        runs = np.flatnonzero(sizes == size)
        per_device = block * -(-len(runs) // (block * len(devices)))
        used = devices if jax.process_count() > 1 else devices[: -(-len(runs) // per_device)]
        places = np.arange(len(used) * per_device).reshape(len(used), per_device)
        added = ((0, 0), (0, -per_device % (blocks * block)))
        real = np.pad(places < len(runs), added)
        places = np.pad(np.minimum(places, len(runs) - 1), added, mode="edge")
        for begin in range(0, per_device, blocks * block):
            own = slice(begin, begin + blocks * block)
            laid += [
                Turn(device, block, runs[places[i, own]], real[i, own])
                for i, device in enumerate(used)
                if real[i, own].any() or jax.process_count() > 1
            ]
    return sorted(laid, key=lambda turn: turn.device.process_index)


def joined(pieces: Sequence[np.ndarray | jax.Array], laid: Sequence[Turn]) -> np.ndarray:
    """One array [S, ...] on the host, in the order of the sweep and without padding, from an array per local
    turn.
    """
    if jax.process_count() > 1:
        pieces = [multihost_utils.process_allgather(np.concatenate(pieces), tiled=True)]
    runs, real = (np.concatenate([getattr(turn, part) for turn in laid]) for part in ("runs", "real"))
    whole, end = np.empty((real.sum(), *pieces[0].shape[1:]), pieces[0].dtype), 0
    # each piece goes to its place at once: to copy a whole state twice more took a fifth of a save
    for piece in pieces:
        begin, end = end, end + len(piece)
        kept = real[begin:end]
        whole[runs[begin:end][kept]] = np.asarray(piece) if kept.all() else np.asarray(piece)[kept]
    return whole


def of_each_device(laid: Sequence[Turn], pieces: Sequence[Any]) -> dict[Any, np.ndarray]:
    """Device -> the rows [runs of the device, ...] of its pieces, one piece for each turn."""
    own: dict[Any, list[np.ndarray]] = {}
    for turn, piece in zip(laid, pieces, strict=True):
        own.setdefault(turn.device, []).append(np.asarray(piece))
    return {device: np.concatenate(rows) for device, rows in own.items()}


def neighbours_together(laid: Sequence[Turn]) -> bool:
    """Whether the runs are in the order of the sweep, device by device and process by process."""
    placed = [of_each_device(laid, [getattr(turn, part) for turn in laid]) for part in ("runs", "real")]
    runs, real = (np.concatenate(list(rows.values())) for rows in placed)
    return bool((np.diff(runs[real]) >= 0).all())


def joined_tree(states: Sequence[PyTree], laid: Sequence[Turn]) -> PyTree:
    """The trees of local turns as one tree of arrays.

    They lie over the mesh axis `runs` where every device holds equally many, else on the first device. With
    several processes the leaves are global arrays that end in padding; else they are [S, ...].
    """
    real = of_each_device(laid, [turn.real for turn in laid])
    devices, counts = list(real), [int(rows.sum()) for rows in real.values()]
    # a device's runs come before its padding, and only the last devices have fewer than the first
    width, ordered = max(counts), neighbours_together(laid)
    even = len(devices) > 1 and min(counts) == width
    if jax.process_count() == 1 and not (ordered and even):
        return jax.tree.map(lambda *pieces: jax.device_put(joined(pieces, laid), devices[0]), *states)
    if not ordered:
        raise ValueError(
            "with several processes every run must have equally many training examples: "
            "give train_fraction one value"
        )
    mesh = Mesh(np.array(devices), ("runs",), axis_types=(AxisType.Auto,))
    over_runs, local = NamedSharding(mesh, PartitionSpec("runs")), [turn for turn in laid if turn.local]

    def place(*pieces: Any) -> Any:
        own = of_each_device(local, pieces)
        shards = [jax.device_put(rows[:width], device) for device, rows in own.items()]
        shape = (len(devices) * width, *pieces[0].shape[1:])
        return jax.make_array_from_single_device_arrays(shape, over_runs, shards)

    return jax.tree.map(place, *states)
