"""The MLP's activation functions with their derivatives: `pre -> (post, gradient by post -> gradient by
pre)`.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

Pulled = tuple[Array, Callable[[Array], Array]]


def relu(pre: Array) -> Pulled:
    """max(pre, 0), whose derivative at 0 is 0."""
    post = jnp.maximum(pre, 0)
    return post, lambda g: jnp.where(post > 0, g, 0)


def gelu(pre: Array) -> Pulled:
    """The exact GELU, x Φ(x)."""
    below = 0.5 * lax.erfc(-pre * np.float32(np.sqrt(0.5)))
    slope = below + pre * jnp.exp(-0.5 * pre**2) * np.float32(1 / np.sqrt(2 * np.pi))
    return pre * below, lambda g: g * slope


ACTIVATION: dict[str, Callable[[Array], Pulled]] = dict(relu=relu, gelu=gelu)
