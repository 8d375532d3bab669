"""The joint law of the whole answer given the pairs of some columns: what a predictor that knows just these
should say.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

MOST = 10**7
"""Cells of a table that is made."""


def laws(base: int, num_digits: int, known: Sequence[int]) -> Float[ndarray, "K V"]:
    """P(answer | pairs of the columns `known`, 0 = units) of uniform digits, by enumeration.

    Rows: `Σ_i (x_i + base·y_i)·base^(2i)` over the known columns in their order; columns: the answer as a
      number, below base^(n+1). Raises ValueError where the table would have more than MOST cells.
    """
    size, answers = base ** (2 * len(known)), base ** (num_digits + 1)
    if max(size * answers, base ** (2 * num_digits)) > MOST:
        raise ValueError(
            f"base={base}, num_digits={num_digits}, known={tuple(known)}: more than {MOST} cells"
        )
    digits = np.arange(base ** (2 * num_digits))[:, None] // base ** np.arange(2 * num_digits) % base
    x, y = digits[:, :num_digits], digits[:, num_digits:]
    table = np.zeros((size, answers))
    np.add.at(table, (rows(base, x, y, known), (x + y) @ base ** np.arange(num_digits)), 1)
    return table / table.sum(1, keepdims=True)


def rows(base: int, x: ndarray, y: ndarray, known: Sequence[int]) -> ndarray:
    """The row of `laws` for operands x, y [B, n], digit k at index k."""
    weights = base ** (2 * np.arange(len(known)))
    return (x[:, list(known)] + base * y[:, list(known)]) @ weights if len(known) else np.zeros(len(x), int)
