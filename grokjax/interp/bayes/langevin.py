"""Langevin samplers of the local posterior, over any pytree of parameters.

The local posterior around w* is proportional to exp(−U), with U(w) = nβ L(w) + γ/2 |w − w*|².
A sampler is a pair of pure functions, `init(params, batch) -> State` and `step(key, state, batch) -> (State,
Info)`. Here ε is the step size of the overdamped chain, w += −(ε/2) ∇U + √ε N(0, 1), and it means the same
for every sampler: a leapfrog step of HMC has length √ε.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import random
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PyTree

Loss = Callable[..., Any]
"""`loss(params, batch)`, or `loss(params)` where the batch is None; a mean in nats, or (mean, aux)."""
Scalar = Array | float


class State(NamedTuple):
    """Where a chain stands. anchor: w*; memory: what the sampler keeps from step to step."""

    params: PyTree
    anchor: PyTree
    memory: Any


class Info(NamedTuple):
    """What a step saw at the parameters that it began from, and how likely its move was to be accepted.

    loss: on the step's batch, in nats;  aux: what the loss returned beside it, or None
    """

    loss: Float[Array, ""]
    acceptance: Float[Array, ""]
    aux: Any


class Sampler(NamedTuple):
    """A pair of pure functions, `init(params, batch=None)` and `step(key, state, batch=None)`."""

    init: Callable[..., State]
    step: Callable[..., tuple[State, Info]]


def sgld(
    loss: Loss,
    *,
    epsilon: Scalar,
    nbeta: Scalar,
    gamma: Scalar,
    mask: PyTree | None = None,
    has_aux: bool = False,
) -> Sampler:
    """Returns stochastic gradient Langevin dynamics with localisation (Welling & Teh 2011; Lau et al. 2023).

    On a quadratic of curvature h with the whole data as batch, its stationary variance is 1/(a (1 − εa/4)),
    a = nβ h + γ. It has none where ε is above 4/a.

    mask: True for the entries that move, as `masks.of` makes it; None moves all
    """
    graded = _graded(loss, has_aux)

    def step(key: Key[Array, ""], state: State, batch: Any = None) -> tuple[State, Info]:
        (value, aux), gradient = graded(state.params, batch)
        drift = _drift(gradient, state, nbeta, gamma)
        moved = jax.tree.map(
            lambda w, d, z: w - epsilon / 2 * d + jnp.sqrt(epsilon) * z,
            state.params,
            drift,
            normals(key, state.params),
        )
        return state._replace(params=_masked(mask, moved, state.params)), Info(value, jnp.ones(()), aux)

    return Sampler(lambda params, batch=None: State(params, params, ()), step)


class Moments(NamedTuple):
    """The memory of `rmsprop`: a running mean of squared gradients, and over how many steps."""

    square: PyTree
    steps: Array


def rmsprop(
    loss: Loss,
    *,
    epsilon: Scalar,
    nbeta: Scalar,
    gamma: Scalar,
    mask: PyTree | None = None,
    has_aux: bool = False,
    decay: float = 0.99,
    stability: float = 0.1,
    adapt_steps: int | None = None,
) -> Sampler:
    """Returns SGLD whose drift and noise are preconditioned by G = 1/(√v + stability) (Li et al. 2016).

    v is the running mean of the squared gradient of the loss, corrected for its start at 0. The term of G's
    own derivative is left out, as is usual: while v moves the stationary law is only approximate. After
    `adapt_steps` steps v is held (None: never), and from then on the law is that of `sgld` with ε G for ε.
    """
    graded = _graded(loss, has_aux)

    def init(params: PyTree, batch: Any = None) -> State:
        return State(params, params, Moments(jax.tree.map(jnp.zeros_like, params), jnp.zeros(())))

    def step(key: Key[Array, ""], state: State, batch: Any = None) -> tuple[State, Info]:
        (value, aux), gradient = graded(state.params, batch)
        memory = state.memory
        adapts = True if adapt_steps is None else memory.steps < adapt_steps
        square = jax.tree.map(
            lambda v, g: jnp.where(adapts, decay * v + (1 - decay) * g * g, v), memory.square, gradient
        )
        steps = jnp.where(adapts, memory.steps + 1, memory.steps)
        unbiased = 1 - decay**steps

        def moved(w: Array, d: Array, z: Array, v: Array) -> Array:
            size = epsilon / (jnp.sqrt(v / unbiased) + stability)
            return w - size / 2 * d + jnp.sqrt(size) * z

        drift = _drift(gradient, state, nbeta, gamma)
        new = jax.tree.map(moved, state.params, drift, normals(key, state.params), square)
        params = _masked(mask, new, state.params)
        return State(params, state.anchor, Moments(square, steps)), Info(value, jnp.ones(()), aux)

    return Sampler(init, step)


class Evaluated(NamedTuple):
    """The memory of `hmc`: what the loss gave at the state's parameters."""

    loss: Array
    aux: Any
    gradient: PyTree


