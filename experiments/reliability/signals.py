"""Does a sweep that is asked to stop leave in a sentence, at any moment, and go on to the same bits?"""

import os
import pathlib
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.reliability import commands

FLAGS = ["--digits=1", "--d_model=8", "--heads=2", "--batch=8", "--seeds=2", "--evaluation_size=16"]
ENDLESS = [*FLAGS, "--steps=100000000", "--save=0"]
SHORT = [*FLAGS, "--steps=20", "--epoch_steps=5", "--save=all"]
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SECONDS = 60.0
"""The longest that a process may take to leave: a tiny epoch and a save, on a busy machine."""


def moments(
    directory: pathlib.Path, rng: np.random.Generator
) -> dict[str, tuple[list[str], Callable[[], bool]]]:
    """Returns moments of a process: its flags, and whether the moment has come."""
    began, delay = time.monotonic(), rng.uniform(0.15, 1.0)
    trained = lambda: any(directory.glob("checkpoints/part-0/0/commit_success.txt"))
    return {
        "in the first second": (ENDLESS, lambda: time.monotonic() - began > delay),
        "while it trains": (ENDLESS, trained),
        "while it draws": (SHORT, (directory / "figures").is_dir),
    }


def run(folder: pathlib.Path, rounds: int, seed: int = 0) -> dict[str, Any]:
    """Sends every signal at every moment, so many times, also several at once."""
    rng, failures, sent, slowest = np.random.default_rng(seed), list[str](), 0, 0.0
    for i in range(rounds):
        for numbers in ([SIGNALS[0]], [SIGNALS[1]], [SIGNALS[2]], [SIGNALS[1]] * 3, [SIGNALS[0], SIGNALS[1]]):
            for moment in moments(folder, rng):
                directory = folder / f"{i}-{'-'.join(map(str, map(int, numbers)))}-{moment.replace(' ', '-')}"
                flags, came = moments(directory, rng)[moment]
                process = commands.start([*flags, f"--output={directory}"])
                commands.wait(process, came, 120)
                for number in numbers:
                    if process.poll() is None:
                        os.kill(process.pid, number)
                    time.sleep(0.05)
                ended = commands.finish(process)
                sent, slowest = sent + 1, max(slowest, ended.seconds)
                names = " and ".join(signal.Signals(number).name for number in numbers)
                failures += [f"{names} {moment}: {wrong}" for wrong in judged(ended, numbers)]
    return dict(sent=sent, slowest=round(slowest, 1), failures=failures)


def judged(ended: commands.Ended, numbers: list[signal.Signals]) -> list[str]:
    """Returns what is wrong with how a process left; a closed terminal is told nothing."""
    closed, wrong = signal.SIGHUP in numbers, list[str]()
    if ended.status < 0 and not any(name in ended.words for name in ("experiments/", "grokjax/")):
        return []  # Python had not read the first line of the program
    if ended.status not in (130, 0):
        wrong.append(f"status {ended.status}")
    if "Traceback" in ended.words:
        wrong.append(f"a traceback: {ended.words[-300:]}")
    if ended.status == 130 and not closed and "--resume" not in ended.words:
        wrong.append(f"it does not say how to go on: {ended.words[-200:]}")
    if ended.seconds > SECONDS:
        wrong.append(f"it left after {ended.seconds:.0f} s")
    return wrong
