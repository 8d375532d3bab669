"""The first block's attention by look-up: what it reads takes only P·V values, the states (position, token).

Before the MLP everything is linear in look-ups, so the residual stream there is `X @ tables`: X holds what is
fixed about the token that reads and the weights (or the values) that attention gathered, and no q, k, v,
result or residual of an example is formed. Scores are looked up in a table over (reading state, state read);
softmax and look-ups have derivatives by hand. Rows n = b·R + r: example b, read position r. It holds for
every positional encoding but abacus, whose places depend on more than (position, token).
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.model import attention
from grokjax.model.fast.arithmetic import contract, matmul, of_one_run, scatter, shortcut, take, total
from grokjax.model.fast.states import Tables


class Stream(NamedTuple):
    """The residual stream `[fixed | gathered] @ tables` [N, D] (None: `gathered` itself); `fixed` depends on
    the tokens alone.

    The first `carrier` columns of `fixed` add up to 1 in every row, so a bias can be put into their rows of
    the tables.
    """

    fixed: Float[Array, "N f"]
    gathered: Float[Array, "N c"]
    tables: Float[Array, "f+c D"] | None
    carrier: int


def softmax(
    table: Float[Array, "s H"], close: Bool[Array, ""], index: Int[Array, "P N"]
) -> Float[Array, "P N H"]:
    """Over axis 0, of the table's scores at the index; what may not be read has -inf. `close`: see `settled`."""

    def of_each(table: Array, index: Array) -> Array:
        scores = take(table, index)
        return jnp.exp(scores - scores.max(0))  # on a CPU the maximum takes as long as all else

    e = shortcut(close, lambda table, index: take(jnp.exp(table), index), of_each, table, index)
    return e * (1 / total(e))


def softmax_pullback(pattern: Float[Array, "P N H"], g: Float[Array, "P N H"]) -> Float[Array, "P N H"]:
    """The gradient by the scores, from the gradient by the pattern."""
    weighted = pattern * g
    return weighted - pattern * total(weighted)


def settled(scores: Float[Array, "H q s"]) -> tuple[Float[Array, "H q s"], Bool[Array, ""]]:
    """The table of scores less the largest of each reader, and whether all are so close to it that no row
    needs a maximum of its own.

    A softmax does not change with a number added to all its scores, and 40 nats below the largest, float32
    has its full precision.
    """
    scores = scores - lax.stop_gradient(scores.max(-1, keepdims=True))
    return scores, jnp.where(scores > -jnp.inf, scores, 0).min() > -40


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


def by_symbol(
    config: ModelConfig, p: PyTree, t: Tables, tokens: Int[Array, "B P"], rate: Array | float
) -> Stream:
    """For few symbols: the weights of attention, added up by token and by position, are what is gathered.

    The weights of a row add up to a number that is known, so one position needs no column.
    """
    B, H = len(tokens), config.num_heads
    rows, everywhere = np.asarray(t.rows), np.asarray(t.everywhere)
    seen = attention.visible(config, rows, everywhere)
    by_token, by_place = t.differences(project(t, p["W_V"]), t.everywhere)
    both = jnp.concatenate([by_token, by_place]).reshape(-1, H, config.head_width)
    both = jnp.einsum("jhk,hkd->jhd", both, p["W_O"])
    by_token, by_place = both[: len(by_token)], both[len(by_token) :]
    if config.attention == "live":
        gathered = live_weights(*score_table(config, p, t), t, tokens, rate, seen)
        whole = rate + (1 - rate) * jnp.asarray(seen.sum(1), jnp.float32)
        constant = whole[:, None] * by_place[0].sum(0)
        tables = jnp.concatenate([by_token, by_place[1:] - by_place[0]]) if t.embedded else by_token
    else:
        pattern = attention.mixed(attention.frozen_pattern(config, p, rows, everywhere), seen, rate)
        columns = jax.nn.one_hot(t.id_of(tokens, t.everywhere) - 1, len(by_token))
        gathered = jnp.einsum("pbv,hrp->brvh", columns, pattern).reshape(B * len(rows), -1)
        constant, tables = jnp.einsum("hrp,phd->rd", pattern, by_place), by_token
    fixed, fixed_tables = reading_columns(t, tokens, constant)
    return Stream(
        fixed, gathered, jnp.concatenate([fixed_tables, tables.reshape(-1, tables.shape[-1])]), len(rows)
    )


