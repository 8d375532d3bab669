"""One attention layer's pattern: live (softmax of q·k) or frozen (a pattern that does not depend on the
tokens).

Query and key positions are numpy arrays: they are known when the program is made.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from grokjax.config import ModelConfig
from grokjax.model import positions


def visible(config: ModelConfig, query: np.ndarray, key: np.ndarray) -> np.ndarray:
    """[q, p]: which key positions each query position may read."""
    seen = query[:, None] >= key
    return seen if config.mask == "causal" else np.ones_like(seen)


def scores(
    config: ModelConfig,
    p: PyTree,
    q: Float[Array, "B q H K"],
    k: Float[Array, "B p H K"],
    place: tuple[np.ndarray, np.ndarray],
) -> Float[Array, "B H q p"]:
    """q·k / sqrt(K), with the rotation or bias of the positional encoding, and -inf where nothing may be
    read.
    """
    if config.positions == "rope":
        q, k = positions.rotate(q, place[0]), positions.rotate(k, place[1])
    return scaled(config, p, jnp.einsum("...qhk,...phk->...hqp", q, k), place)


def scaled(
    config: ModelConfig, p: PyTree, products: Float[Array, "B H q p"], place: tuple[np.ndarray, np.ndarray]
) -> Float[Array, "B H q p"]:
    """Scores from the products q·k, whose rotation has been made."""
    raw = products / jnp.sqrt(jnp.float32(config.head_width))
    if config.positions == "fire":
        raw = raw + positions.fire_bias(p["fire"], *place)
    return jnp.where(visible(config, *place), raw, -jnp.inf)


def mixed(pattern: Float[Array, "... q p"], seen: np.ndarray, rate: Array | float) -> Float[Array, "... q p"]:
    """rate × pattern + (1 - rate) × ones on what is visible (pizza adds ones, not 1/P)."""
    if isinstance(rate, float | int) and rate == 1:
        return pattern
    return rate * pattern + (1 - rate) * seen


def frozen_pattern(
    config: ModelConfig, p: PyTree, query: np.ndarray, key: np.ndarray
) -> Float[Array, "H q p"]:
    """Uniform over what is visible, or the softmax of one learned number per head, query and key position."""
    seen = visible(config, query, key)
    logits = (
        p["attn_logits"][:, query][:, :, key]
        if config.attention == "positional"
        else jnp.zeros((config.num_heads, 1, 1))
    )
    return jax.nn.softmax(jnp.where(seen, logits, -jnp.inf))
