"""For one reading state: the values that attention gathered are what is gathered, z."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.model import attention
from grokjax.model.fast.arithmetic import contract, shortcut, take
from grokjax.model.fast.scores import project, score_table
from grokjax.model.fast.states import Tables
from grokjax.model.fast.stream import Stream


def by_value(
    config: ModelConfig, p: PyTree, t: Tables, tokens: Int[Array, "B P"], rate: Array | float
) -> Stream:
    """For one reading state: the values that attention gathered, z."""
    num_seen = int(attention.visible(config, np.asarray(t.rows), np.asarray(t.everywhere)).sum())
    t = t._replace(tokens_at=t.tokens_at[:num_seen])  # the first of all positions, or all
    (scores, close), values = score_table(config, p, t), t.at(project(t, p["W_V"]), t.states(t.everywhere))
    sizes = np.array([len(ids) for ids in t.tokens_at])
    fixed, varied = (np.cumsum(sizes) - sizes)[sizes == 1], np.flatnonzero(sizes > 1)
    index = t.state_of(tokens[:, :num_seen], t.everywhere)[varied]
    gathered = gather_values(tuple(fixed.tolist()), scores[0], values, close, index, jnp.float32(rate))
    tables = jnp.concatenate([t.at(t.stacked, t.states(t.rows)), p["W_O"].reshape(-1, config.d_model)])
    return Stream(jnp.ones((len(tokens), 1)), gathered, tables, 1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def gather_values(
    fixed: tuple[int, ...],
    scores: Float[Array, "s H"],
    values: Float[Array, "s HK"],
    close: Array,
    index: Int[Array, "p N"],
    rate: Array,
) -> Float[Array, "N HK"]:
    """Sums of attention's weight times value, head by head, over the states that are always read (`fixed`)
    and those of the index.

    Where one state reads, exp(score) belongs to the state that is read: if all scores are close and the rate
    is 1, the result is a sum of rows of one table, e v with e = exp(score), divided by a sum of e:
    z = Σ e v / Σ e, head by head. It is differentiable by scores and values.

    The gradient g by z gives that by Σ e v, g / Σ e, and that by Σ e, -Σ_k g z / Σ e, side by side as the
    sums are. Their gradient by the table of (e v, e) is `bag_transposed`, and from that come those by the
    values, e times it, and by the scores, e times (its products with the values summed over a head, plus its
    last columns). So no gradient of an example's pattern is formed.
    """
    return _gather_values(fixed, scores, values, close, index, rate)[0]


def _gather_values(fixed, scores, values, close, index, rate):
    width = values.shape[1]

    def quick(scores, values, index, rate):
        e = jnp.exp(scores)
        sums = bag(jnp.concatenate([by_head(jnp.multiply, values, e), e], 1), fixed, index)
        return by_head(jnp.divide, sums[:, :width], sums[:, width:]), sums[:, width:]

    def always(scores, values, index, rate):
        return mixed_values(fixed, scores, values, index, rate), jnp.zeros((index.shape[1], scores.shape[1]))

    gathered, sums = shortcut(close & (rate == 1), quick, always, scores, values, index, rate)
    return gathered, (scores, values, close, index, rate, gathered, sums)


def _gather_values_pullback(fixed, kept, g):
    scores, values, close, index, rate, gathered, sums = kept
    H, width = scores.shape[1], values.shape[1]
    # sums over a head's columns as a product with ones where they belong: see `arithmetic.total`
    # numpy's, because a traced constant may not be closed over: under vmap `quick` is traced a second time
    to_head = np.repeat(np.eye(H, dtype=scores.dtype), width // H, axis=0)
    head_sums = lambda x: contract(x, jnp.asarray(to_head), 1, 0, lax.Precision.HIGHEST)

    def quick(scores, values, index, rate, gathered, sums, g):
        g_sums = jnp.concatenate([by_head(jnp.divide, g, sums), head_sums(-g * gathered) / sums], 1)
        g_table = bag_transposed(g_sums, fixed, index, len(scores))
        e, g_weighted = jnp.exp(scores), g_table[:, :width]
        return e * (head_sums(g_weighted * values) + g_table[:, width:]), by_head(jnp.multiply, g_weighted, e)

    def always(scores, values, index, rate, gathered, sums, g):
        return jax.vjp(
            lambda scores, values: mixed_values(fixed, scores, values, index, rate), scores, values
        )[1](g)

    found = shortcut(close & (rate == 1), quick, always, scores, values, index, rate, gathered, sums, g)
    return *found, None, None, None


gather_values.defvjp(_gather_values, _gather_values_pullback)


def by_head(
    operation: Callable[[Array, Array], Array], x: Float[Array, "n HK"], y: Float[Array, "n H"]
) -> Float[Array, "n HK"]:
    """The operation of all values of a head with one number."""
    return operation(x.reshape(*y.shape, -1), y[..., None]).reshape(x.shape)


def bag(table: Float[Array, "s c"], fixed: tuple[int, ...], index: Int[Array, "p N"]) -> Float[Array, "N c"]:
    """Sums of the fixed rows and of those at the index. Slices: XLA's sum over this axis takes three times as
    long as all else.
    """
    return functools.reduce(jnp.add, [take(table, row) for row in index] + [table[i] for i in fixed])


def bag_transposed(
    g: Float[Array, "N c"], fixed: tuple[int, ...], index: Int[Array, "p N"], size: int
) -> Float[Array, "s c"]:
    """The gradient by the table, from that by the sums."""
    found = jnp.zeros((size, g.shape[1]), g.dtype)
    if fixed:
        found = found.at[np.asarray(fixed)].set(
            contract(jnp.ones((1, len(g)), g.dtype), g, 1, 0, lax.Precision.HIGHEST)
        )
    for row in index:
        found = found.at[row].add(g, mode="promise_in_bounds", wrap_negative_indices=False)
    return found


def mixed_values(
    fixed: tuple[int, ...],
    scores: Float[Array, "s H"],
    values: Float[Array, "s HK"],
    index: Int[Array, "p N"],
    rate: Array,
) -> Float[Array, "N HK"]:
    """What `gather_values` gives, for scores however far apart and every rate."""
    always = jnp.broadcast_to(jnp.asarray(fixed, index.dtype)[:, None], (len(fixed), index.shape[1]))
    index = jnp.concatenate([always, index])
    pattern = rate * jax.nn.softmax(take(scores, index), axis=0) + (1 - rate)
    return functools.reduce(
        jnp.add, [by_head(jnp.multiply, take(values, row), x) for row, x in zip(index, pattern, strict=True)]
    )
