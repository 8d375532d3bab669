"""What a sweep is (Spec), and its record on disk: config.json and hypers.npz, whole or not there."""

import dataclasses
import functools
import importlib.metadata
import json
import math
import pathlib
import platform
import zipfile
from typing import Any

import jax
import numpy as np

from grokjax.checkpoints import disk, record, schedule
from grokjax.config import INTEGERS

FORMAT = 1
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "grokjax")
FIXED = ("task", "config", "recipe", "epoch_steps", "save", "block")
"""The entries of config.json that a sweep keeps for ever; `steps` and the number of runs may grow."""


@dataclasses.dataclass(frozen=True, eq=False)
class Spec:
    """A sweep to be run: task, ModelConfig, Recipe, Hyper with leaves [S], and its lengths.

    steps: optimiser steps of every run;  epoch_steps: those of one epoch (the last may be shorter);  save:
      see `schedule.epochs`
    block: runs of one program;  part_runs: the most runs of a part (None: all in one);  num_devices, command:
      recorded only
    """

    task: Any
    config: Any
    recipe: Any
    hypers: Any
    steps: int
    epoch_steps: int = 50
    save: str = "log"
    block: int | None = None
    part_runs: int | None = None
    num_devices: int = 1
    command: str = ""

    def __post_init__(self) -> None:
        for name in ("steps", "epoch_steps", "part_runs"):
            value = getattr(self, name)
            if not (name == "part_runs" and value is None) and (
                not isinstance(value, int) or isinstance(value, bool) or value < 1
            ):
                raise ValueError(f"{name}={value!r} must be an integer of at least 1")
        schedule.epochs(self.save, self.num_epochs)
        lengths = {name: np.shape(column) for name, column in columns(self.hypers).items()}
        if len(set(lengths.values())) != 1 or len(next(iter(lengths.values()))) != 1 or self.num_runs < 1:
            raise ValueError(f"every field of the hypers must have one entry per run, shape [S]: {lengths}")

    @property
    def num_runs(self) -> int:
        """S."""
        return len(next(iter(columns(self.hypers).values())))

    @property
    def num_epochs(self) -> int:
        """Epochs of a whole run, the shorter last one counted."""
        return math.ceil(self.steps / self.epoch_steps)

    def step_of(self, epoch: int) -> int:
        """Steps done at the end of an epoch."""
        return min(epoch * self.epoch_steps, self.steps)


def columns(hypers: Any) -> dict[str, np.ndarray]:
    """The fields of the hypers as numpy arrays [S]: int32 for seeds and bits, float32 for the rest."""
    names = [field.name for field in dataclasses.fields(hypers)]
    return {
        name: np.asarray(getattr(hypers, name), np.int32 if name in INTEGERS else np.float32)
        for name in names
    }


def parts_of(first: int, num_runs: int, most: int | None) -> list[dict[str, int]]:
    """Runs `first … num_runs - 1` cut into stretches of at most `most` runs."""
    most = most or max(num_runs - first, 1)
    return [{"first": start, "runs": min(most, num_runs - start)} for start in range(first, num_runs, most)]


def describe(spec: Spec, parts: list[dict[str, int]]) -> dict[str, Any]:
    """What config.json holds."""
    device = jax.devices()[0]
    return dict(
        format=FORMAT,
        task=record.encode(spec.task),
        config=record.encode(spec.config),
        recipe=record.encode(spec.recipe),
        hypers={"class": record.name_of(type(spec.hypers)), "file": "hypers.npz"},
        steps=spec.steps,
        epoch_steps=spec.epoch_steps,
        save=spec.save.replace(" ", ""),
        block=spec.block,
        parts=parts,
        num_devices=spec.num_devices,
        num_processes=jax.process_count(),
        command=spec.command,
        machine=dict(platform=device.platform, device=device.device_kind, processor=platform.machine()),
        versions=versions(),
    )


