"""What a sweep is (Spec), and its record on disk: config.json and hypers.npz, whole or not there."""

import dataclasses
import json
import math
import pathlib
from typing import Any

import jax
import numpy as np

from grokjax import training
from grokjax.checkpoints import belonging, description, disk, identity, names, record, schedule, surroundings
from grokjax.checkpoints.surroundings import versions as versions
from grokjax.config import INTEGERS
from grokjax.tasks import Task

FIXED = ("task", "config", "recipe", "epoch_steps", "save", "block")
"""The entries of config.json that a sweep keeps for ever; `steps` and the number of runs may grow."""


@dataclasses.dataclass(frozen=True, eq=False)
class Spec:
    """A sweep to be run: task, ModelConfig, Recipe, Hyper with leaves [S], and its lengths.

    steps: optimiser steps of every run;  epoch_steps: those of one epoch (the last may be shorter)
    save: see `schedule.epochs`
    block: runs of one program;  part_runs: the most runs of a part (None: all in one)
    num_devices, command: recorded only
    Raises ValueError for lengths out of range, for whatever `training.check` refuses, and for settings that
    could not be read back (lambdas, what is defined inside a function).
    """

    task: Task
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
        if self.steps > description.MOST_STEPS or self.num_epochs > description.MOST_EPOCHS:
            raise ValueError(
                f"steps={self.steps} must be at most {description.MOST_STEPS}, "
                f"in at most {description.MOST_EPOCHS} epochs of epoch_steps={self.epoch_steps}"
            )
        schedule.epochs(self.save, self.num_epochs)
        lengths = {name: np.shape(column) for name, column in columns(self.hypers).items()}
        if len(set(lengths.values())) != 1 or len(next(iter(lengths.values()))) != 1 or self.num_runs < 1:
            raise ValueError(f"every field of the hypers must have one entry per run, shape [S]: {lengths}")
        training.check(self.task, self.config, self.recipe, self.hypers)
        for name in ("task", "config", "recipe"):
            record.require_readable(getattr(self, name), name)

    @property
    def num_runs(self) -> int:
        """The number of runs, S."""
        return len(next(iter(columns(self.hypers).values())))

    @property
    def num_epochs(self) -> int:
        """Epochs of a whole run, the shorter last one counted."""
        return math.ceil(self.steps / self.epoch_steps)

    @property
    def trusted(self) -> list[Any]:
        """The classes and functions that its settings name, as `open_sweep(DIR, trusted=...)` takes them."""
        settings = (self.task, self.config, self.recipe, self.hypers)
        return [thing for value in settings for thing in record.things(value)]

    def step_of(self, epoch: int) -> int:
        """Returns the steps done at the end of an epoch."""
        return min(epoch * self.epoch_steps, self.steps)


def columns(hypers: Any) -> dict[str, np.ndarray]:
    """Returns the fields of the hypers as numpy arrays [S].

    Seeds and bits are int32, the rest float32.
    """
    return {
        field.name: np.asarray(
            getattr(hypers, field.name), np.int32 if field.name in INTEGERS else np.float32
        )
        for field in dataclasses.fields(hypers)
    }


def parts_of(first: int, num_runs: int, most: int | None) -> list[dict[str, int]]:
    """Returns runs `first … num_runs - 1` cut into stretches of at most `most` runs."""
    most = most or max(num_runs - first, 1)
    return [{"first": start, "runs": min(most, num_runs - start)} for start in range(first, num_runs, most)]


def describe(spec: Spec, parts: list[dict[str, int]]) -> dict[str, Any]:
    """Returns what config.json holds, but for its format and what proves it."""
    return dict(
        task=record.encode(spec.task),
        config=record.encode(spec.config),
        recipe=record.encode(spec.recipe),
        hypers={"class": names.name_of(type(spec.hypers)), "file": description.HYPERS},
        steps=spec.steps,
        epoch_steps=spec.epoch_steps,
        save=spec.save.replace(" ", ""),
        block=spec.block,
        parts=parts,
        num_devices=spec.num_devices,
        num_processes=jax.process_count(),
        command=spec.command,
        machine=surroundings.machine(),
        versions=surroundings.versions(),
        settings=surroundings.settings(),
    )


