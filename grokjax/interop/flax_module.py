"""The transformer as a Flax module; its parameters are the same nested dict."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen
from jaxtyping import Array, Float, Int

from grokjax import model
from grokjax.config import ModelConfig


class FlaxTransformer(linen.Module):
    """`FlaxTransformer(run.config).apply({"params": run.params}, tokens)` gives the logits of a run.

    config: as of a Run; `init(key, tokens)["params"]` is `model.init(config, key)` of a key that Flax derives
    """

    config: ModelConfig

    @linen.compact
    def __call__(
        self,
        tokens: Int[Array, "B P"],
        *,
        read: Sequence[int] | None = None,
        attention_rate: Array | float = 1.0,
        offset: Array | int = 0,
    ) -> Float[Array, "B R V"]:
        shapes = model.shapes(self.config)
        # one draw for all tensors, as training has it; afterwards only the shapes are looked at
        drawn = model.init(self.config, self.make_rng("params")) if self.is_initializing() else {}
        params = {name: self.param(name, _initial, drawn.get(name), shape) for name, shape in shapes.items()}
        return model.forward(
            self.config, params, tokens, read=read, attention_rate=attention_rate, offset=offset
        )


def _initial(key: Any, drawn: Any, shape: Any) -> Any:
    return jax.tree.map(lambda x: jnp.zeros(x.shape), shape) if drawn is None else drawn
