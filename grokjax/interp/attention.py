"""Attention patterns of a run on a fixed batch, and how far two runs, or two moments of one, are apart."""
import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from grokjax import model, tap
from grokjax.config import ModelConfig


def patterns(config: ModelConfig, params: PyTree, tokens: Int[Array, "B P"], *, attention_rate: Array | float = 1.0,
             ) -> Float[Array, "L H q p"]:
    """The mean over examples of every head's pattern."""
    return _cached(config, "pattern", lambda x: x.mean(0), params, tokens, attention_rate=attention_rate)


def scores(config: ModelConfig, params: PyTree, tokens: Int[Array, "B P"]) -> Float[Array, "L H q p"]:
    """The mean over examples of every head's q·k / sqrt(K) before the softmax, -inf where nothing may be read; live attention only."""
    if config.attention != "live":
        raise ValueError(f"attention={config.attention!r} has no scores; only 'live' attention does")
    return _cached(config, "attn_scores", lambda x: x.mean(0), params, tokens)


def distance(before: Float[Array, "*L q p"], after: Float[Array, "*L q p"]) -> Float[Array, "*L q"]:
    """Half the sum of absolute differences over keys (total variation): how much attention each query has moved, 0 to 1."""
    return jnp.abs(after - before).sum(-1) / 2


def at_distance(pattern: Float[Array, "*L q p"], distance: int, first: int) -> Float[Array, "*L"]:
    """Mean attention that the queries from `first` on pay to the key so many places before them.

    Distance 1 is the previous-token score. On random tokens that repeat with period T, distance T − 1 is the induction score: the token
    after the last occurrence of this one (Olsson et al. 2022, arXiv:2209.11895).
    """
    queries = jnp.arange(max(first, distance), pattern.shape[-2])
    return pattern[..., queries, queries - distance].mean(-1)


def _cached(config: ModelConfig, name: str, reduce: Callable[[Array], Array], *inputs: Any, **options: Any) -> Array:
    _, cache = tap.run_with_cache(functools.partial(model.forward, config))(*inputs, **options)
    return jnp.stack([reduce(cache[f"blocks.{layer}.attn.{name}"]) for layer in range(config.num_layers)])
