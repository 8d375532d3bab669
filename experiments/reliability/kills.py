"""Does a sweep that is killed at any moment end with the bits of an uninterrupted one?

A real command is killed (SIGKILL) at its start, at random, while it saves, while it draws, and while it
is extended, and is gone on with, again and again. After each kill every snapshot that was confirmed is
read and compared.
"""

import json
import pathlib
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.reliability import commands, outcomes
from grokjax.checkpoints import description, identity, open_sweep, snapshots

STAGES = (("--seeds=2", "--steps=80"), ("--seeds=3", "--steps=120"))
"""A sweep, and the same with more runs and more steps."""
FLAGS = (
    "--task=modular --modulus=7 --d_model=8 --heads=2 --train_fraction=0.5 --epoch_steps=10 --save=all"
    " --evaluate_every=10"
)
TABLES = ("runs.csv", "shelves.csv")


def moments(directory: pathlib.Path, rng: np.random.Generator) -> dict[str, Callable[[], bool]]:
    """Returns the moments at which a process is killed, each as a question that is asked again and again."""
    began, delay, later = time.monotonic(), rng.uniform(0.1, 12.0), rng.uniform(0, 1.5)
    seen: list[float] = []

    def after(sign: Callable[[], bool], seconds: float) -> bool:
        if not seen and sign():
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() - seen[0] >= seconds

    part = f"part-{rng.integers(2)}"
    return {
        "at its start": lambda: time.monotonic() - began > delay / 6,
        "at random": lambda: time.monotonic() - began > delay,
        "while saving": lambda: after(lambda: any(directory.glob(f"checkpoints/{part}/*tmp*")), later / 100),
        "while metrics are written": lambda: any(directory.glob("metrics/*/.tmp-*")),
        "while drawing": lambda: after((directory / "figures").is_dir, later),
    }


def run(folder: pathlib.Path, count: int, stages: int, seed: int = 0) -> dict[str, Any]:
    """Kills `count` times, in as many sweeps as that takes. Returns the counts and what went wrong.

    stages: how many of STAGES a sweep goes through
    """
    rng = np.random.default_rng(seed)
    used, failures = STAGES[:stages], list[str]()
    expected = whole(folder / "whole", used)
    killed = dict.fromkeys(moments(folder, rng), 0)
    confirmed = sweeps = 0
    while sum(killed.values()) < count:
        directory, sweeps = folder / f"killed-{sweeps}", sweeps + 1
        for stage, flags in enumerate(used):
            for _ in range(min(6, count - sum(killed.values()))):
                names = [name for name in killed if stage == stages - 1 or name != "while drawing"] or list(
                    killed
                )
                name = min(names, key=lambda each: killed[each])
                process = start(directory, flags)
                came = commands.wait(process, moments(directory, rng)[name], 60)
                there = finished(directory)
                if not commands.kill(process):
                    killed[name] += came
                    break
                killed[name if came else "at random"] += 1
                confirmed += len(there)
                failures += lost(directory, there, expected, name)
            ended = commands.finish(start(directory, flags))
            if ended.status:
                failures.append(f"after kills the sweep ended with {ended.status}: {ended.words[-300:]}")
        failures += different(directory, expected)
    return dict(
        kills=sum(killed.values()), moments=killed, sweeps=sweeps, confirmed=confirmed, failures=failures
    )


def start(directory: pathlib.Path, flags: tuple[str, ...]) -> subprocess.Popen:
    """Begins the command, or goes on with it."""
    return commands.start([*FLAGS.split(), *flags, "--resume", f"--output={directory}"])


def whole(directory: pathlib.Path, stages: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Returns all that an uninterrupted sweep gives."""
    for flags in stages:
        ended = commands.finish(start(directory, flags))
        if ended.status:
            raise AssertionError(f"the uninterrupted sweep ended with {ended.status}: {ended.words}")
    return everything(directory)


def everything(directory: pathlib.Path) -> dict[str, Any]:
    """Returns settings, metrics, parameters, states, tables and the numbers of pictures."""
    found = outcomes.read(directory, list(open_sweep(directory).epochs))
    for path in [directory / name for name in TABLES] + sorted((directory / "figures").rglob("*.csv")):
        found[str(path.relative_to(directory))] = path.read_text()
    summary = json.loads((directory / "summary.json").read_text())
    found["summary.json"] = json.dumps(
        {name: summary[name] for name in sorted({*summary} - {"session", "bytes"})}
    )
    return found


def finished(directory: pathlib.Path) -> list[tuple[int, int]]:
    """Returns the (part, epoch) pairs whose snapshot is confirmed."""
    return [
        (part, epoch) for part in (0, 1) for epoch in snapshots.epochs(directory / f"checkpoints/part-{part}")
    ]


def lost(
    directory: pathlib.Path, there: list[tuple[int, int]], expected: dict[str, Any], when: str
) -> list[str]:
    """Returns a sentence for each snapshot that was confirmed and is no longer there, or not as it was."""
    found = []
    places = identity.places(directory, description.read(directory)) if there else []
    for part, epoch in there:
        place = places[part]
        rows = slice(place.identity.first, place.identity.first + place.identity.runs)
        try:
            own = snapshots.arrays(place.snapshots, epoch, identity=place.identity)
            tree = snapshots.plain({name.removeprefix("params."): leaf for name, leaf in own.items()})
            right = expected[f"parameters of epoch {epoch}"]
            if not outcomes.same(tree, _rows(right, rows)):
                found.append(f"killed {when}: epoch {epoch} of part {part} has other bits")
        except (ValueError, OSError) as error:
            found.append(f"killed {when}: epoch {epoch} of part {part} is lost: {error}")
    return found


def _rows(tree: Any, rows: slice) -> Any:
    import jax

    return jax.tree.map(lambda leaf: leaf[rows], tree)


def different(directory: pathlib.Path, expected: dict[str, Any]) -> list[str]:
    """Returns a sentence for each thing in which a killed sweep differs from the uninterrupted one."""
    found = everything(directory)
    wrong = [
        name
        for name in {**expected, **found}
        if outcomes.verdict(found.get(name), expected.get(name)) != "fine"
    ]
    missing = open_sweep(directory).missing
    return [f"{directory.name}: {name} differs from the uninterrupted sweep" for name in wrong] + [
        f"{directory.name}: epoch {epoch} is missing" for epoch in missing
    ]