def hmc(
    loss: Loss,
    *,
    epsilon: Scalar,
    nbeta: Scalar,
    gamma: Scalar,
    mask: PyTree | None = None,
    has_aux: bool = False,
    num_leapfrog: int = 8,
) -> Sampler:
    """Returns Hamiltonian Monte Carlo with unit masses: moves are accepted or refused (Neal 2011).

    It is exact for any ε. Every step must be given the same batch, the whole data, since the loss of the
    last state is kept.
    """
    graded = _graded(loss, has_aux)

    def init(params: PyTree, batch: Any = None) -> State:
        (value, aux), gradient = graded(params, batch)
        return State(params, params, Evaluated(value, aux, gradient))

    def step(key: Key[Array, ""], state: State, batch: Any = None) -> tuple[State, Info]:
        key_momentum, key_accept = random.split(key)
        still = jax.tree.map(jnp.zeros_like, state.params)
        start = _masked(mask, normals(key_momentum, state.params), still)
        leap = _leap(lambda params: graded(params, batch), jnp.sqrt(epsilon), nbeta, gamma, mask)
        (end, p), _ = jax.lax.scan(leap, (state, start), None, length=num_leapfrog)
        rise = _energy_rise(state, end, nbeta, gamma) + (_squares(p) - _squares(start)) / 2
        acceptance = jnp.nan_to_num(jnp.exp(jnp.minimum(-rise, 0.0)))
        taken = random.uniform(key_accept) < acceptance
        new = jax.tree.map(lambda a, b: jnp.where(taken, b, a), state, end)
        return new, Info(state.memory.loss, acceptance, state.memory.aux)

    return Sampler(init, step)


def _leap(graded: Callable, length: Array, nbeta: Scalar, gamma: Scalar, mask: PyTree | None) -> Callable:
    """A leapfrog step of (state, momenta) for `scan`: half a kick, a move, half a kick."""

    def kick(p: PyTree, state: State) -> PyTree:
        drift = _drift(state.memory.gradient, state, nbeta, gamma)
        return _masked(mask, jax.tree.map(lambda p, d: p - length / 2 * d, p, drift), p)

    def leap(carry: tuple[State, PyTree], _: None) -> tuple[tuple[State, PyTree], None]:
        state, p = carry
        p = kick(p, state)
        params = jax.tree.map(lambda w, p: w + length * p, state.params, p)
        (value, aux), gradient = graded(params)
        state = State(params, state.anchor, Evaluated(value, aux, gradient))
        return (state, kick(p, state)), None

    return leap


def mala(
    loss: Loss,
    *,
    epsilon: Scalar,
    nbeta: Scalar,
    gamma: Scalar,
    mask: PyTree | None = None,
    has_aux: bool = False,
) -> Sampler:
    """Returns the Metropolis-adjusted Langevin algorithm: steps of `sgld` that are accepted or refused.

    It takes the whole data at every step, and is HMC with one leapfrog step. It mixes best where about .57
    of its moves are accepted.
    """
    return hmc(loss, epsilon=epsilon, nbeta=nbeta, gamma=gamma, mask=mask, has_aux=has_aux, num_leapfrog=1)


def normals(key: Key[Array, ""], tree: PyTree) -> PyTree:
    """Returns independent standard normal numbers in the shape of a tree, from one draw."""
    flat, unravelled = ravel_pytree(tree)
    return unravelled(random.normal(key, flat.shape, flat.dtype))


def _graded(loss: Loss, has_aux: bool) -> Callable[[PyTree, Any], tuple[tuple[Array, Any], PyTree]]:
    """`(params, batch) -> ((loss, aux), gradient)`."""

    def full(params: PyTree, batch: Any) -> tuple[Array, Any]:
        found = loss(params) if batch is None else loss(params, batch)
        return found if has_aux else (found, None)

    return jax.value_and_grad(full, has_aux=True)


def _drift(gradient: PyTree, state: State, nbeta: Scalar, gamma: Scalar) -> PyTree:
    """∇U."""
    return jax.tree.map(lambda g, w, a: nbeta * g + gamma * (w - a), gradient, state.params, state.anchor)


def _masked(mask: PyTree | None, new: PyTree, old: PyTree) -> PyTree:
    if mask is None:
        return new
    return jax.tree.map(jnp.where, mask, new, old)


def _squares(tree: PyTree) -> Array:
    return sum((jnp.sum(x * x) for x in jax.tree.leaves(tree)), jnp.zeros(()))


def _energy_rise(start: State, end: State, nbeta: Scalar, gamma: Scalar) -> Array:
    """U(end) − U(start); the distances are subtracted entry by entry, since their sums are large."""
    further = jax.tree.map(
        lambda a, b, w: jnp.sum((b - a) * (a + b - 2 * w)), start.params, end.params, start.anchor
    )
    moved = sum(jax.tree.leaves(further), jnp.zeros(()))
    return nbeta * (end.memory.loss - start.memory.loss) + gamma / 2 * moved
