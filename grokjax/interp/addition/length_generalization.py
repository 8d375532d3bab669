"""Exact match by the lengths of the operands, also for lengths that were never trained."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from grokjax.run import Run
from grokjax.tasks import Addition
from grokjax.tasks.vocabulary import Batch


def problems(task: Addition, size: int, *, seed: int = 0) -> Batch:
    """Returns `size` problems of uniform digits for each pair of operand lengths 1 … n: [n, n, size, …].

    Raises ValueError for a task without a pad token: its operands have one length.
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


def exact_match(run: Run, batch: Batch) -> Float[Array, "*n"]:
    """Returns the share of problems whose every answer is right, for each set of a batch [*n, B, …].

    The right digits are shown (teacher forcing). It is also what greedy decoding gets right as a whole, since
    after a first wrong digit the later ones no longer count.
    """

    def one(part: Batch) -> Float[Array, ""]:
        return run.scores(part).correct.all(-1).mean()

    sets = jnp.shape(batch.tokens)[:-2]
    flat = jax.tree.map(lambda leaf: jnp.asarray(leaf).reshape(-1, *leaf.shape[-2:]), batch)
    return lax.map(one, flat).reshape(sets)