@functools.cache
def versions() -> dict[str, str]:
    """Of Python and of every package whose change may change bits."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def write(directory: pathlib.Path, spec: Spec, parts: list[dict[str, int]]) -> None:
    """Record the sweep: the hypers first, then config.json, whose arrival makes the directory a sweep."""
    with disk.explained("the description of the sweep", directory):
        disk.write(
            directory / "hypers.npz", lambda file: np.savez(file, allow_pickle=False, **columns(spec.hypers))
        )
        text = json.dumps(describe(spec, parts), indent=1)
        disk.write(directory / "config.json", lambda file: file.write(text.encode()))


def read(directory: pathlib.Path) -> dict[str, Any]:
    """The content of config.json; FileNotFoundError where there is no sweep, ValueError where it is damaged
    or of another format.
    """
    path = directory / "config.json"
    if not directory.is_dir():
        raise FileNotFoundError(f"{directory} is not a directory: there is no sweep")
    if not path.is_file():
        raise FileNotFoundError(
            f"{directory} holds no sweep: it has no config.json (if one was killed at its very start, use --resume)"
        )
    try:
        found = json.loads(path.read_text())
        number = found["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: it is not the description of a sweep ({error})") from error
    if number != FORMAT:
        raise ValueError(f"{path} has format {number}, this version of grokjax reads format {FORMAT}")
    return found


def read_hypers(directory: pathlib.Path, num_runs: int) -> dict[str, np.ndarray]:
    """The recorded fields of the hypers, arrays [S]."""
    path = directory / "hypers.npz"
    try:
        # Opened here: numpy leaves a damaged file open.
        with open(path, "rb") as file, np.load(file) as archive:
            found = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is missing or damaged: {error}") from error
    if any(len(column) < num_runs for column in found.values()):
        raise ValueError(
            f"{path} is damaged: config.json names {num_runs} runs, it has {min(map(len, found.values()))}"
        )
    # More rows than runs: a kill came between writing the longer hypers and config.json.
    return {name: column[:num_runs] for name, column in found.items()}


def num_runs_of(found: dict[str, Any]) -> int:
    """The runs of a recorded sweep."""
    return sum(part["runs"] for part in found["parts"])


def refuse_differences(directory: pathlib.Path, found: dict[str, Any], spec: Spec) -> None:
    """ValueError naming the fields and both values if the recorded sweep is another than the requested; more
    steps and runs are none.
    """
    asked = json.loads(json.dumps(describe(spec, [])))
    lines = [line for name in FIXED for line in record.differences(found[name], asked[name], name)]
    if spec.steps < found["steps"]:
        lines.append(
            f"steps: recorded {found['steps']}, asked for {spec.steps} (more are allowed, fewer are not)"
        )
    lines += hyper_differences(read_hypers(directory, num_runs_of(found)), columns(spec.hypers))
    if found["hypers"]["class"] != asked["hypers"]["class"]:
        lines.append(f"hypers: recorded {found['hypers']['class']}, asked for {asked['hypers']['class']}")
    if lines:
        raise ValueError(f"{directory} holds another sweep; {'; '.join(lines)}")


def hyper_differences(recorded: dict[str, np.ndarray], requested: dict[str, np.ndarray]) -> list[str]:
    """The first run of each field that differs; further runs at the end are no difference."""
    num_runs, asked = len(next(iter(recorded.values()))), len(next(iter(requested.values())))
    if asked < num_runs:
        return [f"runs: recorded {num_runs}, asked for {asked} (more are allowed, fewer are not)"]
    lines = []
    for name in recorded.keys() & requested.keys():
        old, new = recorded[name], requested[name][:num_runs]
        unequal = ~((old == new) | (np.isnan(old) & np.isnan(new)))
        if unequal.any():
            run = int(unequal.argmax())
            lines.append(f"{name} of run {run}: recorded {old[run]}, asked for {new[run]}")
    return sorted(lines) + [
        f"{name}: in one of the two sweeps only" for name in sorted(recorded.keys() ^ requested.keys())
    ]


def version_changes(found: dict[str, Any], spec: Spec) -> list[str]:
    """Sentences about versions, machine kind and devices that changed: the sweep goes on, but perhaps not
    with the same bits.
    """
    now = describe(spec, [])
    old, new = ({**description["versions"], **description["machine"]} for description in (found, now))
    changed = [name for name in new if old.get(name, new[name]) != new[name]]
    return [
        f"{name} was {old[name]} and is {new[name]}: further steps may have other bits" for name in changed
    ]
