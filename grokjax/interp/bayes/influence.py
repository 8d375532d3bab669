"""What examples do to each other, and to a part of a model, read off the draws of a chain as covariances.

All take per-example losses at every draw, [Ch, T, B], as `llc.of(..., per_example=True)` records in `aux`.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from grokjax.interp.bayes.estimates import Estimate


def covariance(
    first: Float[Array, "Ch T A"], second: Float[Array, "Ch T Z"], ok: Bool[Array, " Ch"]
) -> Float[Array, "A Z"]:
    """Returns the covariances of two sets of quantities over the draws of the chains that are ok, each chain
    about its own mean.
    """
    shown = ok[:, None, None]
    centred = [
        jnp.where(shown, x - x.mean(1, keepdims=True), 0.0).reshape(-1, x.shape[-1]) for x in (first, second)
    ]
    return centred[0].T @ centred[1] / (ok.sum() * (first.shape[1] - 1))


def bayesian_influence(estimate: Estimate) -> Float[Array, "B B"]:
    """Returns −Cov(loss of example i, loss of example j): what more weight on j does to the loss of i.

    The influence function of Kreer et al. 2025 (arXiv:2509.26544): negative where a heavier j lowers i's
    loss, per unit of nβ.
    """
    losses = _per_example(estimate)
    return -covariance(losses, losses, estimate.ok)


def susceptibility(estimate: Estimate, weights: Float[Array, "... B"]) -> Float[Array, "..."]:
    """Returns −Cov(L, Σ w_i ℓ_i − L): how the sampled part answers a shift of the data to `weights`.

    L is the mean loss, ℓ_i that of example i. With a mask of a head, this is that head's susceptibility
    (Baker et al. 2025, arXiv:2504.18274).

    weights: of the examples after the shift, each row adding up to 1
    """
    losses = _per_example(estimate)
    mean = losses.mean(-1, keepdims=True)
    shifted = jnp.einsum("...b,ctb->...ct", weights, losses - mean)
    flat = shifted.reshape(-1, *shifted.shape[-2:])
    found = -covariance(mean, jnp.moveaxis(flat, 0, -1), estimate.ok)[0]
    return found.reshape(shifted.shape[:-2])


def _per_example(estimate: Estimate) -> Float[Array, "Ch T B"]:
    if estimate.aux is None:
        raise ValueError("the estimate has no per-example losses: make it with per_example=True")
    return estimate.aux
