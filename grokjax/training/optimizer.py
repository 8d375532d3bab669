"""Recipe and Hyper as an optax transformation, rebuilt from traced numbers inside the step: a new rate never
recompiles.
"""

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree

from grokjax.config import FREEZABLE, Hyper, Recipe
from grokjax.trees import named_leaves


def learning_rate(recipe: Recipe, hyper: Hyper, step: Array | int) -> Float[Array, ""]:
    """The rate of an optimiser step: linear warm-up from 0, then constant, or a half cosine that reaches 0 at
    `decay_steps`.

    An expression of (step, hyper), because optax's own schedules do not take traced numbers.
    """
    warm = jnp.where(
        hyper.warmup_steps > 0, jnp.minimum(step / jnp.maximum(hyper.warmup_steps, 1e-9), 1.0), 1.0
    )
    if recipe.schedule == "cosine":
        length = jnp.maximum(hyper.decay_steps - hyper.warmup_steps, 1e-9)
        warm = warm * 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip((step - hyper.warmup_steps) / length, 0, 1)))
    return hyper.learning_rate * warm


def optimizer(recipe: Recipe, hyper: Hyper) -> optax.GradientTransformation:
    """AdamW (decoupled decay on every parameter), Adam or SGD (decay added to the gradient, as in torch), or
    the user's own.

    Ours see all parameters as one vector, in the order of the leaves (`jax.flatten_util.ravel_pytree`), which
    compiles much faster.
    """
    if callable(recipe.optimizer):
        return recipe.optimizer(hyper)
    return optax.flatten(named(recipe, hyper))


def updated(
    recipe: Recipe,
    hyper: Hyper,
    gradient: PyTree,
    params: PyTree,
    opt_state: optax.OptState,
    going: Bool[Array, ""],
) -> tuple[PyTree, optax.OptState]:
    """(parameters, state) after one update; those of before where the run is not `going`, and parameters
    that are frozen.
    """
    if recipe.optimizer == "adamw":
        change, opt_state = adamw(recipe, hyper, gradient, params, opt_state, going)
    else:
        change, new = optimizer(recipe, hyper).update(gradient, opt_state, params)
        opt_state = jax.tree.map(lambda old, new: jnp.where(going, new, old), opt_state, new)
    new = optax.apply_updates(params, change)
    return jax.tree.map(
        lambda held, old, new: jnp.where(held | ~going, old, new), is_frozen(hyper, params), params, new
    ), opt_state


def adamw(
    recipe: Recipe,
    hyper: Hyper,
    gradient: PyTree,
    params: PyTree,
    opt_state: optax.OptState,
    going: Bool[Array, ""],
) -> tuple[PyTree, optax.OptState]:
    """(change, state): what optax's gives but for rounding, with one division a parameter, and moments kept
    where not `going`.

    The update takes a quarter less time so: 2% of a step.
    """
    adam, *counts = opt_state
    g, unravelled = ravel_pytree(gradient)
    first = jnp.where(going, hyper.b1 * adam.mu + (1 - hyper.b1) * g, adam.mu)
    second = jnp.where(going, hyper.b2 * adam.nu + (1 - hyper.b2) * g * g, adam.nu)
    rate, step = learning_rate(recipe, hyper, adam.count), adam.count + 1
    unbiased = rate / (1 - hyper.b1**step), lax.rsqrt(1 - hyper.b2**step)
    change = unravelled(-unbiased[0] * first / (unbiased[1] * jnp.sqrt(second) + hyper.eps))
    later = lambda count: jnp.where(going, count + 1, count)
    opt_state = adam._replace(count=later(adam.count), mu=first, nu=second), *jax.tree.map(later, counts)
    return jax.tree.map(
        lambda change, old: change - rate * hyper.weight_decay * old, change, params
    ), opt_state


def named(recipe: Recipe, hyper: Hyper) -> optax.GradientTransformation:
    """One of config.OPTIMIZERS."""
    rate = lambda step: learning_rate(recipe, hyper, step)
    if recipe.optimizer == "adamw":
        return optax.adamw(rate, b1=hyper.b1, b2=hyper.b2, eps=hyper.eps, weight_decay=hyper.weight_decay)
    decay = optax.add_decayed_weights(hyper.weight_decay)
    if recipe.optimizer == "adam":
        return optax.chain(decay, optax.adam(rate, b1=hyper.b1, b2=hyper.b2, eps=hyper.eps))
    return optax.chain(decay, optax.sgd(rate, momentum=hyper.momentum))


def is_frozen(hyper: Hyper, tree: PyTree) -> PyTree:
    """For every leaf whether `hyper.frozen` holds it at its initial value: a bool, of shape []."""

    def leaf(name: str) -> Array:
        held = lambda frozen, part: part.startswith("ln") if frozen == "ln" else part == frozen
        bits = sum(
            1 << i
            for i, frozen in enumerate(FREEZABLE)
            if any(held(frozen, part) for part in name.split("."))
        )
        return (jnp.asarray(hyper.frozen) & bits) != 0

    return jax.tree.unflatten(jax.tree.structure(tree), [leaf(name) for name in named_leaves(tree)])
