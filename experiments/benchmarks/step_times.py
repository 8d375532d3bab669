"""The time of a training step on one device, by form, block and precision, and its kernels."""

import dataclasses
import pathlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from experiments.benchmarks import ours, workloads
from experiments.benchmarks.forms import FORMS, form_is
from experiments.benchmarks.lines import Lines
from grokjax.training import loop

STEPS = 10
"""Optimiser steps of one timed call."""
COMPILED_AT_ONCE = 3
"""An accelerator's compiler tries products on the device, so nothing is timed meanwhile."""


def settings(quick: bool) -> list[tuple[workloads.Workload, str, int, str]]:
    """(workload, form, block, precision), the most telling first."""
    if quick:
        small = workloads.single_digit(16, 0.0086)
        return [(small, form, 4, "float32") for form in FORMS]
    (addition, deep, modular), (single, _, small) = workloads.large(), workloads.tiny()
    both = (addition, modular)
    found = [
        (each, "look-ups", 128, precision) for precision in ("tensorfloat32", "float32") for each in both
    ]
    found += [(each, "look-ups", block, "float32") for block in (512, 32) for each in both]
    found += [(single, "look-ups", 128, "float32"), (small, "look-ups", 128, "float32")]
    found += [(deep, "look-ups", 64, "float32"), (addition, "chunks", 128, "float32")]
    found += [(each, "plain", 128, "float32") for each in both] + [(deep, "plain", 64, "float32")]
    return found


class Timed:
    """The program of an epoch of one block, compiled, and what it is called with."""

    def __init__(self, workload: workloads.Workload, form: str, block: int, precision: str):
        self.workload, self.form, self.block, self.precision = workload, form, block, precision
        recipe = dataclasses.replace(workload.recipe, precision=precision)
        self.setting = ours.Setting(workload._replace(recipe=recipe), block, STEPS, block)

    def lower(self) -> "Timed":
        """Traced in its form."""
        with form_is(self.form):
            _, taken = ours.beginning(self.setting)
            (self.given,) = list(taken.values())[:1]
            self.lowered = loop.epoch.lower(self.setting.program, STEPS, self.block, **self.given)
        return self

    def compile(self) -> None:
        """Compiled; how long it took."""
        began = time.perf_counter()
        self.compiled = self.lowered.compile()
        self.took = time.perf_counter() - began

    def call(self) -> float:
        """Seconds of one call."""
        began = time.perf_counter()
        jax.block_until_ready(self.compiled(**self.given))
        return time.perf_counter() - began

    def measure(self) -> dict[str, Any]:
        """The median of calls."""
        self.call()
        seconds = [self.call() for _ in range(7)]
        step, needs = float(np.median(seconds)) / STEPS, self.compiled.memory_analysis()
        assert needs is not None
        return dict(
            model=self.workload.label,
            form=self.form,
            block=self.block,
            precision=self.precision,
            step_ms=round(1e3 * step, 3),
            least_ms=round(1e3 * min(seconds) / STEPS, 3),
            run_steps_per_second=round(self.block / step),
            compile_seconds=round(self.took, 1),
            temporaries_gb=round(needs.temp_size_in_bytes / 1e9, 2),
        )

    def free(self) -> None:
        """Let the memory of the card go."""
        del self.given, self.lowered, self.compiled


def speed(lines: Lines, folder: pathlib.Path, quick: bool, most: int) -> None:
    """Steps by form, block and precision, several compiled at once, timed one at a time.

    The kernels of the first two are lines too.
    """
    waiting = settings(quick)[:most]
    profiled = 0 if quick else 2
    with ThreadPoolExecutor(COMPILED_AT_ONCE) as pool:
        while waiting and not lines.over:
            batch, waiting = waiting[:COMPILED_AT_ONCE], waiting[COMPILED_AT_ONCE:]
            made = []
            for each in batch:
                with lines.trying("speed", model=each[0].label, form=each[1], block=each[2]):
                    timed = Timed(*each).lower()
                    made.append((timed, pool.submit(timed.compile)))
            for timed, compiling in made:
                label = dict(model=timed.workload.label, form=timed.form, block=timed.block)
                with lines.trying("speed", **label):
                    compiling.result()
            for timed, _ in made:
                label = dict(model=timed.workload.label, form=timed.form, block=timed.block)
                with lines.trying("speed", **label):
                    lines.put("speed", **timed.measure())
                if profiled > 0:
                    profile(lines, folder, timed)
                    profiled -= 1
                timed.free()


def profile(lines: Lines, folder: pathlib.Path, timed: "Timed") -> None:
    """Kernels by their time."""
    label = dict(model=timed.workload.label, form=timed.form, block=timed.block, precision=timed.precision)
    with lines.trying("profile", **label):
        traces = folder.parent / "traces" / "-".join(str(x).replace(" ", "_") for x in label.values())
        with jax.profiler.trace(str(traces)):
            wall = timed.call()
        kernels = times(sorted(traces.rglob("*.xplane.pb"))[-1])
        busy = sum(seconds for seconds, _ in kernels.values())
        lines.put(
            "profile",
            **label,
            step_ms=1e3 * wall / STEPS,
            busy_ms=1e3 * busy / STEPS,
            kernels_a_step=sum(count for _, count in kernels.values()) / STEPS,
        )
        for name, (seconds, count) in sorted(kernels.items(), key=lambda item: -item[1][0])[:25]:
            lines.put(
                "kernel",
                model=timed.workload.name,
                form=timed.form,
                precision=timed.precision,
                name=name[:90],
                ms=round(1e3 * seconds / STEPS, 4),
                calls=count / STEPS,
            )


def times(path: pathlib.Path) -> dict[str, tuple[float, int]]:
    """Kernel -> (seconds, calls), of what ran on the accelerator."""
    kernels: dict[str, tuple[float, int]] = {}
    lines = [
        (f"{plane.name} {line.name}", line)
        for plane in jax.profiler.ProfileData.from_file(str(path)).planes
        for line in plane.lines
    ]
    chosen = [line for name, line in lines if "/device:" in name and "Stream" in name]
    if not chosen:
        raise RuntimeError(f"no stream of a device among {[name for name, _ in lines][:40]}")
    for line in chosen:
        for event in line.events:
            seconds, count = kernels.get(event.name, (0.0, 0))
            kernels[event.name] = seconds + event.duration_ns / 1e9, count + 1
    return kernels
