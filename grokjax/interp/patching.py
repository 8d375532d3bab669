"""Activation patching: what a run answers when one activation is copied in from its run on other inputs
(Heimersheim & Nanda, arXiv:2404.15255).

`tokens` are the inputs that are answered, `source` those that the copies come from, example by example;
`score(logits [B, P, V])` is what is measured of the answer. Its value on `tokens` and on `source` are the two
ends that `effect` measures between.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.interp import activations

Score = Callable[[Array], Any]


def positions(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    source: Int[Array, "B P"],
    score: Score,
    *,
    name: str = "blocks.0.resid_pre",
    attention_rate: Array | float = 1.0,
) -> PyTree:
    """The score, leaves [P, ...], with the activation `name`, of shape [B, P, ...], copied at one position
    after another.
    """
    return _Patched(config, params, tokens, source, score, attention_rate).positions(name)


def heads(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    source: Int[Array, "B P"],
    score: Score,
    *,
    part: str = "z",
    attention_rate: Array | float = 1.0,
) -> PyTree:
    """The score, leaves [L, H, ...], with one head's `part` copied at every position: z (what it reads), or
    q, k, v.
    """
    patched = _Patched(config, params, tokens, source, score, attention_rate)
    which = jnp.arange(config.num_heads)

    def of_layer(layer: int) -> PyTree:
        name = f"blocks.{layer}.attn.{part}"
        return jax.lax.map(lambda head: patched.score({name: lambda x: (which == head)[:, None]}), which)

    return jax.tree.map(lambda *layers: jnp.stack(layers), *map(of_layer, range(config.num_layers)))


def components(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    source: Int[Array, "B P"],
    score: Score,
    *,
    attention_rate: Array | float = 1.0,
) -> dict[str, PyTree]:
    """The score, leaves [P, ...], by name, with the residual stream or what a layer adds to it copied at each
    position.
    """
    sites = ("embed", "resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post")
    names = [name for name in activations.names(config) if name.endswith(sites)]
    patched = _Patched(config, params, tokens, source, score, attention_rate)
    return {name: patched.positions(name) for name in names}


def effect(
    patched: Float[Array, "..."], clean: Float[Array, ""], corrupted: Float[Array, ""]
) -> Float[Array, "..."]:
    """Which share of the way from the score on `tokens` (0) to the score on `source` (1) the copy has gone."""
    return (patched - clean) / (corrupted - clean)


class _Patched:
    """The activations on `source`, and the score on `tokens` with some of them."""

    def __init__(self, config, params, tokens, source, score, attention_rate):
        self.config, self.params, self.tokens, self.of, self.rate = (
            config,
            params,
            tokens,
            score,
            attention_rate,
        )
        self.source = activations.cached(config, params, source, attention_rate=attention_rate)[1]

    def positions(self, name):
        place = jnp.arange(self.tokens.shape[1])
        return jax.lax.map(
            lambda at: self.score({name: lambda x: (place == at).reshape(-1, *[1] * (x.ndim - 2))}), place
        )

    def score(self, masks):
        """masks: by name, a function of the activation that says where it is copied."""
        edits = {
            name: lambda x, name=name, mask=mask: jnp.where(mask(x), self.source[name], x)
            for name, mask in masks.items()
        }
        unknown = sorted(set(masks) - set(self.source))
        if unknown:
            raise ValueError(
                f"no activation is named {', '.join(unknown)}; there are {', '.join(sorted(self.source))}"
            )
        return self.of(
            activations.cached(self.config, self.params, self.tokens, edits, attention_rate=self.rate)[0]
        )
