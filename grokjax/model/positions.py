"""Positional encodings: a table added to the embeddings (learned, sinusoidal, abacus), a rotation of q and k
(RoPE), a bias (FIRE).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, PyTree

from grokjax.config import ModelConfig

ADDED = ("learned", "sinusoidal", "abacus")


def table(config: ModelConfig, params: PyTree) -> Float[Array, "I D"] | None:
    """The rows that are added to embeddings, or None where the encoding adds nothing."""
    if config.positions == "sinusoidal":
        return jnp.asarray(sinusoids(config.num_positions, config.d_model))
    return params["W_pos"] if config.positions in ADDED else None


def index(config: ModelConfig, tokens: Int[Array, "*B P"], offset: Array | int = 0) -> Int[Array, "*b P"]:
    """Which row of the table each position adds: [P], or [..., P] where it depends on the tokens (abacus)."""
    if config.positions != "abacus":
        return jnp.arange(tokens.shape[-1])
    column = columns(tokens, base=config.base, order=config.order)
    return jnp.where(column > 0, column + offset, 0)


def sinusoids(num_positions: int, d_model: int) -> np.ndarray:
    """[P, D] sines and cosines of geometrically spaced wavelengths (Vaswani et al. 2017), scaled as an
    embedding: norm about 1.
    """
    rates = 10000.0 ** (-np.arange(0, d_model, 2) / d_model)
    angles = np.arange(num_positions)[:, None] * rates
    waves = np.stack([np.sin(angles), np.cos(angles)], -1).reshape(num_positions, -1)[:, :d_model]
    return (waves * np.sqrt(2 / d_model)).astype(np.float32)


def columns(tokens: Int[Array, "*B P"], *, base: int, order: str) -> Int[Array, "*B P"]:
    """The place of each digit in its number, 1 = units; 0 for other tokens (Abacus: McLeish et al. 2024,
    arXiv:2405.17399).

    Operands stand most significant first. The answer (after `=`, token base + 1) stands in `order`; its last
    digit is not among the tokens.
    """
    length = tokens.shape[-1]
    place = jnp.arange(length)
    other = tokens >= base
    before = lax.cummax(jnp.where(other, place, -1), axis=tokens.ndim - 1)
    after = lax.cummin(jnp.where(other, place, length), axis=tokens.ndim - 1, reverse=True)
    in_answer = lax.cummax((tokens == base + 1).astype(jnp.int32), axis=tokens.ndim - 1) > 0
    from_right = after - place + (in_answer & (after == length))
    column = jnp.where(in_answer & (order == "lsb"), place - before, from_right)
    return jnp.where(other, 0, column)


def rotate(x: Float[Array, "*B P H K"], position: np.ndarray) -> Float[Array, "*B P H K"]:
    """x with each pair (i, i + K/2) turned by position × 10000^(-2i/K) (RoPE: Su et al. 2021,
    arXiv:2104.09864).
    """
    half = x.shape[-1] // 2
    angle = position[:, None, None] * 10000.0 ** (-jnp.arange(half) / half)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    a, b = x[..., :half], x[..., half:]
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], -1)


def fire_bias(fire: PyTree, query: np.ndarray, key: np.ndarray) -> Float[Array, "H q p"]:
    """Score biases of FIRE: an MLP of log(c |i-j| + 1) / log(c max(L, i) + 1) (Li et al. 2023,
    arXiv:2310.04418).
    """
    c, reach = jnp.abs(fire["c"]), jnp.abs(fire["threshold"]) * 16
    grown = lambda x: jnp.log1p(c * x)
    distance = grown(np.abs(query[:, None] - key).astype(np.float32)) / (
        grown(jnp.maximum(query, reach))[:, None] + 1e-6
    )
    hidden = jax.nn.relu(distance[..., None] * fire["w1"] + fire["b1"])
    return jnp.moveaxis(hidden @ fire["w2"] + fire["b2"], -1, 0)
