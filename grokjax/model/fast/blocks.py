"""A block at every position, for what lies before the last one of a deep model: plain arithmetic, derivatives
in the order a CPU likes.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PyTree

from grokjax.config import ModelConfig
from grokjax.model import attention
from grokjax.model.activations import ACTIVATION
from grokjax.model.fast.arithmetic import contract, last_total, matmul, softmax_pullback
from grokjax.model.transformer import at


def attended(
    config: ModelConfig, p: PyTree, x: Float[Array, "B P D"], rows: np.ndarray, rate: Array | float
) -> Float[Array, "B q D"]:
    """x at the positions `rows`, and what attention adds there."""
    (_, P, D), reading, place = x.shape, at(x, rows, 1), (rows, np.arange(x.shape[1]))
    form = by_stream if reads_the_stream(config, len(rows), P) else by_key_and_value
    return reading + matmul(form(config, p, x, reading, place, rate), p["W_O"].reshape(-1, D)).reshape(
        reading.shape
    )


def reads_the_stream(config: ModelConfig, num_reading: int, num_read: int) -> bool:
    """Whether `by_stream` is exact (RoPE turns keys before they meet queries) and needs less arithmetic: few
    of many positions read.

    Where 3 are read, the products of an example are so small that they take longer than those which they
    spare (8% of such a step).
    """
    D, K = config.d_model, config.head_width
    return (
        config.positions != "rope"
        and num_read > 4
        and num_reading * D * (K + num_read) < num_read * K * (D + num_reading)
    )


def by_key_and_value(
    config: ModelConfig,
    p: PyTree,
    x: Float[Array, "B P D"],
    reading: Float[Array, "B q D"],
    place: tuple[np.ndarray, np.ndarray],
    rate: Array | float,
) -> Float[Array, "Bq HK"]:
    """The values that each head has read, z."""
    (B, _, D), H = x.shape, config.num_heads
    project = lambda x, W: matmul(x.reshape(-1, D), W.reshape(D, -1)).reshape(*x.shape[:2], H, -1)
    if config.attention == "live":
        pattern = softmax(
            attention.scores(config, p, project(reading, p["W_Q"]), project(x, p["W_K"]), place)
        )
    else:
        pattern = jnp.broadcast_to(attention.frozen_pattern(config, p, *place), (B, H, *map(len, place)))
    pattern = attention.mixed(pattern, attention.visible(config, *place), rate)
    return jnp.einsum("bhqp,bphk->bqhk", pattern, project(x, p["W_V"])).reshape(B * len(place[0]), -1)


def by_stream(
    config: ModelConfig,
    p: PyTree,
    x: Float[Array, "B P D"],
    reading: Float[Array, "B q D"],
    place: tuple[np.ndarray, np.ndarray],
    rate: Array | float,
) -> Float[Array, "Bq HK"]:
    """The same without keys and values: a query is carried to the stream by W_K, and what a head has read of
    the stream by W_V.
    """
    (B, P, D), q, H = x.shape, len(place[0]), config.num_heads
    of_rows = lambda pattern: jnp.moveaxis(pattern, -3, -2).reshape(*pattern.shape[:-3], q * H, P)
    if config.attention == "live":
        queries = matmul(reading.reshape(-1, D), p["W_Q"].reshape(D, -1))
        queries = of_heads(queries, jnp.moveaxis(p["W_K"], 0, 2)).reshape(B, q * H, D)
        products = products_of(queries, x).reshape(B, q, H, P)
        pattern = softmax(of_rows(attention.scaled(config, p, jnp.moveaxis(products, 2, 1), place)))
    else:
        pattern = jnp.broadcast_to(of_rows(attention.frozen_pattern(config, p, *place)), (B, q * H, P))
    pattern = attention.mixed(pattern, np.repeat(attention.visible(config, *place), H, 0), rate)
    return of_heads(weighted_sums(pattern, x).reshape(B * q, -1), jnp.moveaxis(p["W_V"], 1, 0))


@jax.custom_vjp
def products_of(queries: Float[Array, "B n D"], x: Float[Array, "B P D"]) -> Float[Array, "B n P"]:
    """Every query times every row of its example, s_np = q_n · x_p.

    Its gradients are Σ_p g_np x_p by the queries (`weighted_sums`) and Σ_n g_np q_n by x (`by_position`).
    Here and in `weighted_sums`, JAX's own derivative by x would come transposed.
    """
    return jnp.einsum("bnd,bpd->bnp", queries, x)


@jax.custom_vjp
def weighted_sums(pattern: Float[Array, "B n P"], x: Float[Array, "B P D"]) -> Float[Array, "B n D"]:
    """Sums of the rows of an example, one for each row of its pattern: r_n = Σ_p a_np x_p.

    Its gradients are g_n · x_p by the pattern (`products_of`) and Σ_n a_np g_n by x (`by_position`).
    """
    return jnp.einsum("bnp,bpd->bnd", pattern, x)


def by_position(pattern: Float[Array, "B n P"], rows: Float[Array, "B n D"]) -> Float[Array, "B P D"]:
    """What each position gets of the rows."""
    return lax.dot_general(pattern, rows, (((1,), (1,)), ((0,), (0,))))


products_of.defvjp(
    lambda queries, x: (products_of(queries, x), (queries, x)),
    lambda kept, g: (weighted_sums(g, kept[1]), by_position(g, kept[0])),
)
weighted_sums.defvjp(
    lambda pattern, x: (weighted_sums(pattern, x), (pattern, x)),
    lambda kept, g: (products_of(g, kept[1]), by_position(kept[0], g)),
)


def of_heads(x: Float[Array, "n Ha"], W: Float[Array, "H a b"]) -> Float[Array, "n Hb"]:
    """Every head's columns times its matrix."""
    return jnp.concatenate(
        [matmul(own, of_head) for own, of_head in zip(jnp.split(x, len(W), 1), W, strict=True)], 1
    )


