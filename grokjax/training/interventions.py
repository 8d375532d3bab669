"""What a recipe can put between gradient and optimiser, or after the update; strengths are traced.

A strength that is off (0, a temperature of 1) leaves every value as without the intervention. A recipe
without interventions has none of this in its program.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PyTree

from grokjax.config import Hyper, Recipe

IN_THE_STATE = ("grokfast_ema", "grokfast_ma", "norm_clamp")
"""Those that remember something from step to step."""


class Intervened(NamedTuple):
    """The optimiser's state within that of the interventions; None for those that a recipe lacks.

    seen: gradients so far
    slow: grokfast_ema: the average gradient, as one vector
    window: grokfast_ma: the last W gradients, step t in row t mod W
    oldest: grokfast_ma: the row of the window that the next step replaces
    total: grokfast_ma: the sum of the window, and what rounding has taken from it
    initial_norm: norm_clamp: the norm of all parameters before the first step
    """

    inner: optax.OptState
    seen: Int[Array, ""]
    slow: Float[Array, " n"] | None
    window: Float[Array, "W n"] | None
    oldest: Float[Array, " n"] | None
    total: Float[Array, "2 n"] | None
    initial_norm: Float[Array, ""] | None


def begun(recipe: Recipe, params: PyTree, inner: optax.OptState) -> Any:
    """The state before the first step: `inner` itself where nothing has to be remembered."""
    if not any(map(recipe.intervenes, IN_THE_STATE)):
        return inner
    flat = ravel_pytree(params)[0]
    zeros = lambda *shape: jnp.zeros((*shape, *flat.shape), flat.dtype)
    return Intervened(
        inner,
        jnp.int32(0),
        zeros() if recipe.intervenes("grokfast_ema") else None,
        zeros(recipe.grokfast_window) if recipe.intervenes("grokfast_ma") else None,
        zeros() if recipe.intervenes("grokfast_ma") else None,
        zeros(2) if recipe.intervenes("grokfast_ma") else None,
        jnp.linalg.norm(flat) if recipe.intervenes("norm_clamp") else None,
    )


def inner(opt_state: Any) -> optax.OptState:
    """The optimiser's own state."""
    return opt_state.inner if isinstance(opt_state, Intervened) else opt_state


def filtered(
    recipe: Recipe, hyper: Hyper, gradient: PyTree, params: PyTree, state: Any, going: Bool[Array, ""]
) -> tuple[PyTree, Any]:
    """(gradient that the optimiser gets, state): slow gradients amplified, then the part along the weights
    taken out. The state stays where the run is not `going`.
    """
    if recipe.intervenes("grokfast_ema") or recipe.intervenes("grokfast_ma"):
        gradient, state = amplified(recipe, hyper, gradient, state, going)
    if isinstance(state, Intervened):
        state = state._replace(seen=state.seen + going)
    if recipe.intervenes("orthograd"):
        gradient = jax.tree.map(lambda g, w: across(hyper, g, w), gradient, params)
    return gradient, state


def amplified(
    recipe: Recipe, hyper: Hyper, gradient: PyTree, state: Intervened, going: Bool[Array, ""]
) -> tuple[PyTree, Intervened]:
    """Grokfast (Lee et al. 2024, arXiv:2405.20233): the average of past gradients is added to each.

    As in the released code the exponential average begins with the first gradient, and the moving average
    acts from the step on that fills its window. With both, each averages the plain gradient.
    """
    g, unravelled = ravel_pytree(gradient)
    changed = g
    if state.slow is not None:
        kept = hyper.grokfast_decay
        slow = jnp.where(state.seen == 0, g, kept * state.slow + (1 - kept) * g)
        changed = changed + hyper.grokfast_strength * slow
        state = state._replace(slow=jnp.where(going, slow, state.slow))
    if state.window is not None and state.oldest is not None and state.total is not None:
        row, length = state.seen % len(state.window), len(state.window)
        # a row is read after the step before has written its own: read before, it would cost a copy of all
        window = state.window.at[row].set(jnp.where(going, g, state.oldest))
        total = added(added(state.total, g), -state.oldest)
        full = state.seen + 1 >= length
        changed = changed + jnp.where(full, hyper.grokfast_strength, 0.0) * total.sum(0) / length
        state = state._replace(
            window=window,
            oldest=jnp.where(going, window[(row + 1) % length], state.oldest),
            total=jnp.where(going, total, state.total),
        )
    return unravelled(changed), state


def added(total: Float[Array, "2 n"], term: Float[Array, " n"]) -> Float[Array, "2 n"]:
    """A sum and its rounding error, with a term more (Knuth's two-sum).

    A running sum of floats alone would keep the rounding errors of its largest terms for ever: gradients of
    1 at the beginning leave 1e-7, which is more than the gradients of a run that has memorised. Without a
    running sum every step would read the whole window.
    """
    before, error = total
    after = before + term
    taken = after - before
    return jnp.stack([after, error + ((before - (after - taken)) + (term - taken))])


def completed(leaves: dict[str, np.ndarray], within: str) -> dict[str, np.ndarray]:
    """The leaves [S, ...] of states by name, with what follows from the window: sweeps of revisions before
    the running sum were saved without it.

    within: the name of the optimiser's state
    """
    named = lambda field: f"{within}.{field}"
    if named("window") not in leaves or named("total") in leaves:
        return leaves
    window, seen = leaves[named("window")], leaves[named("seen")]
    exact = window.sum(1, dtype=np.float64)
    rounded = exact.astype(window.dtype)
    return leaves | {
        named("oldest"): window[np.arange(len(window)), seen % window.shape[1]],
        named("total"): np.stack([rounded, (exact - rounded).astype(window.dtype)], 1),
    }


def across(hyper: Hyper, gradient: Array, weight: Array) -> Array:
    """OrthoGrad (Prieto et al. 2025, arXiv:2501.04697): a tensor's gradient without its part along the
    weights, at its former norm.
    """
    square, along = jnp.sum(weight * weight), jnp.sum(weight * gradient)
    left = gradient - hyper.orthograd * (along / jnp.maximum(square, TINY)) * weight
    before, after = jnp.sum(gradient * gradient), jnp.sum(left * left)
    return jnp.where(hyper.orthograd > 0, left * jnp.sqrt(before / jnp.maximum(after, TINY)), gradient)


TINY = 1e-30
"""Instead of a sum of squares that is 0."""


def clamped(recipe: Recipe, hyper: Hyper, params: PyTree, state: Any) -> PyTree:
    """All parameters scaled down together to the largest norm that is allowed (Liu et al. 2022,
    arXiv:2210.01117, who hold the norm there).
    """
    if not recipe.intervenes("norm_clamp"):
        return params
    most, norm = hyper.norm_clamp * state.initial_norm, jnp.linalg.norm(ravel_pytree(params)[0])
    scale = jnp.where((most > 0) & (norm > most), most / norm, 1.0)
    return jax.tree.map(lambda x: x * scale, params)
