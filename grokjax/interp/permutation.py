"""Permutation tests: how often a statistic is as large if it does not matter which row has which value."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Float, Key, PyTree

TOGETHER = 50
"""Permutations that are worked on at once."""
ROUNDING = 1e-4
"""Deviations that differ by less count as equal: those of two orders that a statistic cannot tell apart."""


class Permuted(NamedTuple):
    """F statistics of rows against those of permuted rows.

    value: of the rows as they stand;  deviation: from the mean over permutations, in standard deviations
    p_value: the share of the permutations, the identity among them, on which it is at least as large
    p_any: the p-value of all statistics together: does any stand out?
    """

    value: Float[Array, " F"]
    deviation: Float[Array, " F"]
    p_value: Float[Array, " F"]
    p_any: Float[Array, ""]


def min_p(deviations: Float[Array, "draws F"]) -> Float[Array, ""]:
    """Returns the p-value of the smallest p-value of any statistic (Westfall & Young's min P).

    It has power for every statistic, however unequal their laws are. It is hardly ever below F / draws, and
    coarse where a statistic takes few values.
    """
    smallest = jax.vmap(_p_values, 1, 1)(deviations).min(1)
    return (smallest <= smallest[0]).mean()


def max_t(deviations: Float[Array, "draws F"]) -> Float[Array, ""]:
    """Returns the p-value of the largest deviation of any statistic (Westfall & Young's max T).

    It has no power for a statistic whose law has a shorter tail than that of another.
    """
    largest = deviations.max(1)
    return (largest >= largest[0] - ROUNDING).mean()


def compared(
    statistics: Callable[[Array], PyTree],
    key: Key[Array, ""],
    rows: Float[Array, "V ..."],
    *,
    draws: int = 999,
    together: Callable[[Array], Array] = min_p,
) -> PyTree:
    """Returns `statistics(rows)`, [F], against its values on `draws` random orders of the rows.

    together: how `p_any` is formed, `min_p` or `max_t`
    No p-value is below 1 / (draws + 1). Several kinds of statistics (a dict of them, say) give one `Permuted`
    each, by the same orders.
    """
    permute = lambda one: random.permutation(one, len(rows))
    orders = jnp.concatenate([jnp.arange(len(rows))[None], jax.vmap(permute)(random.split(key, draws))])
    each = jax.lax.map(lambda order: statistics(rows[order]), orders, batch_size=min(TOGETHER, draws + 1))
    return jax.tree.map(lambda values: _against(values, together), each)


def _against(each: Float[Array, "draws F"], together: Callable[[Array], Array]) -> Permuted:
    """The first of the draws against all."""
    spread = each.std(0)
    deviations = (each - each.mean(0)) / jnp.where(spread > 0, spread, 1)
    p_values = (deviations >= deviations[0] - ROUNDING).mean(0)
    return Permuted(each[0], deviations[0], p_values, together(deviations))


def _p_values(deviations: Float[Array, " draws"]) -> Float[Array, " draws"]:
    """For each draw the share of all that are at least as large."""
    below = jnp.searchsorted(jnp.sort(deviations), deviations - ROUNDING)
    return (len(deviations) - below) / len(deviations)
