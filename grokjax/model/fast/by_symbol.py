"""For few symbols: attention's weights, added up by token and by position, are what is gathered."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.model import attention
from grokjax.model.fast.arithmetic import of_one_run, scatter, softmax_pullback, take, total
from grokjax.model.fast.scores import project, score_table, softmax
from grokjax.model.fast.states import Tables
from grokjax.model.fast.stream import Stream


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

    With p = softmax(table[index]) over positions and w = rate p + (1 - rate) seen, the columns are sums of w
    by symbol (a scatter-add) and, where positions are embedded, w itself. It is differentiable by the table
    alone: the gradient g by the columns gives that by w, g[symbol] (a look-up, the transpose of the
    scatter-add) plus g of the position's own column; softmax_pullback gives that by the scores, and a
    scatter-add over `index` that by the table.
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
        # the symbol 0 has no column: its gradient is 0
        g_weights = take(jnp.pad(g[:, :width], ((0, 0), (H, 0))).reshape(-1, H), symbol).reshape(P, N, H)
        if by_position:  # the first position has no column
            g_weights = g_weights + jnp.pad(
                jnp.moveaxis(g[:, width:].reshape(N, P - 1, H), 1, 0), ((1, 0), (0, 0), (0, 0))
            )
        g_scores = softmax_pullback(pattern, g_weights, total) * rate
        return scatter(g_scores.reshape(P * N, H), index.reshape(-1), size)

    return of_one_run(backward)(*kept, g), None, None, None, None, None


gather_weights.defvjp(_gather_weights, _gather_weights_pullback)
