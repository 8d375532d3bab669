"""What a quadratic would give: the learning coefficient at finite nβ and γ from the spectrum of the Hessian.

With curvatures h, slopes g along their directions and a = nβ h + γ, a chain of step size ε around w* has
variance 1/(a (1 − εa/4)), mean −nβ g/a, and so gives
    ½ Σ nβ h/(a (1 − εa/4)) − Σ nβ² g²/a (1 − nβ h/(2a)).
The first sum is the curvature's, the second the slope's: it is negative where w* is no minimum.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PyTree

from grokjax.run import Run

Scalar = Array | float


class Spectrum(NamedTuple):
    """Curvatures of a loss with how many directions each stands for, and with the squared slope along them.

    curvatures, weights: the rows are independent probes, of which each alone describes the whole spectrum; an
      exact spectrum has one row, and weights of 1
    slope_curvatures, squared_slopes: the same for the gradient: their sum is its squared norm
    """

    curvatures: Float[Array, "Q k"]
    weights: Float[Array, "Q k"]
    slope_curvatures: Float[Array, " j"]
    squared_slopes: Float[Array, " j"]


class Gaussian(NamedTuple):
    """The learning coefficient of the quadratic: its value is the sum of two parts.

    standard_error: of the value, over probes; 0 for an exact spectrum, NaN for one probe of many
    unstable: the number of directions without a stationary law (a ≤ 0, or ε ≥ 4/a); with any the value is NaN
    """

    value: Float[Array, ""]
    curvature: Float[Array, ""]
    slope: Float[Array, ""]
    standard_error: Float[Array, ""]
    unstable: Float[Array, ""]


def gaussian(spectrum: Spectrum, *, nbeta: Scalar, gamma: Scalar, epsilon: Scalar = 0.0) -> Gaussian:
    """Returns what the quadratic gives at (nβ, γ), or what a chain of step size ε makes of it."""
    a = nbeta * spectrum.curvatures + gamma
    lost = (a <= 0) | (epsilon * a >= 4)
    spread = jnp.where(lost, 1.0, a * (1 - epsilon * a / 4))
    terms = jnp.where(lost, 0.0, spectrum.weights * nbeta * spectrum.curvatures / spread)
    unstable = jnp.where(lost & (spectrum.weights > 0.01), spectrum.weights, 0.0).sum(-1).mean()
    h, squares = spectrum.slope_curvatures, spectrum.squared_slopes
    a = jnp.where(squares > 0, nbeta * h + gamma, 1.0)
    slope = -(nbeta**2 * squares / a * (1 - nbeta * h / (2 * a))).sum()
    curvatures = jnp.where(unstable > 0, jnp.nan, terms.sum(-1) / 2)
    number = len(curvatures)
    error = curvatures.std(ddof=1) / jnp.sqrt(number) if number > 1 else _exact(spectrum)
    return Gaussian(curvatures.mean() + slope, curvatures.mean(), slope, error, unstable)


def _exact(spectrum: Spectrum) -> Array:
    return jnp.where((spectrum.weights == 1).all(), 0.0, jnp.nan)


def dense(loss: Callable[[PyTree], Array], params: PyTree, *, mask: PyTree | None = None) -> Spectrum:
    """Returns the exact spectrum of a loss at params, or of the entries that a mask frees.

    It takes one Hessian-vector product for each of d parameters, and a factorisation of a d by d matrix. The
    mask must be known when this is traced, since it decides on d.
    """
    restricted, start = _restricted(loss, params, mask)
    gradient = jax.grad(restricted)
    product = lambda v: jax.jvp(gradient, (start,), (v,))[1]
    matrix = lax.map(product, jnp.eye(len(start)))
    h, directions = jnp.linalg.eigh((matrix + matrix.T) / 2)
    return Spectrum(h[None], jnp.ones_like(h)[None], h, (directions.T @ gradient(start)) ** 2)


def lanczos(
    key: Key[Array, ""],
    loss: Callable[[PyTree], Array],
    params: PyTree,
    *,
    num_steps: int = 64,
    num_probes: int = 4,
    mask: PyTree | None = None,
) -> Spectrum:
    """Returns the spectrum by stochastic Lanczos quadrature, for models too large for `dense`.

    Each probe costs num_steps Hessian-vector products (Ubaru et al. 2017; Ghorbani et al. 2019), and so does
    the gradient, whose own quadrature gives the part of the slope. Smooth functions of the spectrum, as
    `gaussian` is, come out far more exactly than single curvatures.
    """
    restricted, start = _restricted(loss, params, mask)
    gradient = jax.grad(restricted)
    product = lambda v: jax.jvp(gradient, (start,), (v,))[1]
    steps = min(num_steps, len(start))
    probes = random.rademacher(key, (num_probes, len(start)), start.dtype)
    # in one loop: a program that factorises in two places is kept to one CPU device
    starts = jnp.concatenate([probes, gradient(start)[None]])
    nodes, weights = lax.map(lambda v: _quadrature(product, v, steps), starts)
    return Spectrum(nodes[:-1], weights[:-1], nodes[-1], weights[-1])


def of(run: Run, batch: Any, *, mask: PyTree | None = None, weight_decay: Scalar | None = None) -> Spectrum:
    """Returns the exact spectrum of a run's mean loss on a batch, plus weight_decay/2 |w|² (see `dense`)."""
    return dense(plain_loss(run, batch, weight_decay), run.params, mask=mask)


