"""Activation steering: add a direction to an activation, or take it out, and see what the run answers.

The functions give edits: `run.logits(tokens, {name: steering.added(direction, 2.0)})`. Turner et al.,
arXiv:2308.10248; difference of means: Rimsky et al., arXiv:2312.06681; taking out: Arditi et al.,
arXiv:2406.11717.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from grokjax.run import Run

Edit = Callable[[Array], Array]


def mean_difference(
    run: Run, tokens: Int[Array, "B P"], others: Int[Array, "b P"], name: str
) -> Float[Array, " P *D"]:
    """The mean of an activation on `tokens` less its mean on `others`, position by position."""
    ours, theirs = (run.cache(x, names=[name])[name].mean(0) for x in (tokens, others))
    return ours - theirs


def added(
    direction: Float[Array, "*D"],
    strength: Array | float = 1.0,
    *,
    positions: Sequence[int] | None = None,
) -> Edit:
    """An edit that adds strength × direction to an activation [B, P, ...] at some positions (None: at all).

    direction: in the activation's last axes; with a position axis, [P, D], it is added position by position
    """
    return lambda x: x + _at(positions, x) * strength * direction


def removed(direction: Float[Array, " D"], *, positions: Sequence[int] | None = None) -> Edit:
    """An edit that takes out of an activation [B, P, ..., D] its component along a direction."""
    unit = direction / jnp.linalg.norm(direction)
    along = lambda x: jnp.einsum("...d,d->...", x, unit, precision="float32")[..., None] * unit
    return lambda x: x - _at(positions, x) * along(x)


def _at(positions, x):
    """1 at the positions, 0 elsewhere, in the shape of axis 1 of x."""
    chosen = np.ones(x.shape[1]) if positions is None else np.isin(np.arange(x.shape[1]), positions)
    return jnp.asarray(chosen, x.dtype).reshape(-1, *[1] * (x.ndim - 2))
