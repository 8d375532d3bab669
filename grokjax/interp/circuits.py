"""What the weights alone say: products of weight matrices from one basis that people can read to another
(Elhage et al. 2021).

A basis is a set of rows in the residual stream: `token` (W_E) or `position` (the table that the encoding
adds). Where layer norm stands between two matrices its gain and its centring are taken along; its scale
depends on the input and is left out, as is its bias. Rotations and biases of scores (RoPE, FIRE) are left
out: they depend on the distance, not on what is at its ends.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.model import attention, positions


def basis(config: ModelConfig, params: PyTree, of: str) -> Float[Array, "N D"]:
    """The rows of `token` or `position`. ValueError for another word, or where the encoding adds nothing."""
    if of == "token":
        return params["W_E"]
    table = positions.table(config, params)
    if of != "position" or table is None:
        raise ValueError(
            f"{of!r} with positions={config.positions!r}: the bases are 'token' and, where positions are added, 'position'"
        )
    return table


def reading(config: ModelConfig, params: PyTree, layer: int, norm: str, weight: str) -> Float[Array, "D ..."]:
    """The matrix `weight` of a layer, which reads the stream behind the layer norm `norm`, as one that reads
    the stream itself.
    """
    p = params["blocks"][layer]
    return _behind(p[norm]["w"], p[weight]) if config.layer_norm else p[weight]


def unembedding(config: ModelConfig, params: PyTree) -> Float[Array, "D V"]:
    """W_U as a matrix that reads the last residual stream itself."""
    return _behind(params["ln_final"]["w"], params["W_U"]) if config.layer_norm else params["W_U"]


def direct(config: ModelConfig, params: PyTree, *, of: str = "token") -> Float[Array, "N V"]:
    """The direct path, W_E W_U: what a token adds to the logits at its own place by no layer."""
    return _product(basis(config, params, of), unembedding(config, params))


def ov(config: ModelConfig, params: PyTree, layer: int = 0, *, of: str = "token") -> Float[Array, "H N V"]:
    """The full OV circuit of every head, W_E W_V W_O W_U: what a token adds to the logits where it is
    attended to, directly.
    """
    return _through_heads(config, params, layer, of, unembedding(config, params))


def ov_to_neurons(
    config: ModelConfig, params: PyTree, layer: int = 0, *, of: str = "token"
) -> Float[Array, "H N M"]:
    """W_E W_V W_O W_in: what a token adds to the neurons of the same layer where a head attends to it."""
    return _through_heads(config, params, layer, of, reading(config, params, layer, "ln2", "W_in"))


def qk(
    config: ModelConfig, params: PyTree, layer: int = 0, *, query_of: str = "token", key_of: str = "token"
) -> Float[Array, "H N N2"]:
    """The full QK circuit of every head, W_E W_Q W_Kᵀ W_Eᵀ / sqrt(K): the scores, query by key, each in its
    basis.

    In a first layer without layer norm the four of token and position sum to the score of the model.
    ValueError without live attention.
    """
    if config.attention != "live":
        raise ValueError(
            f"attention={config.attention!r} has no queries and keys; only 'live' attention does"
        )
    q, k = (
        _heads(basis(config, params, of), reading(config, params, layer, "ln1", name))
        for of, name in ((query_of, "W_Q"), (key_of, "W_K"))
    )
    return jnp.einsum("hnk,hmk->hnm", q, k, precision="float32") / jnp.sqrt(jnp.float32(config.head_width))


PAIRS = tuple(itertools.product(("position", "token"), repeat=2))
"""The bases of query and key, in the order of `score_shares`."""


def score_shares(
    config: ModelConfig, task: Any, params: PyTree, tokens: Int[Array, "B P"]
) -> Float[Array, "H 4"]:
    """How much of what tells keys apart in a first layer lies in each of the four parts of its scores
    (`PAIRS`), where answers are read.

    Of each part the sum of squares over the keys in view, less their mean, which the softmax does not see; as
    shares of the four sums.
    """
    read, place = np.asarray(task.read), np.arange(tokens.shape[1])
    seen = jnp.asarray(attention.visible(config, read, place))
    rows = dict(token=tokens, position=jnp.broadcast_to(place, tokens.shape))

    def squares(query_of: str, key_of: str) -> Float[Array, " H"]:
        part = qk(config, params, query_of=query_of, key_of=key_of)[
            :, rows[query_of][:, read, None], rows[key_of][:, None, :]
        ]
        mean = (part * seen).sum(-1, keepdims=True) / seen.sum(-1, keepdims=True)
        return jnp.square((part - mean) * seen).sum((1, 2, 3))

    found = jnp.stack([squares(*pair) for pair in PAIRS], -1)
    return found / found.sum(-1, keepdims=True)


def mlp_in(config: ModelConfig, params: PyTree, layer: int = 0, *, of: str = "token") -> Float[Array, "N M"]:
    """W_E W_in: what a token adds to the neurons of a layer at its own place, directly and without b_in."""
    return _product(basis(config, params, of), reading(config, params, layer, "ln2", "W_in"))


def mlp_out(config: ModelConfig, params: PyTree, layer: int = 0) -> Float[Array, "M V"]:
    """W_out W_U: what a neuron adds to the logits, directly, for each unit of its activation."""
    return _product(params["blocks"][layer]["W_out"], unembedding(config, params))


def _through_heads(config, params, layer, of, out):
    p = params["blocks"][layer]
    value = _heads(basis(config, params, of), reading(config, params, layer, "ln1", "W_V"))
    return jnp.einsum(
        "hnk,hkv->hnv", value, jnp.tensordot(p["W_O"], out, 1, precision="float32"), precision="float32"
    )


def _heads(rows, W):
    return jnp.einsum("nd,dhk->hnk", rows, W, precision="float32")


def _behind(gain, W):
    """W of `centred(x) * gain @ W`, as a matrix that reads x."""
    scaled = jnp.einsum("d,d...->d...", gain, W)
    return scaled - scaled.mean(0)


def _product(rows, W):
    with jax.default_matmul_precision("float32"):
        return rows @ W
