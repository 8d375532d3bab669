"""What the answers of an addition task look at: columns of operands, and attention by kind of place."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from grokjax.interp import attention
from grokjax.run import Run
from grokjax.tasks import Addition, layout
from grokjax.tasks.protocol import answer_positions

PLACES = ("digit pair", "pair below", "pair above", "=", "visible answers", "other")
"""What an answer can look at: the operands' digits of its own column, of the next less significant one
(below) and the next more significant one (above), `=`, answers that are already visible, and the rest."""


def operand_columns(task: Addition) -> Int[np.ndarray, " P"]:
    """The column, 0 = units, of the operand's digit at each position; -1 where none is.

    Raises ValueError where operands differ in length.
    """
    if task.lengths is not None:
        raise ValueError(
            f"lengths={task.lengths}: operands do not stand at the same positions in all examples"
        )
    n, width = task.num_digits, 1 + task.hints
    found = np.full(task.num_positions, -1)
    for first in (0, width * n + 1):
        found[first + task.hints : first + width * n : width] = np.arange(n)[::-1]
    return found


def answer_columns(task: Addition) -> Int[np.ndarray, " C"]:
    """The column of each answer, in reading order; a written carry has that of the digit it goes into."""
    return np.array(
        [task.digit if task.mode == "single" else layout.column_of_sum(task, one) for one in task.columns]
    )


def places(task: Addition) -> Int[np.ndarray, "C P"]:
    """For each answer, in reading order, which of `PLACES` each position is.

    A carry that is written (scratchpad) has the pair that makes it as its pair below. A hint counts as other.
    """
    column, width, position = operand_columns(task), 1 + task.hints, np.arange(task.num_positions)
    answered = (position >= task.num_prompt) & ((position - task.num_prompt) % width == width - 1)
    found = np.full((len(task.columns), task.num_positions), PLACES.index("other"))
    for row, digit in enumerate(answer_columns(task)):
        for place, at in (("digit pair", digit), ("pair below", digit - 1), ("pair above", digit + 1)):
            found[row, (column == at) & (column >= 0)] = PLACES.index(place)
        found[row, task.num_prompt - 1] = PLACES.index("=")
        found[row, answered] = PLACES.index("visible answers")
    return found


def to_places(run: Run, tokens: Int[Array, "B P"]) -> Float[Array, "L H C place"]:
    """The mean attention that each head pays to each of `PLACES`, where each answer is read."""
    member = jax.nn.one_hot(places(run.task), len(PLACES))
    pattern = attention.patterns(run, tokens)[:, :, np.asarray(answer_positions(run.task))]
    return jnp.einsum("lhcp,cpk->lhck", pattern, member, precision="float32")