def of_large(
    run: Run,
    batch: Any,
    *,
    key: Key[Array, ""],
    num_steps: int = 64,
    num_probes: int = 4,
    mask: PyTree | None = None,
    weight_decay: Scalar | None = None,
) -> Spectrum:
    """Returns the spectrum of a run's mean loss on a batch by `lanczos`, with weight_decay/2 |w|² added."""
    return lanczos(
        key,
        plain_loss(run, batch, weight_decay),
        run.params,
        num_steps=num_steps,
        num_probes=num_probes,
        mask=mask,
    )


def plain_loss(run: Run, batch: Any, weight_decay: Scalar | None = None) -> Callable[[PyTree], Array]:
    """Returns a run's mean loss on a batch as a function of its parameters, twice differentiable.

    The program that a run trains with has its gradient written by hand, and no second derivative.
    """

    def loss(params: PyTree) -> Array:
        mean = run.replace(params=params).loss(batch)
        if weight_decay is None:
            return mean
        return mean + weight_decay / 2 * sum(jnp.sum(x * x) for x in jax.tree.leaves(params))

    return loss


def _restricted(
    loss: Callable[[PyTree], Array], params: PyTree, mask: PyTree | None
) -> tuple[Callable[[Array], Array], Float[Array, " d"]]:
    """(the loss as a function of the free entries alone, those entries)."""
    flat, unravelled = ravel_pytree(params)
    if mask is None:
        return lambda free: loss(unravelled(free)), flat
    rows = np.flatnonzero(np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(mask)]))
    return lambda free: loss(unravelled(flat.at[rows].set(free))), flat[rows]


def _quadrature(
    product: Callable[[Array], Array], start: Float[Array, " d"], steps: int
) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
    """(nodes, weights) with Σ weight f(node) ≈ startᵀ f(H) start, from `steps` steps of Lanczos.

    Every new vector is made orthogonal to all before it, twice: without that, rounding repeats nodes. Where
    the vectors end early (the start lies in fewer directions) the rest are 0, with weight 0.
    """
    norm = jnp.linalg.norm(start)
    basis = jnp.zeros((steps, len(start))).at[0].set(start / jnp.where(norm > 0, norm, 1.0))

    def step(carry: tuple[Array, Array], i: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        basis, largest = carry
        new = product(basis[i])
        diagonal = jnp.vdot(basis[i], new)
        for _ in range(2):
            new = new - basis.T @ (basis @ new)
        length = jnp.linalg.norm(new)
        largest = jnp.maximum(largest, jnp.maximum(jnp.abs(diagonal), length))
        length = jnp.where(length > 1e-6 * largest, length, 0.0)
        new = jnp.where(length > 0, new / jnp.where(length > 0, length, 1.0), 0.0)
        return (basis.at[i + 1].set(new, mode="drop"), largest), (diagonal, length)

    _, (diagonal, lengths) = lax.scan(step, (basis, jnp.zeros(())), jnp.arange(steps))
    off = jnp.diag(lengths[:-1], 1)
    nodes, vectors = jnp.linalg.eigh(jnp.diag(diagonal) + off + off.T)
    return nodes, norm**2 * vectors[0] ** 2
