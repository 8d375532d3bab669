"""The command of a sweep in a process of its own, as a user starts it: begun, watched, killed, read."""

import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import grokjax

ROOT = pathlib.Path(grokjax.__file__).parents[1]
LONGEST = 300.0
"""Seconds after which a process counts as hung."""


class Ended(NamedTuple):
    """How a process ended: its status (negative: the signal that killed it), its words, its seconds."""

    status: int
    words: str
    seconds: float

    @property
    def in_a_sentence(self) -> bool:
        """Whether a user was told something that is no traceback."""
        return bool(self.words.strip()) and "Traceback" not in self.words


def start(flags: list[str], devices: int | None = None, **environment: str) -> subprocess.Popen:
    """Returns a process of `python -m experiments.seed_sweep`.

    devices: of this process's CPU; None: as the command chooses
    """
    own = dict(os.environ, PYTHONPATH=str(ROOT), **environment)
    if devices is not None:
        own["XLA_FLAGS"] = (
            f"--xla_force_host_platform_device_count={devices} --xla_cpu_multi_thread_eigen=false"
        )
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.seed_sweep", *flags],
        cwd=ROOT,
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen) -> Ended:
    """Waits for a process; one that hangs is killed, and its status says so."""
    began = time.monotonic()
    try:
        words = process.communicate(timeout=LONGEST)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        words = process.communicate()[0] + "\nhung"
    return Ended(process.returncode, words, time.monotonic() - began)


def run(flags: list[str], devices: int | None = None, **environment: str) -> Ended:
    """Returns how a command ended."""
    return finish(start(flags, devices, **environment))


def wait(process: subprocess.Popen, moment: Callable[[], bool], seconds: float = LONGEST) -> bool:
    """Waits for a moment; False where the process ended, or the time ran out, before it came."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        if moment():
            return True
        time.sleep(0.001)
    return False


def kill(process: subprocess.Popen) -> bool:
    """Kills a process at once. False if it had already ended."""
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return alive
