"""Choosing ε, nβ and γ: a grid of estimates, and a rule that finds a plateau or says why there is none."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from grokjax.interp.bayes.estimates import MIXED, Estimate


def grid(
    function: Callable[[Array, Array, Array], Estimate],
    epsilon: Sequence[float],
    nbeta: Sequence[float],
    gamma: Sequence[float],
) -> Estimate:
    """Returns the estimates of a grid, leaves [ε, nβ, γ, ...]: one program, one cell after the other.

    function: of (epsilon, nbeta, gamma), as `lambda e, n, g: llc.of(run, batch, key=key, epsilon=e, nbeta=n,
      gamma=g)`
    """
    axes = [jnp.asarray(axis, jnp.float32) for axis in (epsilon, nbeta, gamma)]
    shape = tuple(map(len, axes))
    cells = [axis.ravel() for axis in jnp.meshgrid(*axes, indexing="ij")]
    found = lax.map(lambda cell: function(*cell), tuple(cells))
    return jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), found)


class Plateau(NamedTuple):
    """Where neighbouring estimates agree.

    found: whether there is a plateau;  first, last: its ends, as indices;  chosen: the one in its middle; all
      three are −1 without one
    reason: one sentence: what was found, or what is in the way
    """

    found: bool
    first: int
    last: int
    chosen: int
    reason: str


def usable(estimates: Estimate, *, relative: float = 0.1) -> Bool[np.ndarray, "..."]:
    """Returns which estimates may stand on a plateau.

    Those with no chain masked, a split R-hat of at most 1.1, and a standard error of at most `relative` times
    the estimate's size.
    """
    mean = np.asarray(estimates.mean)
    with np.errstate(invalid="ignore"):
        return (
            (np.asarray(estimates.masked) == 0)
            & (np.asarray(estimates.r_hat) <= MIXED)
            & (np.asarray(estimates.standard_error) <= relative * np.abs(mean))
        )


def plateau(
    values: Float[np.ndarray, " k"],
    errors: Float[np.ndarray, " k"],
    allowed: Bool[np.ndarray, " k"],
    *,
    relative: float = 0.1,
    least: int = 3,
) -> Plateau:
    """Returns the longest stretch of at least `least` allowed neighbours that agree, and its middle.

    They agree where largest and smallest differ by no more than `relative` of their mean and twice the root
    of their mean squared error.
    """
    values, errors, allowed = (np.asarray(x) for x in (values, errors, allowed))
    best = (0, 0)
    for first in range(len(values)):
        for last in range(first + least, len(values) + 1):
            part = slice(first, last)
            if not allowed[part].all() or last - first <= best[1] - best[0]:
                continue
            slack = relative * abs(values[part].mean()) + 2 * np.sqrt(np.mean(errors[part] ** 2))
            if np.ptp(values[part]) <= slack:
                best = (first, last)
    first, last = best
    if last:
        return Plateau(
            True,
            first,
            last - 1,
            (first + last - 1) // 2,
            f"{last - first} neighbours agree, {first} to {last - 1}",
        )
    return Plateau(False, -1, -1, -1, _in_the_way(values, allowed, least))


def _in_the_way(values: np.ndarray, allowed: np.ndarray, least: int) -> str:
    runs = "".join("x" if ok else " " for ok in allowed).split()
    if max(map(len, runs), default=0) < least:
        return (
            f"no plateau: only {int(allowed.sum())} of {len(allowed)} are usable (no chain masked, "
            f"R-hat at most {MIXED}, small standard error), and no {least} of them are neighbours"
        )
    low, high = np.min(values[allowed]), np.max(values[allowed])
    return f"no plateau: usable neighbours differ too much, from {low:.3g} to {high:.3g} over all"


def choose(estimates: Estimate, *, relative: float = 0.1, least: int = 3) -> list[list[Plateau]]:
    """Returns the plateau along ε for every (nβ, γ) of a grid, `choose(grid)[nβ][γ]`.

    ε must ascend, by factors of at least 2, for a plateau to mean anything: a factor of 8 at three points.
    """
    allowed = usable(estimates, relative=relative)
    mean, error = np.asarray(estimates.mean), np.asarray(estimates.standard_error)
    return [
        [
            plateau(mean[:, i, j], error[:, i, j], allowed[:, i, j], relative=relative, least=least)
            for j in range(mean.shape[2])
        ]
        for i in range(mean.shape[1])
    ]


def along_gamma(estimates: Estimate, *, relative: float = 0.1, least: int = 3) -> list[list[Plateau]]:
    """Returns the plateau along γ for every (ε, nβ) of a grid, `along_gamma(grid)[ε][nβ]`."""
    turned = jax.tree.map(lambda x: np.moveaxis(np.asarray(x), 2, 0), estimates)
    return choose(turned, relative=relative, least=least)
