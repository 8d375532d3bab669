"""The first block's attention by look-up: what it reads takes only P·V values, the states (position, token).

Before the MLP everything is linear in look-ups, so the residual stream there is `X @ tables`: X holds what is fixed about the token that
reads and the weights (or the values) that attention gathered, and no q, k, v, result or residual of an example is formed. Scores are
looked up in a table over (reading state, state read); softmax and look-ups have derivatives by hand. Rows n = b·R + r: example b, read
position r. It holds for every positional encoding but abacus, whose places depend on more than (position, token).
"""
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.model import attention
from grokjax.model.states import Tables


class Stream(NamedTuple):
    """The residual stream `[fixed | gathered] @ tables` [N, D] (None: `gathered` itself); `fixed` depends on the tokens alone.

    The first `carrier` columns of `fixed` add up to 1 in every row, so a bias can be put into their rows of the tables.
    """
    fixed: Float[Array, "N f"]
    gathered: Float[Array, "N c"]
    tables: Float[Array, "f+c D"] | None
    carrier: int


def contract(a: Array, b: Array, i: int, j: int, precision: lax.Precision | None = None) -> Array:
    """The sum over axis i of a and axis j of b. Over rows it is fast with the small side first: [n, 10], [n, 512]."""
    return lax.dot_general(a, b, (((i,), (j,)), ((), ())), precision=precision)


@jax.custom_vjp
def matmul(x: Float[Array, "n a"], w: Float[Array, "a b"]) -> Float[Array, "n b"]:
    """x @ w, the products of its derivative in the orientation that a CPU likes."""
    return contract(x, w, 1, 0)


matmul.defvjp(lambda x, w: (matmul(x, w), (x, w)), lambda kept, g: (contract(g, kept[1], 1, 1), contract(kept[0], g, 0, 0)))


def take(table: Array, index: Int[Array, "..."]) -> Array:
    """Rows of a table at indices that are known to be in range."""
    return table.at[index].get(mode="promise_in_bounds", wrap_negative_indices=False)


def scatter(values: Float[Array, "n c"], index: Int[Array, " n"], size: int) -> Float[Array, "size c"]:
    """Rows added up by index, the transpose of `take`."""
    return jnp.zeros((size, values.shape[-1]), values.dtype).at[index].add(values, mode="promise_in_bounds", wrap_negative_indices=False)


def total(x: Float[Array, "P N H"]) -> Float[Array, "N H"]:
    """The sum over axis 0 as a product with ones: XLA's sums over small axes are slow on a CPU, or made anew for each of their uses."""
    ones = jnp.ones((1, len(x)), x.dtype)
    return contract(ones, x.reshape(len(x), -1), 1, 0, lax.Precision.HIGHEST).reshape(x.shape[1:])


def softmax(scores: Float[Array, "P N H"], close: Array) -> Float[Array, "P N H"]:
    """Over axis 0; scores of what may not be read are -inf. `close`: see `settled`."""
    e = jnp.exp(scores - largest_unless(close, scores))
    return e * (1 / total(e))


@custom_vmap
def largest_unless(close: Bool[Array, ""], scores: Float[Array, "P N H"]) -> Float[Array, "N H"]:
    """The largest score over axis 0, or 0 where all are `close`: on a CPU the maximum takes as long as all else of a softmax."""
    return lax.cond(close, lambda: jnp.zeros(scores.shape[1:], scores.dtype), lambda: scores.max(0))


@largest_unless.def_vmap
def _(size: int, batched: list[bool], close: Array, scores: Array) -> tuple[Array, bool]:
    """A condition for every run alone: of several, all would get their maximum as soon as one needs it, and one alone keeps its own."""
    close, scores = (x if mapped else jnp.broadcast_to(x, (size, *x.shape)) for x, mapped in zip((close, scores), batched, strict=True))
    if size == 1:
        return largest_unless(close[0], scores[0])[None], True
    return jnp.where(close[:, None, None], 0, scores.max(1)), True


