"""Carry cascades of an addition problem: their class, its exact probability, and uniform draws from one
class.

A column generates a carry (sum >= base), propagates one (sum = base - 1) or kills it. The class is 0 without
a carry, else 1 + the longest run of propagating columns right above a generating one: S0, S1, S2, ... of
Quirke & Barez (arXiv:2310.13121). Arrays of digits have digit k (0 = units) at index k.
"""

import functools
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from grokjax.tasks.draws import below
from grokjax.tasks.vocabulary import Batch, integer

KILL, PROPAGATE, GENERATE = range(3)


def cascade(a: Int[Array, "*B n"], b: Int[Array, "*B n"], base: int) -> Int[Array, "*B"]:
    """The class of each problem, 0 ... n."""

    def column(state, total):
        chain, deepest = state
        chain = jnp.where(total >= base, 1, jnp.where((total == base - 1) & (chain > 0), chain + 1, 0))
        return (chain, jnp.maximum(deepest, chain)), None

    start = jnp.zeros(a.shape[:-1], jnp.int32)
    return lax.scan(column, (start, start), jnp.moveaxis(a + b, -1, 0))[0][1]


def _following(kind: int, chain: int) -> int:
    """The length of the cascade under way after a column of this kind; 0: none."""
    return 1 if kind == GENERATE else chain + 1 if kind == PROPAGATE and chain else 0


def _kinds(base: int) -> tuple[int, int, int]:
    """How many digit pairs kill, propagate and generate."""
    return base * (base - 1) // 2, base, base * (base - 1) // 2


@functools.lru_cache(maxsize=64)
def _completions(wanted: int, num_digits: int, base: int) -> list[dict[tuple[int, bool], int]]:
    """Backward over the columns: entry k maps (cascade under way, `wanted` reached) to the number of ways to
    choose the digit pairs of columns k ... n - 1 such that the deepest cascade is exactly `wanted`. Python
    ints: exact for any base and n."""
    states = [(chain, reached) for chain in range(wanted + 1) for reached in (False, True)]
    ways = [{state: int(state[1]) for state in states}]
    for _ in range(num_digits):
        ways.insert(
            0,
            {
                (chain, reached): sum(
                    count * ways[0].get((following, reached or following == wanted), 0)
                    for kind, count in enumerate(_kinds(base))
                    for following in [_following(kind, chain)]
                )
                for chain, reached in states
            },
        )
    return ways


def count(wanted: int, num_digits: int, base: int = 10) -> int:
    """The number of problems of the class `wanted`."""
    integer("cascade", wanted, 0, num_digits)
    return _completions(wanted, num_digits, base)[0][0, wanted == 0]


def probabilities(num_digits: int, base: int = 10) -> Float[np.ndarray, " n+1"]:
    """The exact probability of each class for uniform digits, rounded once to float64."""
    total = base ** (2 * num_digits)
    return np.array(
        [float(Fraction(count(wanted, num_digits, base), total)) for wanted in range(num_digits + 1)]
    )


@functools.lru_cache(maxsize=64)
def _thresholds(
    wanted: int, num_digits: int, base: int, deepest: int
) -> Float[np.ndarray, "n 2*(deepest+1) 2"]:
    """For each column and state, cumulative probabilities of kill and of kill or propagate, given that the
    class comes out. There is room for the states of the class `deepest`, so that tables of several classes
    can be stacked."""
    ways, kinds = _completions(wanted, num_digits, base), _kinds(base)
    table = np.ones((num_digits, 2 * (deepest + 1), 2), np.float32)
    for k in range(num_digits):
        for (chain, reached), total in ways[k].items():
            following = [_following(kind, chain) for kind in range(3)]
            mass = [
                kinds[kind] * ways[k + 1].get((f, reached or f == wanted), 0)
                for kind, f in enumerate(following)
            ]
            if total:
                table[k, 2 * chain + reached] = [float(Fraction(sum(mass[: i + 1]), total)) for i in range(2)]
    return table


def _pairs_by_kind(base: int) -> Int[np.ndarray, "pairs 2"]:
    """All digit pairs, those that kill first, then those that propagate, then those that generate."""
    pairs = np.indices((base, base)).reshape(2, -1).T
    return pairs[np.argsort(np.digitize(pairs.sum(1), [base - 1, base]), kind="stable")].astype(np.int32)


