"""The exact loss levels of tasks, from `grokjax.theory` or by counting a table."""

import math
from typing import Any

import numpy as np

from grokjax.tasks.protocol import Levels, answer_digits
from grokjax.tasks.vocabulary import Batch

UNEVEN = ("held_out", "lengths", "cascade", "num_examples", "scratchpad")
"""Options of an addition with which digits are not uniform, or the prompt tells more: no level is known."""


def addition(task: Any) -> Levels:
    """The levels of an addition's answer digits; none where an option makes them other than the theory's."""
    from grokjax.theory import (
        levels,
    )  # only here: it imports scipy, for which the start of a sweep need not wait

    if any(getattr(task, name) not in (None, (), False) for name in UNEVEN):
        return {}
    # Without the leading digit no level that knows the answers so far is the theory's.
    mode = "single" if task.mode == "single" or not task.leading else task.mode
    rows = (
        levels.named(task.base, task.num_digits, task.order, mode, outputs=task.outputs)
        if task.carry
        else levels.digitwise(task.base, task.num_digits, mode)
    )
    digit_of = dict(zip(task.columns, answer_digits(task), strict=True))
    return {
        column: [(row.known, row.nats) for row in rows if row.digit == digit_of[column]]
        for column in sorted(digit_of)
    }


def pairs(table: Batch) -> Levels:
    """The levels of a table of pairs: knowing nothing, and one operand alone where that tells more."""
    answers = np.asarray(table.labels)[:, 0]
    nothing = _entropy(answers)
    levels = [("nothing", nothing)]
    for name, operand in zip(("first_operand", "second_operand"), np.asarray(table.tokens).T, strict=False):
        # the entropy of the answer given the operand, by the chain rule
        known = _entropy(operand * (answers.max() + 1) + answers) - _entropy(operand)
        if known < nothing - 1e-9:
            levels.append((name, known))
    return {0: levels}


def uniform(num_symbols: int, columns: tuple[int, ...]) -> Levels:
    """The loss of knowing nothing about uniform answers."""
    return {column: [("nothing", math.log(num_symbols))] for column in sorted(columns)}


def _entropy(values: np.ndarray) -> float:
    """The entropy of the values of a table, in nats."""
    share = np.unique(values, return_counts=True)[1] / len(values)
    return float(-(share * np.log(share)).sum())
