"""The joint law of the answer that a sequence model predicts, by the chain rule over all answers, and how
dependent its digits are.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import entr
from jaxtyping import Array, Float, Int, PyTree

from grokjax import model
from grokjax.config import ModelConfig
from grokjax.tasks.layout import permutation


def law(config: ModelConfig, task: Any, params: PyTree, prompt: Int[Array, " P"]) -> Float[Array, "*V"]:
    """P(answer) of one problem, an axis of length base for every answer in reading order; less than 1 in all
    if other tokens are likely.

    prompt: the tokens of an example, of which only those up to `=` are used. ValueError for a task that
      writes anything but its answer.
    """
    if task.mode != "sequence" or task.hints or task.scratchpad:
        raise ValueError("the chain rule needs mode='sequence' without hints or scratchpad")
    value, found = jnp.asarray(permutation(task)), jnp.zeros(())
    for place in range(len(task.columns)):
        before = np.array(list(itertools.product(range(task.base), repeat=place)), int).reshape(
            task.base**place, place
        )
        start = jnp.broadcast_to(prompt[: task.num_prompt], (len(before), task.num_prompt))
        tokens = jnp.concatenate([start, value[before].astype(start.dtype)], 1)
        with jax.default_matmul_precision("float32"):
            logits = model.forward(config, params, tokens, read=(task.read[place],))[:, 0]
        step = jax.nn.log_softmax(logits)[:, value]
        found = found[..., None] + step.reshape(*found.shape, task.base)
    return jnp.exp(found)


def margins(joint: Float[Array, "*V"]) -> Float[Array, "C base"]:
    """The law of every answer digit alone, in reading order: what is expected of it before any is written."""
    places = range(joint.ndim)
    return jnp.stack([joint.sum(tuple(other for other in places if other != place)) for place in places])


def total_correlation(joint: Float[Array, "*V"]) -> Float[Array, ""]:
    """`Σ_i H(a_i) − H(a)` (nats): 0 if and only if the answer digits are independent."""
    return entr(margins(joint)).sum() - entr(joint).sum()


def total_variation(first: Float[Array, "*V"], second: Float[Array, "*V"]) -> Float[Array, ""]:
    """Half the sum of absolute differences, 0 to 1."""
    return jnp.abs(first - second).sum() / 2
