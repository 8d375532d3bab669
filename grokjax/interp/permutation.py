"""How often a statistic of rows would be as large if it did not matter which row belongs to which value: a
permutation test.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Float, Key, PyTree

TOGETHER = 50
"""Permutations that are worked on at once."""


class Permuted(NamedTuple):
    """Each of F statistics on the rows as they stand; its deviations from the mean over permutations; the
    share of these, the identity among them, on which it is at least as large; and that share for the largest
    deviation of any (Westfall & Young's max T)."""

    value: Float[Array, " F"]
    deviation: Float[Array, " F"]
    p_value: Float[Array, " F"]
    p_any: Float[Array, ""]


def compared(
    statistics: Callable[[Array], PyTree],
    key: Key[Array, ""],
    rows: Float[Array, "V ..."],
    *,
    draws: int = 999,
) -> PyTree:
    """`statistics` of the rows, [F], against those of `draws` random orders of them. No p-value is below 1 /
    (draws + 1).

    Of several kinds of statistics (a dict of them, say) one `Permuted` each, by the same orders.
    """
    permute = lambda one: random.permutation(one, len(rows))
    orders = jnp.concatenate([jnp.arange(len(rows))[None], jax.vmap(permute)(random.split(key, draws))])
    each = jax.lax.map(lambda order: statistics(rows[order]), orders, batch_size=min(TOGETHER, draws + 1))
    return jax.tree.map(_against, each)


def _against(each: Float[Array, "draws F"]) -> Permuted:
    """The first of the draws against all."""
    spread = each.std(0)
    deviations = (each - each.mean(0)) / jnp.where(spread > 0, spread, 1)
    # an order that differs only by what the statistic cannot see (a rotation) must count as equal, whatever
    # its rounding
    as_large = lambda x: (x >= x[0] - 1e-4).mean(0)
    return Permuted(each[0], deviations[0], as_large(deviations), as_large(deviations.max(-1)))