def softmax_pullback(pattern: Float[Array, "P N H"], g: Float[Array, "P N H"]) -> Float[Array, "P N H"]:
    """The gradient by the scores, from the gradient by the pattern."""
    weighted = pattern * g
    return weighted - pattern * total(weighted)


def settled(scores: Float[Array, "H q s"]) -> tuple[Float[Array, "H q s"], Bool[Array, ""]]:
    """The table of scores less the largest of each reader, and whether all are so close to it that no row needs a maximum of its own.

    A softmax does not change with a number added to all its scores, and 40 nats below the largest, float32 has its full precision.
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
    scores = attention.scores(config, p, heads(p["W_Q"], reading), heads(p["W_K"], read), (reading[0], read[0]))
    scores, close = settled(scores)
    return jnp.moveaxis(scores, 0, -1), close


def by_symbol(config: ModelConfig, p: PyTree, t: Tables, tokens: Int[Array, "B P"], rate: Array | float) -> Stream:
    """For few symbols: the weights of attention, added up by token and by position, are what is gathered.

    The weights of a row add up to a number that is known, so one position needs no column.
    """
    B, H = len(tokens), config.num_heads
    rows, everywhere = np.asarray(t.rows), np.asarray(t.everywhere)
    seen = attention.visible(config, rows, everywhere)
    by_token, by_place = t.differences(project(t, p["W_V"]), t.everywhere)
    both = jnp.concatenate([by_token, by_place]).reshape(-1, H, config.head_width)
    both = jnp.einsum("jhk,hkd->jhd", both, p["W_O"])
    by_token, by_place = both[:len(by_token)], both[len(by_token):]
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
    return Stream(fixed, gathered, jnp.concatenate([fixed_tables, tables.reshape(-1, tables.shape[-1])]), len(rows))


def reading_columns(t: Tables, tokens: Int[Array, "B P"], constant: Float[Array, "R D"]) -> tuple[Float[Array, "N f"], Float[Array, "f D"]]:
    """(columns, tables) for the embedding of the token that reads and a constant of each read position: first the position, one-hot."""
    B, R = len(tokens), len(t.rows)
    by_token, by_place = t.differences(t.stacked, t.rows)
    place = jnp.broadcast_to(jnp.eye(R), (B, R, R))
    token = jax.nn.one_hot(t.id_of(tokens[:, np.asarray(t.rows)], t.rows).T - 1, len(by_token))
    return jnp.concatenate([place, token], 2).reshape(B * R, -1), jnp.concatenate([by_place + constant, by_token])


def live_weights(scores: Float[Array, "q s H"], close: Array, t: Tables, tokens: Int[Array, "B P"], rate: Array | float,
                 seen: np.ndarray) -> Float[Array, "N c"]:
    """Attention's weights of every row by the tokens that vary, but the first of them, and by position, but the first of them."""
    (B, P), R, (_, num_read, H) = tokens.shape, len(t.rows), scores.shape
    reading = t.state_of(tokens[:, np.asarray(t.rows)], t.rows).T * num_read
    index = (reading + t.state_of(tokens, t.everywhere)[..., None]).reshape(P, B * R)
    bins = len(t.ids(t.everywhere))
    symbol = jnp.arange(B * R).reshape(B, R) * bins + t.id_of(tokens, t.everywhere)[..., None]
    visible = jnp.tile(jnp.asarray(seen.T, jnp.float32), (1, B))[..., None]
    return gather_weights(bins, t.embedded, scores.reshape(-1, H), close, index, symbol.reshape(-1), rate, visible)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def gather_weights(bins: int, by_position: bool, table: Float[Array, "s H"], close: Array, index: Int[Array, "P N"],
                   symbol: Int[Array, " PN"], rate: Array | float, seen: Float[Array, "P N 1"]) -> Float[Array, "N c"]:
    """`live_weights` from the scores at `index`, those of a row added up where `symbol` is the same. Differentiable by the table."""
    return _gather_weights(bins, by_position, table, close, index, symbol, rate, seen)[0]


