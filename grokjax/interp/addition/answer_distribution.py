"""The distribution over whole answers that a run predicts, and how dependent its digits are.

A sequence model predicts one answer digit after another; the chain rule over all answers gives their joint
distribution.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import entr
from jaxtyping import Array, Float, Int

from grokjax.run import Run
from grokjax.tasks.layout import permutation


def joint(run: Run, prompt: Int[Array, " P"]) -> Float[Array, "*V"]:
    """Returns P(answer) of one problem, with an axis of length base for every answer digit in reading order.

    prompt: the tokens of an example, of which only those up to `=` are used
    The probabilities sum to less than 1 where other tokens than digits are likely. Raises ValueError for a
    task that writes anything but its answer.
    """
    task = run.task
    if task.mode != "sequence" or task.hints or task.scratchpad:
        raise ValueError("the chain rule needs mode='sequence' without hints or scratchpad")
    if run.config.mask != "causal":
        raise ValueError(f"mask={run.config.mask!r}: the chain rule needs a causal mask")
    value, found = jnp.asarray(permutation(task)), jnp.zeros(())
    for place in range(len(task.columns)):
        before = np.array(list(itertools.product(range(task.base), repeat=place)), int).reshape(
            task.base**place, place
        )
        start = jnp.broadcast_to(prompt[: task.num_prompt], (len(before), task.num_prompt))
        tokens = jnp.concatenate([start, value[before].astype(start.dtype)], 1)
        step = jax.nn.log_softmax(_next(run, tokens, task.read[place]))[:, value]
        found = found[..., None] + step.reshape(*found.shape, task.base)
    return jnp.exp(found)


def _next(run, tokens, place):
    """Logits at one position; what follows it is filled up and, with a causal mask, not read."""
    filled = jnp.pad(tokens, ((0, 0), (0, run.task.num_positions - tokens.shape[1])))
    return run.forward(filled, read=(place,))[:, 0]


def margins(joint: Float[Array, "*V"]) -> Float[Array, "C base"]:
    """Returns the distribution of every answer digit alone, in reading order, before any is written."""
    places = range(joint.ndim)
    return jnp.stack([joint.sum(tuple(other for other in places if other != place)) for place in places])


def total_correlation(joint: Float[Array, "*V"]) -> Float[Array, ""]:
    """Returns `Σ_i H(a_i) − H(a)` in nats: 0 if and only if the answer digits are independent."""
    return entr(margins(joint)).sum() - entr(joint).sum()


def total_variation(first: Float[Array, "*V"], second: Float[Array, "*V"]) -> Float[Array, ""]:
    """Returns half the sum of absolute differences of two distributions, from 0 to 1."""
    return jnp.abs(first - second).sum() / 2