def draw(key: PRNGKeyArray, wanted: int, num_digits: int, base: int, size: int) -> Int[Array, "2 B n"]:
    """Operands drawn uniformly among the problems of the class `wanted` (to the 2^-23 of a float32 draw)."""
    return _draw(key, wanted, jnp.asarray(_thresholds(wanted, num_digits, base, wanted)), base, size)


def _draw(
    key: PRNGKeyArray,
    wanted: Int[Array, ""] | int,
    thresholds: Float[Array, "n states 2"],
    base: int,
    size: int,
) -> Int[Array, "2 B n"]:
    """Column by column from the units: first what the column does with a carry, then a digit pair that does
    it.
    """
    pairs, counts = jnp.asarray(_pairs_by_kind(base)), jnp.asarray(_kinds(base))
    first = jnp.cumsum(counts) - counts

    def column(state, inputs):
        chain, reached = state
        table, kind, choice = inputs
        kind = (kind >= table[2 * chain + reached]).sum(-1)
        chain = jnp.where(kind == GENERATE, 1, jnp.where((kind == PROPAGATE) & (chain > 0), chain + 1, 0))
        # the range of the choice is a multiple of each count, so the remainder is uniform over each kind
        return (chain, reached | (chain == wanted)), pairs[first[kind] + choice % counts[kind]]

    num_digits, (key_kind, key_choice) = len(thresholds), random.split(key)
    start = jnp.zeros(size, jnp.int32), jnp.broadcast_to(jnp.asarray(wanted) == 0, (size,))
    inputs = (
        thresholds,
        random.uniform(key_kind, (num_digits, size, 1)),
        below(key_choice, (num_digits, size), base * base * (base - 1)),
    )
    return lax.scan(column, start, inputs)[1].transpose(2, 1, 0)


def draw_with_held_out(
    key: PRNGKeyArray, held_out: Bool[np.ndarray, "base base"], num_digits: int, size: int
) -> Int[Array, "2 B n"]:
    """Operands drawn uniformly among the problems with a held-out pair in at least one column.

    The lowest such column has a truncated geometric law; the columns below it avoid the pairs, those above
    are free.
    """
    key_first, *keys = random.split(key, 4)
    column = jnp.arange(num_digits)
    first = random.categorical(key_first, column * np.log1p(-held_out.mean()), shape=(size, 1))
    masks = ~held_out, held_out, np.ones_like(held_out)
    lower, at, higher = (
        _draw_pairs(key, mask, (size, num_digits)) for key, mask in zip(keys, masks, strict=True)
    )
    return jnp.where(column < first, lower, jnp.where(column == first, at, higher))


def draw_without_held_out(
    key: PRNGKeyArray, held_out: Bool[np.ndarray, "base base"], num_digits: int, size: int
) -> Int[Array, "2 B n"]:
    """Operands whose every column has a digit pair drawn uniformly among those that are not held out."""
    return _draw_pairs(key, ~held_out, (size, num_digits))


def _draw_pairs(
    key: PRNGKeyArray, mask: Bool[np.ndarray, "base base"], shape: tuple[int, int]
) -> Int[Array, "2 B n"]:
    """Pairs drawn uniformly among those of the mask."""
    pairs = jnp.asarray(np.argwhere(mask).T, jnp.int32)
    return pairs[:, below(key, shape, pairs.shape[1])]


def stratified(task: Any, key: PRNGKeyArray, per_class: int) -> tuple[Batch, Int[Array, " B"]]:
    """An evaluation batch of an addition task with `per_class` examples of each cascade class, lowest first,
    and their classes.
    """
    integer("per_class", per_class, 1)
    n, classes = task.num_digits, jnp.arange(task.num_digits + 1)
    tables = jnp.asarray(np.stack([_thresholds(wanted, n, task.base, n) for wanted in range(n + 1)]))
    drawn = jax.vmap(lambda key, wanted, table: _draw(key, wanted, table, task.base, per_class))(
        random.split(key, n + 1), classes, tables
    )
    a, b = drawn.transpose(1, 0, 2, 3).reshape(2, -1, n)
    return task.encode(a, b), jnp.repeat(classes, per_class)
