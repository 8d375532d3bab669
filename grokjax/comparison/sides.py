"""The two sides of a comparison: which runs, whether they can be compared, and in what they differ."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from grokjax.checkpoints import Sweep
from grokjax.run import described
from grokjax.runner.settings import word

FREE = ("batch_size",)
"""Fields of a task that two sides may differ in: the examples and their losses are of one kind."""


class Side(NamedTuple):
    """The runs of one side: the sweep, their indices in it, and the fields of Hyper of each in words."""

    sweep: Sweep
    runs: list[int]
    rows: list[dict[str, str]]

    def of(self, setting: dict[str, str]) -> "Side":
        """The runs that have these values."""
        kept = [i for i, row in enumerate(self.rows) if all(row[name] == setting[name] for name in setting)]
        return Side(self.sweep, [self.runs[i] for i in kept], [self.rows[i] for i in kept])

    @property
    def seeds(self) -> list[int]:
        """The seed of each run."""
        return [int(row["seed"]) for row in self.rows]


def side(found: Sweep, runs: Sequence[int] | np.ndarray | None) -> Side:
    """Returns some runs of a sweep, all by default. Raises ValueError for none, or one that is not there."""
    chosen = list(range(found.num_runs)) if runs is None else [int(run) for run in runs]
    if not chosen or not all(0 <= run < found.num_runs for run in chosen) or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"runs={chosen} of {found.directory} must be one or more of 0 … {found.num_runs - 1}, each once"
        )
    columns = {name: np.asarray(column) for name, column in vars(found.hypers).items()}
    number = lambda value: int(value) if value.dtype.kind == "i" else float(str(value))
    rows = [{name: word(name, number(column[run])) for name, column in columns.items()} for run in chosen]
    return Side(found, chosen, rows)


def refuse(first: Side, second: Side) -> None:
    """Raises ValueError, in one sentence, where losses of the two sides are not of one kind."""
    one, other = first.sweep, second.sweep
    where = f"{one.directory} and {other.directory} cannot be compared"
    if type(one.task) is not type(other.task):
        raise ValueError(f"{where}: their tasks are {described(one.task)} and {described(other.task)}")
    if lines := [line for name, line in fields(one.task, other.task) if name not in FREE]:
        raise ValueError(f"{where}: their tasks differ in {', '.join(lines)}")
    if one.recipe.loss != other.recipe.loss:
        raise ValueError(f"{where}: their losses are {one.recipe.loss!r} and {other.recipe.loss!r}")


def fields(one: Any, other: Any) -> list[tuple[str, str]]:
    """Returns (field, "field (value and value)") of every field in which two dataclasses differ."""
    names = [field.name for field in dataclasses.fields(one)]
    both = [(name, getattr(one, name), getattr(other, name, None)) for name in names]
    return [(name, f"{name} ({x!r} and {y!r})") for name, x, y in both if x != y]


def varying(sides: Sequence[Side]) -> list[str]:
    """Returns the fields of Hyper, but the seed, in which runs within any one side differ."""
    names = [name for name in sides[0].rows[0] if name != "seed"]
    return [name for name in names if any(len({row[name] for row in side.rows}) > 1 for side in sides)]


def differences(first: Side, second: Side) -> list[str]:
    """Returns a line for everything in which the sides as wholes differ: "weight_decay (0.1 and 1)"."""
    one, other = first.sweep, second.sweep
    lines = []
    for thing in ("task", "config", "recipe"):
        lines += [line for _, line in fields(getattr(one, thing), getattr(other, thing))]
    if one.num_steps != other.num_steps:
        lines.append(f"steps ({one.num_steps} and {other.num_steps})")
    for name in first.rows[0]:
        x, y = (list(dict.fromkeys(row[name] for row in side.rows)) for side in (first, second))
        if set(x) != set(y):
            shown = [", ".join(values[:4]) + (", …" if len(values) > 4 else "") for values in (x, y)]
            lines.append(f"{'seeds' if name == 'seed' else name} ({shown[0]} and {shown[1]})")
    versions = one.record["versions"], other.record["versions"]
    lines += [
        f"{name} ({versions[0].get(name)} and {versions[1].get(name)})"
        for name in versions[0].keys() | versions[1].keys()
        if versions[0].get(name) != versions[1].get(name)
    ]
    return lines


def settings(first: Side, second: Side) -> tuple[list[tuple[str, Side, Side]], list[str]]:
    """Returns the settings that both sides have, (name, runs of the first, of the second), and notes.

    A setting is one value of every field that varies within a side. Where no setting is on both sides, all
    runs of the one are held against all of the other.
    """
    names = varying((first, second))
    own = [
        list(dict.fromkeys(tuple(row[name] for name in names) for row in side.rows))
        for side in (first, second)
    ]
    common = [values for values in own[0] if values in own[1]]
    called = lambda values: "  ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
    if not common:
        note = f"no setting of {', '.join(names)} is on both sides: all runs are held against all"
        return [("", first, second)], [note]
    notes = [
        f"only on the {which} side: {called(values)}"
        for which, mine, others in (("first", own[0], own[1]), ("second", own[1], own[0]))
        for values in mine
        if values not in others
    ]
    found = []
    for values in common:
        setting = dict(zip(names, values, strict=True))
        found.append((called(values), first.of(setting), second.of(setting)))
    return found, notes


def paired(first: Side, second: Side) -> bool:
    """Returns whether each run has one partner on the other side: the run of the same seed."""
    return sorted(first.seeds) == sorted(second.seeds) and len(set(first.seeds)) == len(first.seeds)