@jax.custom_vjp
def softmax(scores: Float[Array, "... p"]) -> Float[Array, "... p"]:
    """Over the last axis, as `jax.nn.softmax`, with the derivative that is fast on a CPU."""
    return jax.nn.softmax(scores)


softmax.defvjp(
    lambda scores: (softmax(scores),) * 2,
    lambda pattern, g: (softmax_pullback(pattern, g, last_total),),
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def with_mlp(
    config: ModelConfig,
    weights: dict[str, Array],
    fixed: Float[Array, "chunks n f"],
    gathered: Float[Array, "chunks n c"],
) -> Float[Array, "chunks n D"]:
    """The stream after the MLP, act(X @ T) @ W_out + X @ tables with X = [fixed | gathered].

    See `stream.Stream`; the tables are of `fixed` alone, one row, where what was gathered is the stream
    before the MLP. With pre = X @ T, post = act(pre) and the gradient g by the result:

        by pre      h = act'(pre) * (g @ W_outᵀ)
        by T        Xᵀ @ h            by tables   Xᵀ @ g            by W_out   postᵀ @ g, made as (gᵀ @ post)ᵀ
        by gathered h @ T_gatheredᵀ + g @ tables_gatheredᵀ

    A product over rows is fast on a CPU with its small side first: g has D columns, post 4 D. X of look-ups
    has fewer columns than D, so X stands first. `pre` is kept, `post` is made again: it is cheaper than to
    read it. There is no gradient by `fixed`, which depends on the tokens alone.
    """
    return _with_mlp(config, weights, fixed, gathered)[0]


def is_whole(weights: dict[str, Array]) -> bool:
    """Whether the tables are those of what was gathered, too."""
    return len(weights["tables"]) == len(weights["T"])


def _with_mlp(config, weights, fixed, gathered):
    tables, whole = weights["tables"], is_whole(weights)

    def body(_, rows):
        X = jnp.concatenate(rows, 1)
        pre = contract(X, weights["T"], 1, 0)
        mid = contract(X, tables, 1, 0) if whole else rows[1] + tables
        return _, (mid + contract(ACTIVATION[config.activation].pulled(pre)[0], weights["W_out"], 1, 0), pre)

    after, pre = lax.scan(body, None, (fixed, gathered))[1]
    return after, (weights, fixed, gathered, pre)


def _with_mlp_pullback(config, kept, g):
    weights, *rows = kept
    first, whole = rows[0].shape[-1], is_whole(weights)
    back = {name: weights[name][first:] for name in ("T", "tables")}

    def body(sums, rows):
        fixed, gathered, pre, g = rows
        X, (post, pull) = jnp.concatenate([fixed, gathered], 1), ACTIVATION[config.activation].pulled(pre)
        g_pre = pull(contract(g, weights["W_out"], 1, 1))
        gradients = dict(
            T=contract(X, g_pre, 0, 0),
            tables=contract(X if whole else fixed, g, 0, 0),
            W_out=contract(g, post, 0, 0),
        )
        g_gathered = contract(g_pre, back["T"], 1, 1) + (contract(g, back["tables"], 1, 1) if whole else g)
        return jax.tree.map(jnp.add, sums, gradients), g_gathered

    zeros = jax.tree.map(jnp.zeros_like, weights | dict(W_out=weights["W_out"].T))
    sums, g_gathered = lax.scan(body, zeros, (*rows, g))
    return sums | dict(W_out=sums["W_out"].T), None, g_gathered


with_mlp.defvjp(_with_mlp, _with_mlp_pullback)
