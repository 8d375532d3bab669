"""How large activations are: standard deviations by layer, such as those that an initial scale sets."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.interp import activations, sites


def deviations(config: ModelConfig, params: PyTree, tokens: Int[Array, "B P"]) -> dict[str, Float[Array, ""]]:
    """The standard deviation, over examples, positions and coordinates, of the embedding, of all of
    `sites.names`, of the neurons before and after the activation function, and of the logits."""
    logits, cache = activations.cached(config, params, tokens)
    neurons = (
        [f"blocks.{layer}.mlp.{kind}" for layer in range(config.num_layers) for kind in ("pre", "post")]
        if config.mlp
        else []
    )
    return {name: jnp.std(cache[name]) for name in ("embed", *sites.names(config), *neurons)} | {
        "logits": jnp.std(logits)
    }
