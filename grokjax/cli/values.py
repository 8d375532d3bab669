"""Texts of flags as values. What cannot be read is a UsageError: one sentence with the flag, the value and
what is allowed.
"""

import math
import pathlib
import types
import typing
from collections.abc import Sequence
from typing import Any

from grokjax.config import INTEGERS, freeze
from grokjax.runner.request import UsageError

LARGEST_INTEGER = 2**31 - 1


def integer(name: str, text: str, *, least: int = -LARGEST_INTEGER) -> int:
    """An integer of at least `least` that fits into 32 bits."""
    try:
        value = int(text)
    except ValueError:
        raise UsageError(f"--{name}={text!r} must be an integer") from None
    if not least <= value <= LARGEST_INTEGER:
        raise UsageError(f"--{name}={value} must be an integer from {least} to {LARGEST_INTEGER}")
    return value


def number(name: str, text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        raise UsageError(f"--{name}={text!r} must be a number") from None
    if not math.isfinite(value):
        raise UsageError(f"--{name}={text} must be a finite number")
    return value


def one(name: str, text: str, annotation: Any) -> Any:
    """The single value of a field, by its annotation: int, float, str, a tuple, any of them or None; lists of
    values are refused.
    """
    if "," in text:
        raise UsageError(
            f"--{name}={text} takes one value: only fields of Hyper take a list; a list of others is "
            "a loop over sweeps"
        )
    if not text.strip():
        raise UsageError(f"--{name}='' is empty: give it a value or leave the flag out")
    kinds = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    if text.lower() == "none" and type(None) in kinds:
        return None
    if shape := next((kind for kind in kinds if typing.get_origin(kind) is tuple), None):
        return _tuple(name, text, typing.get_args(shape)[0] is not int)
    if float in kinds:
        return number(name, text)
    return integer(name, text) if int in kinds else text


def _tuple(name: str, text: str, of_pairs: bool) -> tuple[Any, ...]:
    """`2/3/5` as (2, 3, 5); of pairs: `3+4/9+9` as ((3, 4), (9, 9))."""
    integers = lambda part, separator: tuple(integer(name, x) for x in part.split(separator))
    return tuple(integers(part, "+") for part in text.split("/")) if of_pairs else integers(text, "/")


def grid(name: str, text: str) -> list[float]:
    """The comma-separated values of a field of Hyper; `sweep.grid` says which of them are allowed."""
    parts = [part.strip() for part in text.split(",")]
    if "" in parts:
        raise UsageError(
            f"--{name}={text!r} has an empty value: give one, or several with commas between them"
        )
    if name == "frozen":
        return [freeze(*(() if part == "none" else part.split("+"))) for part in parts]
    return [integer(name, part) if name in INTEGERS else number(name, part) for part in parts]


def directories(words: Sequence[str], number: int) -> list[str]:
    """The sweeps' directories that a command line names besides its flags."""
    if len(words) != number:
        asked = "one directory of a sweep" if number == 1 else f"{number} directories of sweeps"
        raise UsageError(f"name {asked}, not {' '.join(map(repr, words)) or 'none'}")
    return list(words)


def writable(name: str, text: str | None) -> pathlib.Path | None:
    """The path, tried before anything is computed and left as it was."""
    if text is None:
        return None
    path = pathlib.Path(text)
    try:
        existed = path.exists()
        path.open("a").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise UsageError(f"--{name}={text!r} cannot be written: {error.strerror or error}") from None
    return path
