"""Confusion matrices: the mean probability of every answer for each true one."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def matrix(
    log_probs: Float[Array, "B V"], answers: Int[Array, " B"], weights: Float[Array, " B"] | None = None
) -> Float[Array, "V V"]:
    """Returns the mean P(column) over the examples whose true answer is the row.

    Rows sum to 1, less what the run gives to symbols outside the V answers; NaN for a row without an example.
    """
    own = _shares(answers, weights, log_probs.shape[-1])
    return jnp.matmul(own, jnp.exp(log_probs), precision="float32")


def standard_errors(
    log_probs: Float[Array, "B V"], answers: Int[Array, " B"], weights: Float[Array, " B"] | None = None
) -> Float[Array, "V V"]:
    """Returns the standard error of each entry of `matrix`, for examples that were drawn.

    An enumeration of all examples has none. The steps of a picture's colours should be above them.
    """
    own, probs = _shares(answers, weights, log_probs.shape[-1]), jnp.exp(log_probs)
    spread = probs[None] - jnp.matmul(own, probs, precision="float32")[:, None]
    return jnp.sqrt(jnp.einsum("rb,rbv->rv", own**2, spread**2))


def _shares(answers, weights, size):
    """[V, B]: the share of each example in the row of its answer."""
    weights = jnp.ones(len(answers)) if weights is None else weights
    own = jnp.where(jnp.asarray(answers) == jnp.arange(size)[:, None], weights, 0)
    return own / own.sum(-1, keepdims=True)