def _gather_weights(bins, by_position, table, close, index, symbol, rate, seen):
    (P, N), H = index.shape, table.shape[1]
    pattern = softmax(take(table, index), close)
    weights = rate * pattern + (1 - rate) * seen
    gathered = scatter(weights.reshape(P * N, H), symbol, N * bins).reshape(N, bins * H)[:, H:]
    if by_position:
        gathered = jnp.concatenate([gathered, jnp.moveaxis(weights[1:], 0, 1).reshape(N, -1)], 1)
    return gathered, (pattern, index, symbol, rate, len(table))


def _gather_weights_pullback(bins, by_position, kept, g):
    pattern, index, symbol, rate, size = kept
    P, N, H = pattern.shape
    width = (bins - 1) * H
    g_weights = take(jnp.pad(g[:, :width], ((0, 0), (H, 0))).reshape(-1, H), symbol).reshape(P, N, H)
    if by_position:
        g_weights = g_weights + jnp.pad(jnp.moveaxis(g[:, width:].reshape(N, P - 1, H), 1, 0), ((1, 0), (0, 0), (0, 0)))
    g_scores = softmax_pullback(pattern, g_weights) * rate
    return scatter(g_scores.reshape(P * N, H), index.reshape(-1), size), None, None, None, None, None


gather_weights.defvjp(_gather_weights, _gather_weights_pullback)


def by_value(config: ModelConfig, p: PyTree, t: Tables, tokens: Int[Array, "B P"], rate: Array | float) -> Stream:
    """For many symbols and one reading state: the values that attention gathered, z."""
    seen = attention.visible(config, np.asarray(t.rows), np.asarray(t.everywhere))[0]
    (scores, close), values = score_table(config, p, t), t.at(project(t, p["W_V"]), t.states(t.everywhere))
    gathered = gather_values(scores[0], values, close, t.state_of(tokens, t.everywhere), rate, seen[:, None, None].astype(jnp.float32))
    tables = jnp.concatenate([t.at(t.stacked, t.states(t.rows)), p["W_O"].reshape(-1, config.d_model)])
    return Stream(jnp.ones((len(tokens), 1)), gathered, tables, 1)


@jax.custom_vjp
def gather_values(scores: Float[Array, "s H"], values: Float[Array, "s HK"], close: Array, index: Int[Array, "P N"],
                  rate: Array | float, seen: Float[Array, "P 1 1"]) -> Float[Array, "N HK"]:
    """Sums over positions of attention's weight times value, head by head; both looked up. Differentiable by scores and values."""
    return _gather_values(scores, values, close, index, rate, seen)[0]


def _gather_values(scores, values, close, index, rate, seen):
    pattern = softmax(take(scores, index), close)
    (P, N, H), width = pattern.shape, values.shape[1]
    to_head = jax.nn.one_hot(jnp.arange(width) // (width // H), H)
    # a product spreads the weights over a head's width, so that they are made once and not again for every value
    mixed = (rate * pattern + (1 - rate) * seen).reshape(P * N, H)
    weights = contract(mixed, to_head, 1, 1, lax.Precision.HIGHEST).reshape(P, N, width)
    products = take(values, index) * weights
    gathered = sum(products[i] for i in range(P))   # slices: XLA's sum over this axis takes three times as long as all else
    return gathered, (pattern, weights, values, index, rate, to_head)


def _gather_values_pullback(kept, g):
    pattern, weights, values, index, rate, to_head = kept
    (P, N, H), (num_states, width) = pattern.shape, values.shape
    g_weights = contract((take(values, index) * g).reshape(P * N, width), to_head, 1, 0).reshape(P, N, H)
    g_scores = (softmax_pullback(pattern, g_weights) * rate).reshape(P * N, H)
    g_values = (weights * g).reshape(P * N, width)
    flat = index.reshape(-1)
    return scatter(g_scores, flat, num_states), scatter(g_values, flat, num_states), None, None, None, None


gather_values.defvjp(_gather_values, _gather_values_pullback)
