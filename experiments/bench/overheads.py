"""What keeping everything costs: metrics of every step, the evaluation, and saving, as shares of a sweep's time; and more runs."""
import functools
import pathlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from experiments.bench import ours
from experiments.bench.measuring import Contestant, in_turns, ratios, seconds, summary
from experiments.bench.workloads import Effort, Workload
from grokjax import checkpoints, training
from grokjax.checkpoints import schedule
from grokjax.training import data, epochs, loop
from grokjax.training.devices import usable_cores

STEPS = 5000
"""Optimiser steps of the sweep whose saving is reckoned: the default of `experiments.seed_sweep`."""


@functools.partial(jax.jit, static_argnames=("program", "steps", "mesh", "block"))
def bare_epoch(program: training.Program, steps: int, mesh: Mesh, block: int, *, shared: Any, runs: Any, table: Any) -> Any:
    """`steps` steps of blocks of runs on each device that keep nothing but the state."""
    def steps_of_a_block(table: Any, shared: Any, runs: Any) -> Any:
        hypers, split = shared
        one = lambda *run: loop.update(program, *run)[0]
        body = lambda _, batch, carry: (jax.vmap(one)(hypers, batch, carry[0]),)
        return loop.over_steps(program, steps, steps, (hypers, loop.own_rows(table, split)[0]), body, (runs,))[0]

    with jax.default_matmul_precision(program.recipe.precision):
        return loop.over_blocks(mesh, block, steps_of_a_block, (table,), (shared, runs))


def bare(setting: ours.Setting) -> Contestant:
    """A sampler: run-steps per second of the same runs on the same devices without metrics, evaluation or saving."""
    program, hypers, begun = setting.program, setting.hypers, next(ours.epochs(setting, epochs=0))
    splits, table = data.splits(program.task, hypers), data.table_of(program.task)
    placed = [dict(mesh=turn.mesh, block=turn.block, table=turn.put_everywhere(table), shared=epochs.place(turn, hypers, splits))
              for turn in begun.laid]

    def advance(states: Sequence[Any]) -> list[Any]:
        new = [bare_epoch(program, setting.steps, runs=runs, **own) for runs, own in zip(states, placed, strict=True)]
        return jax.block_until_ready(new)

    advance(begun.states)
    return lambda: setting.runs * setting.steps / seconds(advance, begun.states)


def seconds_of_a_save(setting: ours.Setting, saves: int) -> list[float]:
    """What each save takes from training: the time before the next epoch begins, and the processor's while it is written beside that.

    The second is CPU time over cores: training would have had all of them.
    """
    program, hypers, took = setting.program, jax.tree.map(np.asarray, setting.hypers), []
    with tempfile.TemporaryDirectory() as folder:
        spec = checkpoints.Spec(program.task, program.config, program.recipe, hypers, saves * setting.steps, setting.steps, "every:1",
                                block=setting.block_size)
        with checkpoints.create(pathlib.Path(folder) / "sweep", spec) as writer:
            (part,) = writer.parts
            for epoch in ours.epochs(setting, epochs=saves):
                blocked = seconds(part.record, epoch)
                began = time.process_time()
                part.wait()
                took.append(blocked + (time.process_time() - began) / usable_cores())
            part.finish()
    return took[1:]


def shares(workload: Workload, runs: int, effort: Effort, block: int | None) -> dict[str, Any]:
    """The shares of a sweep's time that metrics with evaluation, saving (by the default schedule) and both take."""
    setting = ours.Setting(workload, runs, 50 if runs <= 8 else 10, block)
    ours.first_step(setting)
    rates = in_turns(dict(bare=bare(setting), ours=ours.sampler(setting)), effort.overhead_rounds)
    kept = [1 - ratio for ratio in ratios(rates["ours"], rates["bare"])]
    training_seconds = STEPS * runs / statistics.median(rates["ours"])
    saves = len(schedule.epochs("log", STEPS // 50))
    saving = [saves * each / (saves * each + training_seconds) for each in seconds_of_a_save(setting, effort.rounds[8])]
    together = [a + (1 - a) * statistics.median(saving) for a in kept]
    return dict(label=workload.label, runs=runs, rounds=len(kept), **summary("metrics_and_evaluation", kept), **summary("saving", saving),
                **summary("together", together))


def more_runs(workload: Workload, effort: Effort, block: int | None) -> dict[str, Any]:
    """The cost of a run-step at 128 runs over that at 8: as many run-steps of each, in turns."""
    few, many = (ours.Setting(workload, runs, 2, block) for runs in (8, 128))
    ours.first_step(few)
    one_few = ours.sampler(few)
    rates = in_turns(dict(few=lambda: statistics.mean(one_few() for _ in range(16)), many=ours.sampler(many)), effort.rounds[8])
    return dict(label=workload.label, runs=[8, 128], **summary("cost", ratios(rates["few"], rates["many"])))
