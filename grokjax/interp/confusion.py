"""Confusion matrices: the average probability of every answer for each true one, from a fixed set of
problems.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def matrix(
    log_probs: Float[Array, "B V"], answers: Int[Array, " B"], weights: Float[Array, " B"] | None = None
) -> Float[Array, "V V"]:
    """Mean P(column) where the true answer is the row; rows sum to 1 less what is leaked outside the V
    answers, NaN without an example.
    """
    own = _shares(answers, weights, log_probs.shape[-1])
    return own @ jnp.exp(log_probs)


def standard_errors(
    log_probs: Float[Array, "B V"], answers: Int[Array, " B"], weights: Float[Array, " B"] | None = None
) -> Float[Array, "V V"]:
    """Of each entry of `matrix`, were the examples drawn (an enumeration has none); a picture's steps should
    be above them.
    """
    own, probs = _shares(answers, weights, log_probs.shape[-1]), jnp.exp(log_probs)
    spread = probs[None] - (own @ probs)[:, None]
    return jnp.sqrt(jnp.einsum("rb,rbv->rv", own**2, spread**2))


def _shares(answers, weights, size):
    """[V, B]: the share of each example in the row of its answer."""
    weights = jnp.ones(len(answers)) if weights is None else weights
    own = jnp.where(jnp.asarray(answers) == jnp.arange(size)[:, None], weights, 0)
    return own / own.sum(-1, keepdims=True)
