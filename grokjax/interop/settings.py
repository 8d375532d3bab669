"""Settings that others write beside weights, as tasks and hypers: JSON files, formulas as text."""

import json
import math
import pathlib
import re
from typing import Any

import jax.numpy as jnp

from grokjax.config import INTEGERS, Hyper
from grokjax.tasks import ModularArithmetic

MOST_BYTES = 2**20
"""Of a file of settings."""

FORMULAS = {
    "x[0]+x[1]": "add",
    "x[0]-x[1]": "subtract",
    "x[0]*x[1]": "multiply",
    "x[0]**2+x[1]**2": "squares",
    "x[0]**2+x[0]*x[1]+x[1]**2": "quadratic",
    "x[0]**2+x[0]*x[1]+x[1]**2+x[0]": "quadratic_linear",
    "x[0]**3+x[0]*x[1]": "cubic",
    "x[0]**3+x[0]*x[1]**2+x[1]": "cubic_mixed",
}
"""The functions in settings of pizza models, by their text: text is compared and never run."""

NAMES = {"add": "add", "subtract": "subtract", "x2xyy2": "quadratic"}
"""The functions in settings of Nanda's models."""


def read(path: pathlib.Path) -> dict[str, Any]:
    """The content of a JSON file of settings. Raises ValueError where it is none."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file: the settings of a released model are missing")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes; settings have at most {MOST_BYTES:,}")
    try:
        found = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a file of settings: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(
            f"{path} is not a file of settings: it has a {type(found).__name__} instead of an object"
        )
    return found


def number(found: dict[str, Any], name: str, default: Any = None) -> Any:
    """A number of the settings. Raises ValueError where it is none, or missing without a default."""
    value = found.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name}={value!r} in the settings must be a number")
    return value


def operation(text: str, modulus: int) -> str:
    """The operation of a text such as "lambda x: (x[0]+x[1])%59", which is compared and never run."""
    found = re.fullmatch(r"lambdax:\((.*)\)%(\d+)", text.replace(" ", ""))
    if not found or int(found[2]) != modulus or found[1] not in FORMULAS:
        raise ValueError(
            f"the function {text!r} of the settings is not lambda x: (FORMULA)%{modulus} with a formula of "
            f"{', '.join(FORMULAS)}: give task="
        )
    return FORMULAS[found[1]]


def modular(modulus: int, fields: dict[str, int], operation: str = "add") -> ModularArithmetic:
    """The modular task of a model's sizes: with or without `=`, one or two vocabularies, any outputs."""
    vocabulary, positions, outputs = (fields[name] for name in ("vocabulary", "num_positions", "num_outputs"))
    equals = positions == 3
    two = vocabulary - equals == 2 * modulus
    made = ModularArithmetic(modulus, operation, equals=equals, two_vocabularies=two)
    if outputs == modulus and outputs != made.num_outputs:
        made = ModularArithmetic(modulus, operation, equals=equals, two_vocabularies=two, outputs="digits")
    return made


def typed(**values: Any) -> Hyper:
    """A Hyper of these values with the types that training has, so that it stacks with trained ones."""
    hyper = Hyper(**values)
    leaves = {
        name: jnp.asarray(value, jnp.int32 if name in INTEGERS else jnp.float32)
        for name, value in vars(hyper).items()
    }
    return Hyper(**leaves)
