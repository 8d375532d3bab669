"""A block at every position, for what lies before the last one of a deep model: plain arithmetic, derivatives in the order a CPU likes."""
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PyTree

from grokjax.config import ModelConfig
from grokjax.model import attention
from grokjax.model.activations import ACTIVATION
from grokjax.model.arithmetic import contract, matmul
from grokjax.model.transformer import at


def attended(config: ModelConfig, p: PyTree, x: Float[Array, "B P D"], rows: np.ndarray, rate: Array | float) -> Float[Array, "B q D"]:
    """x at the positions `rows`, and what attention adds there."""
    (B, P, D), H, reading = x.shape, config.num_heads, at(x, rows, 1)
    place = rows, np.arange(P)
    project = lambda x, W: matmul(x.reshape(-1, D), W.reshape(D, -1)).reshape(*x.shape[:2], H, -1)
    if config.attention == "live":
        pattern = softmax(attention.scores(config, p, project(reading, p["W_Q"]), project(x, p["W_K"]), place))
    else:
        pattern = jnp.broadcast_to(attention.frozen_pattern(config, p, *place), (B, H, len(rows), P))
    pattern = attention.mixed(pattern, attention.visible(config, *place), rate)
    z = jnp.einsum("bhqp,bphk->bqhk", pattern, project(x, p["W_V"]))
    return reading + matmul(z.reshape(B * len(rows), -1), p["W_O"].reshape(-1, D)).reshape(reading.shape)


@jax.custom_vjp
def softmax(scores: Float[Array, "... p"]) -> Float[Array, "... p"]:
    """Over the last axis; the sums of its derivative as a product with ones, which XLA's would take longer than all else."""
    return jax.nn.softmax(scores)


def _softmax_pullback(pattern, g):
    weighted = pattern * g
    P = pattern.shape[-1]
    total = contract(weighted.reshape(-1, P), jnp.ones((P, 1), pattern.dtype), 1, 0, lax.Precision.HIGHEST)
    return (weighted - pattern * total.reshape(*pattern.shape[:-1], 1),)


softmax.defvjp(lambda scores: (softmax(scores),) * 2, _softmax_pullback)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def with_mlp(config: ModelConfig, p: PyTree, mid: Float[Array, "chunks n D"]) -> Float[Array, "chunks n D"]:
    """The stream after the MLP, from the stream before it; p holds W_in, b_in, W_out, b_out."""
    return _with_mlp(config, p, mid)[0]


def _with_mlp(config, p, mid):
    def body(_, mid):
        post = ACTIVATION[config.activation](contract(mid, p["W_in"], 1, 0) + p["b_in"])[0]
        return _, (mid + contract(post, p["W_out"], 1, 0) + p["b_out"])

    return lax.scan(body, None, mid)[1], (p, mid)


def _with_mlp_pullback(config, kept, g):
    p, mid = kept

    def body(sums, rows):
        mid, g = rows
        post, pull = ACTIVATION[config.activation](contract(mid, p["W_in"], 1, 0) + p["b_in"])
        g_pre = pull(contract(g, p["W_out"], 1, 1))
        gradients = contract(mid, g_pre, 0, 0), g_pre.sum(0), contract(g, post, 0, 0), g.sum(0)
        return jax.tree.map(jnp.add, sums, gradients), g + contract(g_pre, p["W_in"], 1, 1)

    shapes = p["W_in"], p["b_in"], p["W_out"].T, p["b_out"]
    (W_in, b_in, W_out, b_out), g_mid = lax.scan(body, tuple(map(jnp.zeros_like, shapes)), (mid, g))
    return dict(W_in=W_in, b_in=b_in, W_out=W_out.T, b_out=b_out), g_mid


with_mlp.defvjp(_with_mlp, _with_mlp_pullback)
