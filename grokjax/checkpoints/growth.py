"""A sweep that grows by runs that are not at the end of its grid: a new value of a knob, or of several."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from grokjax.checkpoints import description
from grokjax.checkpoints import spec as specs

Columns = Mapping[str, np.ndarray]


def recorded_columns(directory: pathlib.Path, found: Mapping[str, Any], hypers: Any) -> dict[str, np.ndarray]:
    """Returns the recorded hypers [S] of a sweep; a knob that came later counts as its default."""
    columns, asked = description.read_hypers(directory, dict(found)), specs.columns(hypers)
    defaults = specs.columns(type(hypers)())
    size = len(next(iter(columns.values())))
    return columns | {name: np.full(size, defaults[name]) for name in asked.keys() - columns.keys()}


def order(recorded: Columns, asked: Columns) -> np.ndarray | None:
    """Returns the indices that put the asked runs into the order of a directory: first the recorded ones, as
    they are, then the new ones as they were asked for. None where a recorded run is not asked for.
    """
    if recorded.keys() != asked.keys():
        return None
    places = {row: i for i, row in enumerate(zip(*(asked[name].tolist() for name in asked), strict=True))}
    there = [places.get(row) for row in zip(*(recorded[name].tolist() for name in asked), strict=True)]
    if None in there:
        return None
    return np.array([*there, *(i for i in places.values() if i not in set(there))], int)


def advice(recorded: Columns, asked: Columns) -> str:
    """Returns how to ask for the recorded runs and the new ones together; nothing where no value is missing.

    Numbers are as they were typed: 0.1, not 0.10000000149011612.
    """
    missing = [
        name
        for name in asked
        if name in recorded and name not in ("seed", "frozen")
        if not set(recorded[name].tolist()) <= set(asked[name].tolist())
    ]
    both = {name: np.unique(np.concatenate([recorded[name], asked[name]])) for name in missing}
    together = [f"{name}={','.join(map(shortest, values))}" for name, values in both.items()]
    return f"; to add values, name the recorded ones too: {' '.join(together)}" if together else ""


def shortest(value: np.generic) -> str:
    """Returns the shortest text that reads back to the same bits."""
    return str(value).removesuffix(".0")
