"""Free-running decoding: the model reads its own answers where teacher forcing shows it the right ones."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from grokjax.tasks.protocol import Task
from grokjax.tasks.vocabulary import Batch


class Decoded(NamedTuple):
    """The answers written, in reading order, and whether all of an example are right."""

    answers: Int[Array, "B C"]
    exact: Bool[Array, " B"]


def decode(logits: Callable[[Int[Array, "B P"]], Float[Array, "B R O"]], task: Task, batch: Batch) -> Decoded:
    """Greedy answers to a batch, each written into the tokens before the next is read; `logits` maps tokens
    to the logits at `task.read`. Only the prompt of the batch is used, and its labels to score. Modes that
    see no answer are decoded as they are."""
    num_read = len(task.read)
    tokens, answers = jnp.asarray(batch.tokens).at[:, jnp.asarray(task.read[:-1], int) + 1].set(0), []
    for i in range(num_read):
        outputs = logits(tokens)[:, i]
        answer = (
            outputs.reshape(len(outputs), len(task.columns) // num_read, -1).argmax(-1).astype(tokens.dtype)
        )
        answers.append(answer)
        if i + 1 < num_read:
            tokens = tokens.at[:, task.read[i] + 1].set(answer[:, 0])
    written = jnp.concatenate(answers, 1)
    return Decoded(written, (written == batch.labels).all(1))
