"""Places along the residual stream: their names, their activations at the positions that are read, and what
tokens alone give there.
"""

import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.interp import activations


def names(config: ModelConfig) -> tuple[str, ...]:
    """resid_pre, attn_out, resid_mid, mlp_out and resid_post of each layer; those that the model has."""
    kinds = (
        ("resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post")
        if config.mlp
        else ("resid_pre", "attn_out", "resid_post")
    )
    return tuple(f"blocks.{layer}.{kind}" for layer in range(config.num_layers) for kind in kinds)


def stacked(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    positions: Sequence[int],
    *,
    at: Sequence[str] | None = None,
    edits: activations.Edits | None = None,
) -> Float[Array, "sites R B D"]:
    """The activations at sites (by default all of `names`) and positions."""
    cache = activations.cached(config, params, tokens, edits)[1]
    return jnp.stack(
        [cache[name][:, np.asarray(positions)] for name in (names(config) if at is None else at)]
    ).swapaxes(1, 2)


def mean_patterns(
    config: ModelConfig, params: PyTree, tokens: Int[Array, "B P"]
) -> Mapping[str, Float[Array, "H q p"]]:
    """Every head's attention pattern, mean over the examples, by the activation's name."""
    cache = activations.cached(config, params, tokens)[1]
    return {name: pattern.mean(0) for name, pattern in cache.items() if name.endswith("attn.pattern")}


def with_patterns(
    config: ModelConfig, patterns: Mapping[str, Float[Array, "H q p"]]
) -> dict[str, functools.partial]:
    """Edits that hold attention at given patterns: the same keys for every input, so that resid_mid of layer
    0 is linear in the tokens.
    """
    return {name: functools.partial(_held, pattern) for name, pattern in patterns.items()}


def _held(pattern, x):
    return jnp.broadcast_to(pattern, x.shape)


def one_hot(
    config: ModelConfig, tokens: Int[Array, "B P"], positions: Sequence[int]
) -> Float[Array, "R B PV"]:
    """The tokens visible from each position, one-hot, place by place: all that a linear map of (token,
    position) embeddings can use.
    """
    seen = np.arange(tokens.shape[1]) <= np.asarray(positions)[:, None]
    hot = jax.nn.one_hot(tokens, config.vocabulary)
    return (hot * seen[:, None, :, None]).reshape(len(positions), len(tokens), -1)


def embedding_sum(
    config: ModelConfig, params: PyTree, tokens: Int[Array, "B P"], positions: Sequence[int]
) -> Float[Array, "R B D"]:
    """The sum of the embeddings visible from each position: what attention that looks everywhere alike would
    bring.
    """
    seen = (np.arange(tokens.shape[1]) <= np.asarray(positions)[:, None]).astype(np.float32)
    with jax.default_matmul_precision("float32"):
        cache = activations.cached(config, params, tokens)[1]
        return jnp.einsum("rp,bpd->rbd", seen, cache["blocks.0.resid_pre"])
