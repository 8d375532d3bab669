"""What a task is: `Task`, the protocol that every function of the project relies on, and its geometry.

Nothing is registered and nothing is inherited. A frozen dataclass with these attributes is a task.
"""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, PRNGKeyArray

from grokjax.tasks.vocabulary import Batch

Levels = dict[int, list[tuple[str, float]]]
"""For each metrics column the (name, nats) of the exact losses, given what a predictor may know."""


@runtime_checkable
class Task(Protocol):
    """What a task must have. It must be hashable, since it is static: use a frozen dataclass.

    The order of answers: labels, logits and scores have the C answers in reading order. Recorded metrics have
    them by rising column; `column_order` is the permutation between the two.

    What a task may have besides, each used where it is there:
      tokens_at       a range of ids for each position; training is faster where few tokens can stand there
      base, order     of the digits, for the encoding of positions by columns (abacus)
      digit           the one answer digit that is asked for, 0 = units
      exact_levels()  `Levels`: the losses that theory knows, for reports and pictures
      show(tokens, labels=None)  the text of one example
    """

    @property
    def vocabulary(self) -> int:
        """V, the number of token ids."""
        ...

    @property
    def num_positions(self) -> int:
        """P, the tokens that the model reads."""
        ...

    @property
    def num_outputs(self) -> int:
        """Logits at each position that is read."""
        ...

    @property
    def read(self) -> tuple[int, ...]:
        """The R positions whose logits are scored, rising; C must be a multiple of R."""
        ...

    @property
    def columns(self) -> tuple[int, ...]:
        """The metrics column of each of the C answers, in reading order."""
        ...

    @property
    def finite(self) -> bool:
        """Whether there is a table, which every run splits into a training and a test set."""
        ...

    @property
    def batch_size(self) -> int | None:
        """Examples of a training step; None takes the whole training set of a finite task."""
        ...

    def batch(self, key: PRNGKeyArray, size: int | None = None) -> Batch:
        """Returns `size` (None: batch_size) random examples; of a finite task from the law of its table."""
        ...

    def table(self) -> Batch:
        """Returns every example as numpy arrays. Raises ValueError where the task is infinite."""
        ...


def answer_positions(task: Task) -> tuple[int, ...]:
    """The position whose logits give each answer, in reading order [C]."""
    num_answers, num_read = len(task.columns), len(task.read)
    return tuple(task.read[place * num_read // num_answers] for place in range(num_answers))


def symbols_per_answer(task: Task) -> int:
    """The number of logits of each answer: where a position gives several answers, its outputs are shared."""
    return task.num_outputs * len(task.read) // len(task.columns)


def answer_digits(task: Task) -> tuple[int, ...]:
    """The digit (0 = units) that each answer is, in reading order: its column, or the one that is asked for.

    The carries of a scratchpad have the columns after the digits.
    """
    asked = getattr(task, "digit", None)
    return task.columns if asked is None else (asked,)


def place_of_digit(task: Task, digit: int) -> int:
    """The place in reading order of an answer digit (0 = units). Raises ValueError where it is no answer."""
    digits = answer_digits(task)
    if digit not in digits:
        raise ValueError(f"digit={digit} must be one that is answered: {', '.join(map(str, sorted(digits)))}")
    return digits.index(digit)


def column_order(task: Task) -> Int[np.ndarray, " C"]:
    """The permutation from reading order to the order of metrics: `scores[..., column_order(task)]`."""
    return np.argsort(np.asarray(task.columns), kind="stable")


def exact_levels(task: Task) -> Levels:
    """The exact loss levels of a task by column; empty where the task knows none."""
    return task.exact_levels() if hasattr(task, "exact_levels") else {}
