"""What a sweep will cost, from its sizes alone: nothing is compiled or written."""

from typing import NamedTuple

import jax

from grokjax import tasks, training, trees
from grokjax.checkpoints import schedule
from grokjax.runner import memory
from grokjax.runner.request import Request
from grokjax.training import data
from grokjax.training.devices import default_block
from grokjax.training.state import Program, shapes

FULL_STATES = 3
"""The newest two and the newest whole epoch are kept with their optimiser state."""
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

    @property
    def num_parts(self) -> int:
        """The stretches of runs that are trained one after another."""
        return -(-self.num_runs // self.part_runs)


def plan(request: Request, block: int | None = None) -> Plan:
    """The plan of a request; `block` is the recorded one. ValueError for a training set without examples."""
    if request.task.finite:
        for fraction in set(data.as_decimal(request.hypers.train_fraction)):
            tasks.split(len(request.task.table().tokens), fraction, 0)
    devices = jax.devices()
    state = shapes(Program(request.task, request.config, request.recipe))
    epochs = schedule.epochs(request.save, -(-request.steps // request.epoch_steps))
    block = request.block or block or default_block(request.config, request.task, devices[0].platform)
    # Several processes: each on a machine of its own, holding an equal share.
    fitting = jax.process_count() * memory.least(memory.most_runs(request, state, block))
    part_runs = min(request.num_runs, fitting)
    shared = memory.shared(request, block, len(devices))
    return Plan(
        num_runs=request.num_runs,
        parameters=trees.num_parameters(state.params),
        block=block,
        devices=devices,
        epochs=epochs,
        memory=memory.FIXED + sum(shared) + part_runs * sum(memory.per_run(request, state)),
        part_runs=part_runs,
        disk=FIXED_DISK + request.num_runs * disk_per_run(request, state, len(epochs)),
    )


def disk_per_run(request: Request, state: training.RunState, num_saved: int) -> float:
    """Bytes of the parameters per saved epoch, the full states that are kept, and the metrics."""
    full = num_saved if schedule.keeps_everything(request.save) else min(FULL_STATES, num_saved)
    params = trees.num_bytes(state.params)
    rest = trees.num_bytes(state) - params
    return num_saved * params + full * rest + request.steps * memory.metrics_per_step(request, state)


def size(num_bytes: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(num_bytes) < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "B" else f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} TB"
