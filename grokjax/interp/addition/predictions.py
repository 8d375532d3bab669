"""What a run predicts for one answer digit of an addition task, by the digit's value whatever its token."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from grokjax.run import Run
from grokjax.tasks.layout import permutation

TOGETHER = 4096
"""Examples that go through the model at once: memory for all 10^6 problems of 3 digits is not needed."""


def log_probabilities(
    run: Run, tokens: Int[Array, "B P"] | Int[np.ndarray, "B P"], digit: int
) -> Float[Array, "B base"]:
    """Returns ln P of each value of one answer digit (0 = units), among all outputs of the model.

    Raises ValueError for a digit that the task does not ask for.
    """
    place, value = _place(run.task, digit), permutation(run.task)

    def one(row: Int[Array, " P"]) -> Float[Array, " base"]:
        return jax.nn.log_softmax(run.logits(row[None])[0, place])[value]

    return jax.lax.map(one, jnp.asarray(tokens), batch_size=min(TOGETHER, len(tokens)))


def _place(task, digit):
    digits = (task.digit,) if task.mode == "single" else task.columns
    if not 0 <= digit <= task.num_digits or digit not in digits:
        asked = ", ".join(map(str, sorted(digits)))
        raise ValueError(f"digit={digit} is not among the answer digits of the task, {asked}")
    return digits.index(digit)
