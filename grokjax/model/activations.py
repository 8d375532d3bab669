"""The MLP's activation functions, each with its derivative by hand: a new one is one entry here."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

Pulled = tuple[Array, Callable[[Array], Array]]


class Activation(NamedTuple):
    """An activation function; it is called like one.

    of: pre -> post, which JAX differentiates
    pulled: pre -> (post, gradient by post -> gradient by pre), for programs that differentiate by hand
    """

    of: Callable[[Array], Array]
    pulled: Callable[[Array], Pulled]

    def __call__(self, pre: Array) -> Array:
        return self.of(pre)


def relu(pre: Array) -> Pulled:
    """max(pre, 0), whose derivative at 0 is 0."""
    post = jnp.maximum(pre, 0)
    return post, lambda g: jnp.where(post > 0, g, 0)


def gelu(pre: Array) -> Pulled:
    """The exact GELU, x Φ(x), with the derivative Φ(x) + x φ(x)."""
    below = 0.5 * lax.erfc(-pre * np.float32(np.sqrt(0.5)))
    slope = below + pre * jnp.exp(-0.5 * pre**2) * np.float32(1 / np.sqrt(2 * np.pi))
    return pre * below, lambda g: g * slope


ACTIVATION: dict[str, Activation] = dict(
    relu=Activation(jax.nn.relu, relu),  # JAX differentiates jnp.maximum to a test for ties, which is slow
    gelu=Activation(lambda x: jax.nn.gelu(x, approximate=False), gelu),
)