def reading_columns(
    t: Tables, tokens: Int[Array, "B P"], constant: Float[Array, "R D"]
) -> tuple[Float[Array, "N f"], Float[Array, "f D"]]:
    """(columns, tables) for the embedding of the token that reads and a constant of each read position: first
    the position, one-hot.
    """
    B, R = len(tokens), len(t.rows)
    by_token, by_place = t.differences(t.stacked, t.rows)
    place = jnp.broadcast_to(jnp.eye(R), (B, R, R))
    token = jax.nn.one_hot(t.id_of(tokens[:, np.asarray(t.rows)], t.rows).T - 1, len(by_token))
    return jnp.concatenate([place, token], 2).reshape(B * R, -1), jnp.concatenate(
        [by_place + constant, by_token]
    )


def live_weights(
    scores: Float[Array, "q s H"],
    close: Array,
    t: Tables,
    tokens: Int[Array, "B P"],
    rate: Array | float,
    seen: np.ndarray,
) -> Float[Array, "N c"]:
    """Attention's weights of every row by the tokens that vary, but the first of them, and by position, but
    the first of them.
    """
    (B, P), R, (_, num_read, H) = tokens.shape, len(t.rows), scores.shape
    reading = t.state_of(tokens[:, np.asarray(t.rows)], t.rows).T * num_read
    index = (reading + t.state_of(tokens, t.everywhere)[..., None]).reshape(P, B * R)
    bins = len(t.ids(t.everywhere))
    symbol = jnp.arange(B * R).reshape(B, R) * bins + t.id_of(tokens, t.everywhere)[..., None]
    visible = jnp.tile(jnp.asarray(seen.T, jnp.float32), (1, B))[..., None]
    return gather_weights(
        bins, t.embedded, scores.reshape(-1, H), close, index, symbol.reshape(-1), rate, visible
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def gather_weights(
    bins: int,
    by_position: bool,
    table: Float[Array, "s H"],
    close: Array,
    index: Int[Array, "P N"],
    symbol: Int[Array, " PN"],
    rate: Array | float,
    seen: Float[Array, "P N 1"],
) -> Float[Array, "N c"]:
    """`live_weights` from the scores at `index`, those of a row added up where `symbol` is the same.
    Differentiable by the table.
    """
    return _gather_weights(bins, by_position, table, close, index, symbol, rate, seen)[0]


def _gather_weights(bins, by_position, table, close, index, symbol, rate, seen):
    def forward(table, close, index, symbol, rate, seen):
        (P, N), H = index.shape, table.shape[1]
        pattern = softmax(table, close, index)
        weights = rate * pattern + (1 - rate) * seen
        gathered = scatter(weights.reshape(P * N, H), symbol, N * bins).reshape(N, bins * H)[:, H:]
        if by_position:
            gathered = jnp.concatenate([gathered, jnp.moveaxis(weights[1:], 0, 1).reshape(N, -1)], 1)
        return gathered, pattern

    gathered, pattern = of_one_run(forward)(table, close, index, symbol, rate, seen)
    return gathered, (pattern, index, symbol, rate, len(table))


def _gather_weights_pullback(bins, by_position, kept, g):
    *kept, size = kept

    def backward(pattern, index, symbol, rate, g):
        P, N, H = pattern.shape
        width = (bins - 1) * H
        g_weights = take(jnp.pad(g[:, :width], ((0, 0), (H, 0))).reshape(-1, H), symbol).reshape(P, N, H)
        if by_position:
            g_weights = g_weights + jnp.pad(
                jnp.moveaxis(g[:, width:].reshape(N, P - 1, H), 1, 0), ((1, 0), (0, 0), (0, 0))
            )
        g_scores = softmax_pullback(pattern, g_weights) * rate
        return scatter(g_scores.reshape(P * N, H), index.reshape(-1), size)

    return of_one_run(backward)(*kept, g), None, None, None, None, None


gather_weights.defvjp(_gather_weights, _gather_weights_pullback)


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
    is 1, the result is a sum of rows of one table, exp(score) · value, divided by a sum of exp(score).
    Differentiable by scores and values.
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
    to_head = jax.nn.one_hot(jnp.arange(width) // (width // H), H)
    head_sums = lambda x: contract(x, to_head, 1, 0, lax.Precision.HIGHEST)

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
