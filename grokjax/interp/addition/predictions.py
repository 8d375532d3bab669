"""What a run predicts for one answer digit of an addition task, by the digit's value whatever its token."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from grokjax import objective
from grokjax.config import ModelConfig
from grokjax.tasks.layout import permutation

TOGETHER = 4096
"""Examples that go through the model at once: memory for all 10^6 problems of 3 digits is not needed."""


def log_probabilities(
    config: ModelConfig,
    task: Any,
    digit: int,
    params: PyTree,
    tokens: Int[Array, "B P"] | Int[np.ndarray, "B P"],
    *,
    attention_rate: Array | float = 1.0,
) -> Float[Array, "B base"]:
    """ln P of each value of the answer digit `digit` (0 = units), among everything that the model has outputs
    for.

    ValueError for a digit that the task does not ask for.
    """
    place, value = _place(task, digit), permutation(task)

    def one(row: Int[Array, " P"]) -> Float[Array, " base"]:
        logits = objective.logits_of(config, task, params, row[None], attention_rate=attention_rate)[0, place]
        return jax.nn.log_softmax(logits)[value]

    with jax.default_matmul_precision("float32"):
        return jax.lax.map(one, jnp.asarray(tokens), batch_size=min(TOGETHER, len(tokens)))


def _place(task, digit):
    digits = (task.digit,) if task.mode == "single" else task.columns
    if not 0 <= digit <= task.num_digits or digit not in digits:
        raise ValueError(
            f"digit={digit} is not among the answer digits of the task, {', '.join(map(str, sorted(digits)))}"
        )
    return digits.index(digit)
