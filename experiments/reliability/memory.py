"""Does memory stay where the plan says? A sweep of 2000 epochs, and the plan's memory line on three sizes."""

import gc
import json
import os
import pathlib
import resource
import subprocess
import sys
from typing import Any

import psutil

from experiments.reliability import tiny
from experiments.reliability.commands import ROOT
from grokjax.cli import running
from grokjax.runner import Session, request

PER_SAVE = 60e3
"""Bytes that a save may leave: the storage library keeps about 40 kB."""
SLACK = 16e6
"""Bytes that an allocator may keep besides."""
NEAR = 0.25
"""How far the plan's memory line may be off."""
OPTIONS: tuple[dict[str, Any], ...] = (
    dict(digits=2, d_model=32, batch=32, seeds=2),
    dict(digits=5, d_model=128, batch=256, seeds=64),
    dict(digits=5, d_model=128, batch=256, seeds=192),
)


def run(folder: pathlib.Path, epochs: int, sizes: int) -> dict[str, Any]:
    """Returns how a long sweep grows, and peaks beside the plan."""
    growth = in_a_process("growth", folder / "long", epochs)
    plans = [in_a_process("peak", folder / f"size-{i}", i) for i in range(sizes)]
    failures = []
    if growth["grown"] > growth["allowed"]:
        failures.append(f"over {epochs} epochs memory grew by {growth['grown'] / 1e6:.1f} MB")
    for each in plans:
        if abs(each["peak"] / each["planned"] - 1) > NEAR:
            failures.append(
                f"{each['size']}: planned {each['planned'] / 1e6:.0f} MB, took {each['peak'] / 1e6:.0f}"
            )
    return dict(growth=growth, plans=plans, failures=failures)


def in_a_process(what: str, folder: pathlib.Path, number: int) -> dict[str, Any]:
    """Returns what a function of this module measures in a process of its own, that compiles everything anew:
    its compiler takes as much memory as a tiny sweep.
    """
    command = [sys.executable, "-m", "experiments.reliability.memory", what, str(folder), str(number)]
    cache = folder.with_name(f"{folder.name}-cache")
    environment = dict(os.environ, PYTHONPATH=str(ROOT), JAX_COMPILATION_CACHE_DIR=str(cache))
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")

    return json.loads(done.stdout.splitlines()[-1])


def growth(folder: pathlib.Path, epochs: int) -> dict[str, Any]:
    """Trains a tiny sweep of so many epochs, 100 of them saved; memory after a tenth and at the end."""
    asked = tiny.request(tiny.EPOCH_STEPS * epochs, save=f"every:{max(epochs // 100, 1)}")
    process, early, saves = psutil.Process(), 0, 0
    for epoch in Session(folder, asked):
        saves += epoch.number % max(epochs // 100, 1) == 0 and epoch.number > epochs // 10
        if epoch.number == epochs // 10:
            gc.collect()
            early = process.memory_info().rss
        del epoch
    gc.collect()
    grown = process.memory_info().rss - early
    return dict(epochs=epochs, saves=saves, grown=grown, allowed=int(SLACK + PER_SAVE * saves))


def peak(folder: pathlib.Path, size: int) -> dict[str, Any]:
    """Trains a size for three epochs, saves two of them, and compares its peak with the plan."""
    options = OPTIONS[size]
    asked = request.made(**options, steps=6, epoch_steps=2, save="all")
    session = Session(folder, asked)
    running.follow(session, running.console())
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    name = " ".join(f"{key}={value}" for key, value in options.items())
    return dict(size=name, planned=int(session.plan.memory), peak=most)


if __name__ == "__main__":
    from grokjax.cli import machine

    machine.set_up()
    print(
        json.dumps({"growth": growth, "peak": peak}[sys.argv[1]](pathlib.Path(sys.argv[2]), int(sys.argv[3])))
    )
