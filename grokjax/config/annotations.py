"""The fields of settings hold what their annotations say: a text for a truth value would count as true."""

import dataclasses
import functools
import math
import numbers
import types
import typing
from typing import Any

import numpy as np

LARGEST = 2**31 - 1
"""The largest integer of a setting: counts and seeds are 32 bits wide."""


def require_types(settings: Any) -> None:
    """Raises a ValueError for a field of a dataclass that is not of the plain types in its annotation.

    Fields that may hold anything else than truth values, numbers and texts are left to their own checks.
    """
    cls: Any = type(settings)
    for name, kinds in _plain_fields(cls).items():
        value = getattr(settings, name)
        if not any(_fits(value, kind) for kind in kinds):
            raise ValueError(f"{name}={_short(value)} must be {' or '.join(WORDS[kind] for kind in kinds)}")


WORDS: dict[Any, str] = {
    bool: "True or False",
    int: f"an integer of at most {LARGEST}",
    float: "a number",
    str: "a text",
    type(None): "None",
}
"""The types that are checked, and how a sentence names them."""


@functools.cache
def _plain_fields(cls: type) -> dict[str, tuple[Any, ...]]:
    """Returns the types of each field that has no others than those of WORDS."""
    try:
        hints = typing.get_type_hints(cls)
    except NameError:  # a class of the user's, whose annotations only its own function knows
        return {}
    named = {field.name: hints[field.name] for field in dataclasses.fields(cls)}
    split = lambda hint: typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return {name: split(hint) for name, hint in named.items() if all(kind in WORDS for kind in split(hint))}


def _fits(value: Any, kind: Any) -> bool:
    truth = isinstance(value, bool | np.bool_)
    if kind is bool:
        return truth
    if kind is int:
        return isinstance(value, int | np.integer) and not truth and abs(int(value)) <= LARGEST
    if kind is float:
        return isinstance(value, numbers.Real) and not truth and not math.isnan(value)
    return isinstance(value, kind)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
