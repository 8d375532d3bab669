"""Exact match by the lengths of the operands, those included that were never trained."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PyTree

from grokjax import objective
from grokjax.config import ModelConfig
from grokjax.objective import Task
from grokjax.tasks.vocabulary import Batch


def problems(task: Task, size: int, *, seed: int = 0) -> Batch:
    """`size` problems of uniform digits for each length of the first operand and of the second, 1 … n: leaves
    [n, n, size, …].

    ValueError for a task without a pad: its operands have one length.
    """
    if task.lengths is None:
        raise ValueError(
            "lengths=None: this task's operands have one length; give the lengths of training when it is made"
        )
    n = task.num_digits
    first, second = np.repeat(np.indices((n, n)).reshape(2, -1) + 1, size, axis=1)
    digits = np.random.default_rng(seed).integers(task.base, size=(2, len(first), n))
    a, b = np.where(np.arange(n) < np.stack([first, second])[..., None], digits, 0).astype(np.int32)
    batch = task.encode(a, b, jnp.asarray(np.stack([first, second]), jnp.int32))
    return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(n, n, size, -1), batch)


def exact_match(config: ModelConfig, task: Task, params: PyTree, batch: Batch) -> Float[Array, "*n"]:
    """The share of problems whose every answer is right, teacher-forced; of leaves [*n, B, …] for each set
    apart.

    With a wrong digit shown, later ones do not count anyway: it is what greedy decoding gets right as a
    whole.
    """

    def one(part: Batch) -> Float[Array, ""]:
        logits = objective.logits_of(config, task, params, jnp.asarray(part.tokens))
        return (objective.against(logits, jnp.asarray(part.labels)).max(-1) < 0).all(-1).mean()

    sets = jnp.shape(batch.tokens)[:-2]
    flat = jax.tree.map(lambda leaf: jnp.asarray(leaf).reshape(-1, *leaf.shape[-2:]), batch)
    with jax.default_matmul_precision("float32"):
        return lax.map(one, flat).reshape(sets)
