"""The carry-free sum of a digit pair, and the answer when carries only up to some depth are counted."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from grokjax.interp.addition.evaluation_sets import Problems


def carries(problems: Problems, base: int, depth: int) -> Int[Array, "B n+1"]:
    """Returns the carry into each column (n = leading) that follows from the `depth` columns below it alone.

    With depth n it is the true carry.
    """
    total = jnp.asarray(problems.a) + jnp.asarray(problems.b)
    found = jnp.zeros((len(total), total.shape[1] + 1), total.dtype)
    for _ in range(depth):
        found = found.at[:, 1:].set((total + found[:, :-1] >= base).astype(total.dtype))
    return found


def digits(problems: Problems, base: int, depth: int) -> Int[Array, "B n+1"]:
    """Returns the answer with carries up to `depth` columns deep, digit k at index k.

    With depth 0 these are the carry-free sums, and 0 in the leading column.
    """
    total = jnp.asarray(problems.a) + jnp.asarray(problems.b)
    return (jnp.pad(total, ((0, 0), (0, 1))) + carries(problems, base, depth)) % base


def depths(problems: Problems, base: int, digit: int) -> Int[Array, " B"]:
    """Returns how many columns below `digit` decide its answer: the least depth from which on it is right."""
    right = digits(problems, base, digit)[:, digit]
    wrong = jnp.stack([digits(problems, base, depth)[:, digit] != right for depth in range(digit + 1)])
    return jnp.where(wrong, jnp.arange(1, digit + 2)[:, None], 0).max(0)


def shares(log_probs: Float[Array, "B base"], problems: Problems, digit: int) -> Float[Array, "depth base"]:
    """Returns the mean P(digit of depth j + k), k = 0 … base−1, for every depth j = 0 … digit.

    Row 0 is P(carry-free sum + k). Rows sum to the probability of all digits.
    """
    probs = jnp.exp(log_probs)
    return jnp.stack(
        [_mean_around(probs, problems, digit, depth, problems.weights) for depth in range(digit + 1)]
    )


def shares_by_depth(
    log_probs: Float[Array, "B base"], problems: Problems, digit: int
) -> Float[Array, "depth depth base"]:
    """Returns `shares` on the problems of each depth apart: [depth of the problem, depth j, k].

    Entry [1, 0] is P(carry-free sum + k) where a carry of depth 1, but none deeper, decides. A depth without
    problems has NaN.
    """
    probs, own = jnp.exp(log_probs), depths(problems, log_probs.shape[-1], digit)
    return jnp.stack(
        [
            jnp.stack(
                [
                    _mean_around(
                        probs, problems, digit, depth, jnp.where(own == stratum, problems.weights, 0)
                    )
                    for depth in range(digit + 1)
                ]
            )
            for stratum in range(digit + 1)
        ]
    )


def _mean_around(probs, problems, digit, depth, weights):
    base = probs.shape[-1]
    centre = digits(problems, base, depth)[:, digit, None]
    turned = jnp.take_along_axis(probs, (centre + jnp.arange(base)) % base, 1)
    return weights @ turned / weights.sum()
