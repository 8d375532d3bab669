"""What keeping everything costs: metrics of every step, the evaluation, and saving, as shares of a sweep's
time; and more runs.
"""

import dataclasses
import functools
import pathlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from experiments.benchmarks import ours
from experiments.benchmarks.measuring import (
    LONG_ENOUGH,
    Contestant,
    in_turns,
    ratios,
    seconds,
    summary,
    with_interval,
)
from experiments.benchmarks.workloads import Effort, Workload
from grokjax import checkpoints, training
from grokjax.checkpoints import schedule
from grokjax.training import loop, step
from grokjax.training.devices import usable_cores

STEPS = 5000
"""Optimiser steps of the sweep whose saving is reckoned: the default of `experiments.seed_sweep`."""
SAVES = 9
"""How many are timed."""
STRETCH = 20
"""Steps of a sample: metrics cost a few percent, which neighbouring seconds differ by."""


@functools.partial(jax.jit, static_argnames=("program", "steps", "block"))
def bare_epoch(
    program: training.Program, steps: int, block: int, *, shared: Any, runs: Any, table: Any
) -> Any:
    """`steps` steps of blocks of runs that keep nothing but the state."""

    def steps_of_a_block(table: Any, shared: Any, runs: Any) -> Any:
        hypers, split = shared
        one = lambda *run: step.update(program, *run)[0]
        body = lambda _, batch, carry: (jax.vmap(one)(hypers, batch, carry[0]),)
        return loop.over_steps(
            program, steps, steps, (hypers, loop.own_rows(table, split)[0]), body, (runs,)
        )[0]

    with jax.default_matmul_precision(program.recipe.precision):
        return loop.over_blocks(block, steps_of_a_block, (table,), (shared, runs))


def stretches(workload: Workload, block: int | None) -> dict[str, Contestant]:
    """Samplers of STRETCH steps of a run or block per device: steps that keep nothing, with metrics, and with
    evaluations too.

    They are short, so that neighbouring samples see the same moment of the machine.
    """
    setting = ours.Setting(
        workload, ours.Setting(workload, 1, STRETCH, block).block_size * jax.device_count(), STRETCH, block
    )
    block, taken = ours.beginning(setting)
    bare_taken = {
        device: {name: value for name, value in own.items() if name != "span"}
        for device, own in taken.items()
    }

    def sampler(every: int | None) -> Contestant:
        program = setting.program
        if every:
            program = dataclasses.replace(
                program, recipe=dataclasses.replace(workload.recipe, evaluate_every=every)
            )
            begin = ours.on_every_device(loop.epoch, (program, STRETCH, block), taken)
        else:
            begin = ours.on_every_device(bare_epoch, (program, STRETCH, block), bare_taken)
        action = lambda: jax.block_until_ready(begin())
        action()
        return lambda: setting.runs * STRETCH / seconds(action)

    return dict(bare=sampler(None), metrics=sampler(10**9), evaluations=sampler(STRETCH // 2))


def seconds_of_a_save(setting: ours.Setting) -> list[float]:
    """What each save takes from training: on a CPU its processor time over the cores, since the next epoch is
    under way meanwhile and would have had them all; else the time in which the host can give out no work."""
    program, hypers, took = setting.program, jax.tree.map(np.asarray, setting.hypers), []
    begun, trained = ours.epochs(setting, setting.steps)
    with tempfile.TemporaryDirectory() as folder:
        spec = checkpoints.Spec(
            program.task,
            program.config,
            program.recipe,
            hypers,
            SAVES * setting.steps,
            setting.steps,
            "every:1",
            block=setting.block_size,
        )
        with checkpoints.create(pathlib.Path(folder) / "sweep", spec) as writer:
            (part,) = writer.parts
            for number in range(SAVES + 1):
                end = number * setting.steps
                epoch = (
                    dataclasses.replace(trained, number=number, step=end, first_step=end - setting.steps)
                    if number
                    else begun
                )
                began = time.process_time()
                blocked = seconds(part.record, epoch)
                part.wait()
                worked = time.process_time() - began
                took.append(worked / usable_cores() if jax.default_backend() == "cpu" else blocked)
            part.finish()
    return took[1:]


def shares(workload: Workload, effort: Effort, block: int | None) -> Iterator[dict[str, Any]]:
    """The shares of a sweep's time that metrics of every step, the evaluation at its interval, saving by the
    default schedule, and all
    of these take, for each number of runs: medians over rounds, and the intervals that hold the median with
      95%.
    """
    rates = in_turns(
        stretches(workload, block), effort.overhead_rounds, pause=0.0, long_enough=2 * LONG_ENOUGH
    )
    seconds_each = {name: 1 / np.array(samples, float) for name, samples in rates.items()}  # of a run-step
    bare, metrics, evaluations = (seconds_each[name] for name in ("bare", "metrics", "evaluations"))
    evaluation = (evaluations - metrics) * (STRETCH // 2) / workload.recipe.evaluate_every
    saves = len(schedule.epochs("log", STEPS // 50))
    for num in effort.overhead_runs:
        took = seconds_of_a_save(ours.Setting(workload, num, 2, block))
        saving = saves * statistics.median(took) / (STEPS * num)
        whole = metrics + evaluation + saving
        parts = dict(
            metrics=metrics - bare,
            evaluation=evaluation,
            saving=np.full_like(whole, saving),
            together=whole - bare,
        )
        yield dict(
            label=workload.label,
            runs=num,
            rounds=len(bare),
            save_seconds=statistics.median(took),
            **{
                key: x for name, part in parts.items() for key, x in with_interval(name, part / whole).items()
            },
        )


def more_runs(workload: Workload, effort: Effort, block: int | None) -> dict[str, Any]:
    """The cost of a run-step at 128 runs over that at 8: as many run-steps of each, in turns."""
    few, many = (ours.Setting(workload, runs, 2, block) for runs in (8, 128))
    ours.first_step(few)
    one_few = ours.sampler(few)
    rates = in_turns(
        dict(few=lambda: statistics.mean(one_few() for _ in range(16)), many=ours.sampler(many)),
        effort.rounds[8],
    )
    return dict(label=workload.label, runs=[8, 128], **summary("cost", ratios(rates["few"], rates["many"])))
