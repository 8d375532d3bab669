"""Which runs go to which device, and how many share one program: one mechanism, from a laptop to a pod."""

import functools
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

WORKING_SET = 2**31
"""Bytes of activations that a block may hold on an accelerator."""
LARGEST_BLOCK = 64
TURN = 2**20
"""Bytes of state that the blocks of a device may hold to share one turn; only a turn of small models is short
beside its beginning.
"""
MOST_BLOCKS = 16
"""A bound for the places that a small sweep leaves unused, which cost memory; not more than 16 were tried."""


def usable_cores() -> int:
    """The cores that this process may run on."""
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )  # macOS lacks it


def one_per_core(num_cores: int | None = None) -> None:
    """Ask for one CPU device per core, before JAX starts: tiny products are no faster on two threads, but two
    runs are.

    Does nothing where the user's XLA_FLAGS already say how many devices there are, or on an accelerator (the
    flags only concern the CPU).
    """
    flags = os.environ.get("XLA_FLAGS", "")
    cores = num_cores or usable_cores()
    if "xla_force_host_platform_device_count" not in flags and cores > 1:
        os.environ["XLA_FLAGS"] = (
            f"{flags} --xla_force_host_platform_device_count={cores} --xla_cpu_multi_thread_eigen=false".strip()
        )


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
    """Runs that go through the program at once, blocks of them on each device: indices into the sweep, device
    by device.

    What is not `real` repeats a device's last run, to give every device and every turn equally many.
    """

    devices: tuple[Any, ...]
    block: int
    runs: np.ndarray
    real: np.ndarray

    @property
    def local(self) -> bool:
        """Whether the devices belong to this process."""
        return self.devices[0].process_index == jax.process_index()

    @property
    def mesh(self) -> Mesh:
        """The devices along the axis `runs`."""
        return mesh_of(self.devices)

    def put(self, tree: PyTree) -> PyTree:
        """Leaves [runs of the turn, ...] on its devices, each with its own runs."""
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec("runs")))

    def put_everywhere(self, tree: PyTree) -> PyTree:
        """Leaves on each of its devices."""
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))


@functools.cache
def mesh_of(devices: tuple[Any, ...]) -> Mesh:
    """The axis `runs` over these devices."""
    return Mesh(np.array(devices), ("runs",), axis_types=(AxisType.Auto,))


def turns(splits: Sequence[Split], block: int, devices: Sequence[Any], blocks: int = 1) -> list[Turn]:
    """The runs of a sweep in blocks, laid over devices as evenly as blocks allow, neighbours together: a turn
    is `blocks` of each device.

    Runs with another number of training examples need another program, so they form turns of their own: a run
    has the same bits whatever fractions its neighbours have. With several processes every device gets equally
    many blocks, if only of padding, and each process has turns of its own, the first process the first.
    """
    sizes = np.array([len(split.train) for split in splits])
    laid = []
    for size in np.unique(sizes):
        runs = np.flatnonzero(sizes == size)
        per_device = block * -(-len(runs) // (block * len(devices)))
        used = devices if jax.process_count() > 1 else devices[: -(-len(runs) // per_device)]
        places = np.arange(len(used) * per_device).reshape(len(used), per_device)
        added = ((0, 0), (0, -per_device % (blocks * block)))
        real, places = (
            np.pad(places < len(runs), added),
            np.pad(np.minimum(places, len(runs) - 1), added, mode="edge"),
        )
        for process in dict.fromkeys(device.process_index for device in used):
            own = [i for i, device in enumerate(used) if device.process_index == process]
            for k in range(0, per_device, blocks * block):
                taken = (own, slice(k, k + blocks * block))
                laid.append(
                    Turn(
                        tuple(used[i] for i in own),
                        block,
                        runs[places[taken].reshape(-1)],
                        real[taken].reshape(-1),
                    )
                )
    return sorted(laid, key=lambda turn: turn.devices[0].process_index)


def joined(pieces: Sequence[np.ndarray | jax.Array], laid: Sequence[Turn]) -> np.ndarray:
    """One array [S, ...] on the host, in the order of the sweep and without padding, from an array per local
    turn.
    """
    if jax.process_count() > 1:
        pieces = [multihost_utils.process_allgather(np.concatenate(pieces), tiled=True)]
    runs, real = (np.concatenate([getattr(turn, part) for turn in laid]) for part in ("runs", "real"))
    whole, end = np.empty((real.sum(), *pieces[0].shape[1:]), pieces[0].dtype), 0
    for (
        piece
    ) in pieces:  # each goes to its place at once: a whole state copied twice more took a fifth of a save
        begin, end = end, end + len(piece)
        kept = real[begin:end]
        whole[runs[begin:end][kept]] = np.asarray(piece) if kept.all() else np.asarray(piece)[kept]
    return whole


def by_device(pieces: Sequence[Any], num_devices: int) -> np.ndarray:
    """[devices, runs of a device, ...] from an array per turn."""
    return np.concatenate(
        [np.asarray(piece).reshape(num_devices, -1, *piece.shape[1:]) for piece in pieces], 1
    )


def of_each_device(laid: Sequence[Turn], part: str) -> np.ndarray:
    """[devices, runs of a device], `runs` or `real` of the turns, process by process."""
    own: dict[tuple[Any, ...], list[np.ndarray]] = {}
    for turn in laid:
        own.setdefault(turn.devices, []).append(getattr(turn, part))
    return np.concatenate([by_device(pieces, len(devices)) for devices, pieces in own.items()])


def neighbours_together(laid: Sequence[Turn]) -> bool:
    """Whether the runs are in the order of the sweep, device by device and process by process."""
    return bool((np.diff(of_each_device(laid, "runs").reshape(-1)) >= 0).all())


def joined_tree(states: Sequence[PyTree], laid: Sequence[Turn]) -> PyTree:
    """Local turns' trees as one tree of arrays, over the mesh axis `runs` where every device holds equally
    many, else on the first.

    With several processes the leaves are global arrays that end in padding; else they are [S, ...].
    """
    devices = tuple(dict.fromkeys(device for turn in laid for device in turn.devices))
    real, ordered = of_each_device(laid, "real"), neighbours_together(laid)
    width = real.sum(
        1
    ).max()  # a device's runs come before its padding, and only the last devices have fewer than the first
    even = len(devices) > 1 and real.sum() == len(devices) * width
    if jax.process_count() == 1 and not (ordered and even):
        return jax.tree.map(lambda *pieces: jax.device_put(joined(pieces, laid), devices[0]), *states)
    if not ordered:
        raise ValueError(
            "with several processes every run must have equally many training examples: give train_fraction one value"
        )
    over_runs = NamedSharding(mesh_of(devices), PartitionSpec("runs"))
    local = next(turn.devices for turn in laid if turn.local)

    def place(*pieces: Any) -> Any:
        own = by_device(pieces, len(local))[:, :width]
        shards = [jax.device_put(rows, device) for rows, device in zip(own, local, strict=True)]
        return jax.make_array_from_single_device_arrays(
            (len(devices) * width, *own.shape[2:]), over_runs, shards
        )

    return jax.tree.map(place, *states)
