"""What every task hands out: batches of tokens and labels, and the sizes that a model needs to know."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Int

from grokjax.config import sizes_of

SYMBOLS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""The digits of the largest base, 36, as they are written for people."""


class Batch(NamedTuple):
    """Examples: what the model reads, and the answers in reading order. Nothing reads the last answer, so no
    token holds it.
    """

    tokens: Int[Array, "B P"] | Int[np.ndarray, "B P"]
    labels: Int[Array, "B C"] | Int[np.ndarray, "B C"]


def shape(task: Any) -> dict[str, Any]:
    """The fields of ModelConfig that follow from a task; `ModelConfig.of(task)` is the config with them."""
    return sizes_of(task)


def digits(numbers: list[int], base: int, num_digits: int) -> list[list[int]]:
    """[B, num_digits]: the digits of each number, digit k (0 = units) at index k; Python ints, so of any
    size.
    """
    if number := next((number for number in numbers if not 0 <= number < base**num_digits), None):
        raise ValueError(
            f"number={number} must have at most num_digits={num_digits} digits in base={base} and no sign"
        )
    return [[number // base**k % base for k in range(num_digits)] for number in numbers]


def integer(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Raise a ValueError, naming field, value and range, unless `value` is an int in it."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or value < least
        or (most is not None and value > most)
    ):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name}={value!r} must be an integer {allowed}")