def write(directory: pathlib.Path, spec: Spec, parts: list[dict[str, int]], found: Any = None) -> None:
    """Records the sweep: the hypers first, then config.json, whose arrival makes the directory a sweep.

    found: what is recorded already, whose format and id stay
    """
    made = describe(spec, parts)
    if found is not None and found["format"] == 1:
        made = {"format": 1, **made}
    else:
        sums = {name: description.checksum(column) for name, column in columns(spec.hypers).items()}
        made["hypers"] |= {"crc32": sums}
        own = identity.new_id() if found is None else found["id"]
        made = description.sealed({"format": description.FORMAT, "id": own, **made})
    with disk.explained("the description of the sweep", directory):
        disk.write(
            directory / description.HYPERS,
            lambda file: np.savez(file, allow_pickle=False, **columns(spec.hypers)),
        )
        text = json.dumps(made, indent=1)
        disk.write(directory / "config.json", lambda file: file.write(text.encode()))


def read(directory: pathlib.Path) -> dict[str, Any]:
    """Returns the content of config.json.

    Raises FileNotFoundError where there is no sweep, ValueError where config.json is damaged, of an unknown
    format, or older than parts of its sweep that lie beside it.
    """
    found = description.read(directory)
    part = belonging.unknown_part(directory, found)
    if part is not None:
        # a sweep that is being added to writes its new description before the first file of a new part
        found = description.read(directory)
        part = belonging.unknown_part(directory, found)
    if part is not None:
        raise ValueError(
            f"{directory / 'config.json'} is older than {part}, whose runs belong to this sweep and are not "
            f"in it: put back the config.json and {description.HYPERS} that were written when they were added"
        )
    return found


def num_runs_of(found: dict[str, Any]) -> int:
    """Returns the runs of a recorded sweep."""
    return sum(part["runs"] for part in found["parts"])


def refuse_differences(directory: pathlib.Path, found: dict[str, Any], spec: Spec) -> None:
    """Raises a ValueError if the recorded sweep is another than the requested, naming fields and values.

    More steps and more runs are no difference.
    """
    asked = json.loads(json.dumps(describe(spec, [])))
    lines = [line for name in FIXED for line in record.differences(found[name], asked[name], name)]
    if spec.steps < found["steps"]:
        lines.append(
            f"steps: recorded {found['steps']}, asked for {spec.steps} (more are allowed, fewer are not)"
        )
    recorded = description.completed(description.read_hypers(directory, found), type(spec.hypers))
    lines += hyper_differences(recorded, columns(spec.hypers))
    classes = found["hypers"]["class"], asked["hypers"]["class"]
    if names.current(classes[0]) != names.current(classes[1]):
        lines.append(f"hypers: recorded {classes[0]}, asked for {classes[1]}")
    if lines := lines + surroundings.refusals(found):
        raise ValueError(f"{directory} holds another sweep; {'; '.join(lines)}")


def hyper_differences(recorded: dict[str, np.ndarray], requested: dict[str, np.ndarray]) -> list[str]:
    """Returns the first run of each field that differs; further runs at the end are no difference."""
    num_runs, asked = len(next(iter(recorded.values()))), len(next(iter(requested.values())))
    if asked < num_runs:
        return [f"runs: recorded {num_runs}, asked for {asked} (more are allowed, fewer are not)"]
    both = recorded.keys() & requested.keys()
    # in a grid with another value every later run stands elsewhere: only the knob that lacks one is to blame
    lacking = {name for name in both if not known(recorded[name], requested[name]).all()}
    lines = []
    for name in lacking or both:
        old, new = recorded[name], requested[name][:num_runs]
        unequal = ~((old == new) | (np.isnan(old) & np.isnan(new)))
        if unequal.any():
            run = int(unequal.argmax())
            # as they were typed: str gives the shortest decimal of a float32
            lines.append(f"{name} of run {run}: recorded {old[run]!s}, asked for {new[run]!s}")
    return sorted(lines) + [
        f"{name}: in one of the two sweeps only" for name in sorted(recorded.keys() ^ requested.keys())
    ]


def known(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Returns which values occur among others; NaN is NaN."""
    return np.isin(values, among) | (np.isnan(values) & np.isnan(among).any())


def notes(found: dict[str, Any] | None, spec: Spec) -> list[str]:
    """Returns sentences for who starts or goes on.

    They say what changed around the sweep, what only its giver can find again, what this device ignores.
    """
    changed = [] if found is None else surroundings.changes(found, describe(spec, []))
    asked = [
        f"{name} is of another package: to open the sweep, import it and give it, "
        "open_sweep(DIR, trusted=[...])"
        for name in map(names.name_of, spec.trusted)
        if not names.is_known(name)
    ]
    return changed + asked + surroundings.ignored(spec.recipe)
