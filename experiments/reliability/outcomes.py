"""What is read of a directory, or done with it: the right bits, other bits, a sentence, or a traceback."""

import functools
import pathlib
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

import grokjax as gj

FINE, NOTICED, UNNAMED, SILENT, TRACEBACK = "fine", "noticed", "unnamed", "silent", "traceback"
ABSENT = "is not saved in"


class Said(NamedTuple):
    """A refusal. sentence: its words;  names: whether it names the directory it is about"""

    sentence: str
    names: bool


class Raised(NamedTuple):
    """What no user should see: an error of another kind, or of several lines."""

    text: str


Result = Any
"""Numpy arrays and texts in nested dicts, Said, or Raised."""


def attempt(action: Callable[[], Any], directory: pathlib.Path) -> Result:
    """Returns what an action returns, or what it said of the directory."""
    try:
        return action()
    except (ValueError, OSError) as error:
        text = str(error)
        if "\n" in text.strip() or not text or isinstance(error, UnicodeError):
            return Raised(f"{type(error).__name__}: {text}")
        return Said(text, str(directory) in text)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Raised(f"{type(error).__name__} in {pathlib.Path(where.filename).name}: {error}")


def read(directory: pathlib.Path, epochs: list[int]) -> dict[str, Result]:
    """Returns everything that a sweep can be asked for, by name."""
    sweep = attempt(lambda: gj.open_sweep(directory), directory)
    if isinstance(sweep, Said | Raised):
        return {"the sweep": sweep}
    asked: dict[str, Callable[[], Any]] = {
        "settings": lambda: repr((sweep.task, sweep.config, sweep.recipe)),
        "hypers": lambda: vars(sweep.hypers),
        "length": lambda: (len(sweep), sweep.num_steps, sweep.epoch_steps),
        "its description": lambda: bool(repr(sweep)) and bool(repr(sweep.metrics)),
    }
    for name in ("loss", "accuracy", "exact_match", "gradient_norm", "test_loss", "test_step"):
        asked[f"metric {name}"] = functools.partial(sweep.metrics.__getitem__, name)
    for epoch in epochs:
        asked[f"parameters of epoch {epoch}"] = functools.partial(sweep.params, epoch)
        asked[f"run 1 at epoch {epoch}"] = functools.partial(sweep.params, epoch, 1)
        asked[f"step of epoch {epoch}"] = functools.partial(sweep.steps, epoch)
    for epoch in epochs[-2:]:
        asked[f"state of epoch {epoch}"] = functools.partial(sweep.state, epoch)
    return {name: attempt(action, directory) for name, action in asked.items()}


def same(found: Any, expected: Any) -> bool:
    """Returns whether two results have the same structure, types and bits."""
    one: Any = jax.tree.structure(found)
    if one != jax.tree.structure(expected):
        return False
    return all(map(_same_leaf, jax.tree.leaves(found), jax.tree.leaves(expected)))


def _same_leaf(found: Any, expected: Any) -> bool:
    if isinstance(expected, str | bool | int):
        return found == expected
    a, b = np.asarray(found), np.asarray(expected)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def verdict(found: Result, expected: Any) -> str:
    """Returns what a result is, compared with the undamaged one."""
    if isinstance(found, Raised):
        return TRACEBACK
    if isinstance(found, Said):
        return NOTICED if found.names else UNNAMED
    return FINE if same(found, expected) else SILENT


def verdicts(found: Mapping[str, Result], expected: Mapping[str, Any]) -> dict[str, str]:
    """Returns the verdict on each thing that was read; a sweep that does not open is one thing."""
    return {name: verdict(result, expected.get(name)) for name, result in found.items()}


def worst(each: Mapping[str, str]) -> str:
    """Returns the worst of some verdicts."""
    order = (TRACEBACK, SILENT, UNNAMED, NOTICED, FINE)
    return next(kind for kind in order if kind in each.values())
