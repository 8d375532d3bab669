"""Scores of the first block as a table over (reading state, state read), and the softmax of its look-ups."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.model import attention
from grokjax.model.fast.arithmetic import matmul, shortcut, take, total
from grokjax.model.fast.states import Tables


def project(t: Tables, W: Float[Array, "D ..."]) -> Float[Array, "VP c"]:
    """Every embedding times W."""
    return matmul(t.stacked, W.reshape(W.shape[0], -1))


def score_table(config: ModelConfig, p: PyTree, t: Tables) -> tuple[Float[Array, "q s H"], Bool[Array, ""]]:
    """The score of every (reading state, state read), -inf where it may not be read; `settled`."""
    reading, read = t.states(t.rows), t.states(t.everywhere)
    heads = lambda W, states: t.at(project(t, W), states).reshape(-1, config.num_heads, config.head_width)
    scores = attention.scores(
        config, p, heads(p["W_Q"], reading), heads(p["W_K"], read), (reading[0], read[0])
    )
    scores, close = settled(scores)
    return jnp.moveaxis(scores, 0, -1), close


def settled(scores: Float[Array, "H q s"]) -> tuple[Float[Array, "H q s"], Bool[Array, ""]]:
    """The table of scores less the largest of each reader, and whether all are so close to it that no row
    needs a maximum of its own.

    A softmax does not change with a number added to all its scores, and 40 nats below the largest, float32
    has its full precision.
    """
    scores = scores - lax.stop_gradient(scores.max(-1, keepdims=True))
    return scores, jnp.where(scores > -jnp.inf, scores, 0).min() > -40


def softmax(
    table: Float[Array, "s H"], close: Bool[Array, ""], index: Int[Array, "P N"]
) -> Float[Array, "P N H"]:
    """Over axis 0, of the table's scores at the index; what may not be read has -inf.

    Where the scores are `close` (see `settled`) exp is taken of the small table, not of every look-up.
    """

    def of_each(table: Array, index: Array) -> Array:
        scores = take(table, index)
        return jnp.exp(scores - scores.max(0))  # on a CPU the maximum takes as long as all else

    e = shortcut(close, lambda table, index: take(jnp.exp(table), index), of_each, table, index)
    return e * (1 / total(e))
