"""Every named activation of a run on a batch, as it is or with edits, and the gradients with respect to them.

An edit is a function of an activation, under its name: `{"blocks.0.attn.z": lambda z: z.at[:, :, 2].set(0)}`.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from grokjax import model, tap
from grokjax.config import ModelConfig

Edits = Mapping[str, Callable[[Array], Array]]
Cache = Mapping[str, Array]


def cached(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    edits: Edits | None = None,
    *,
    attention_rate: Array | float = 1.0,
) -> tuple[Float[Array, "B P V"], dict[str, Array]]:
    """(logits at every position, every activation by name, after its edit). ValueError for a name that the
    model does not have.
    """
    with jax.default_matmul_precision("float32"):
        run = tap.run_with_cache(functools.partial(model.forward, config), edits)
        return run(params, tokens, attention_rate=attention_rate)


def names(config: ModelConfig) -> tuple[str, ...]:
    """The names of all activations of such a model, in the order in which they are computed."""
    tokens = jax.ShapeDtypeStruct((1, config.num_positions), jnp.int32)
    order: list[str] = []

    def watch(name: str, x: Array) -> Array:
        order.append(name)
        return x

    jax.eval_shape(functools.partial(model.forward, config, tap=watch), model.shapes(config), tokens)
    return tuple(order)


def gradients(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    score: Callable[[Array], Array],
    *,
    at: Sequence[str] | None = None,
    attention_rate: Array | float = 1.0,
) -> dict[str, Array]:
    """The gradient of `score(logits [B, P, V])`, a scalar, with respect to each activation named in `at`
    (None: all), in its shape.

    All of them in one backward pass: each is the gradient of a change that is made there and travels on
      through the rest of the model.
    """
    at = tuple(names(config) if at is None else at)
    cache = jax.eval_shape(lambda: cached(config, params, tokens)[1])
    if unknown := sorted(set(at) - set(cache)):
        raise ValueError(f"no activation is named {', '.join(unknown)}; there are {', '.join(sorted(cache))}")

    def scored(changes):
        edits = {name: lambda x, change=change: x + change for name, change in changes.items()}
        return score(cached(config, params, tokens, edits, attention_rate=attention_rate)[0])

    return jax.grad(scored)({name: jnp.zeros(cache[name].shape, cache[name].dtype) for name in at})
