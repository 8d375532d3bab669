"""Attention patterns of a run: means, classes, entropy, distances, and heads known by what they look at.

What the answers of an addition task look at is in `addition.attention`.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from grokjax.run import Edits, Run


def patterns(run: Run, tokens: Int[Array, "B P"]) -> Float[Array, "L H q p"]:
    """The mean over examples of every head's pattern."""
    return _by_layer(run, tokens, "pattern", lambda x: x.mean(0))


def scores(run: Run, tokens: Int[Array, "B P"]) -> Float[Array, "L H q p"]:
    """The mean over examples of every head's q·k / sqrt(K) before the softmax.

    It is -inf where nothing may be read. Raises ValueError for a model whose attention is not live.
    """
    if run.config.attention != "live":
        raise ValueError(f"attention={run.config.attention!r} has no scores; only 'live' attention does")
    return _by_layer(run, tokens, "attn_scores", lambda x: x.mean(0))


def patterns_by_class(
    run: Run, tokens: Int[Array, "B P"], classes: Int[Array, " B"], num_classes: int
) -> Float[Array, "L H c q p"]:
    """The mean of every head's pattern over the examples of each class, 0 ... num_classes - 1.

    It is 0 for a class without examples. Carry classes are `tasks.cascade(a, b, base)` of the operands, or
    the carry into a column, `addition.carry_free.carries(problems, base, n)`.
    """
    member = jax.nn.one_hot(classes, num_classes)
    share = member / jnp.maximum(member.sum(0), 1)
    mean = lambda pattern: jnp.einsum("bhqp,bc->hcqp", pattern, share, precision="float32")
    return _by_layer(run, tokens, "pattern", mean)


def held(pattern: Float[Array, "L H q p"]) -> Edits:
    """Edits that hold attention at a pattern, the same for every input.

    With it, resid_mid of layer 0 is linear in the tokens: `run.cache(tokens, held(patterns(run, tokens)))`.
    """
    return {
        f"blocks.{layer}.attn.pattern": functools.partial(_held, one) for layer, one in enumerate(pattern)
    }


def _held(pattern, x):
    return jnp.broadcast_to(pattern, x.shape)


class HeadScores(NamedTuple):
    """The share of its attention that each head pays to three kinds of places, 0 to 1."""

    previous_token: Float[Array, "L H"]
    duplicate_token: Float[Array, "L H"]
    induction: Float[Array, "L H"]


def head_scores(run: Run, tokens: Int[Array, "B P"]) -> HeadScores:
    """How much each head is a previous-token, a duplicate-token and an induction head, on any tokens.

    A previous-token head looks at the token before, a duplicate-token head at earlier copies of the present
    token, an induction head at the tokens after those (Olsson et al. 2022, arXiv:2209.11895). Each score is
    the attention paid to such places, mean over the queries that have one: NaN where none has.
    Tokens that repeat a random stretch tell the three apart.
    """
    place = jnp.arange(tokens.shape[1])
    same = (tokens[:, :, None] == tokens[:, None, :]) & (place[:, None] > place)
    after_same = jnp.pad(same[:, :, :-1], ((0, 0), (0, 0), (1, 0)))
    before = jnp.broadcast_to(place[:, None] == place + 1, same.shape)
    return HeadScores(
        *(_by_layer(run, tokens, "pattern", _paid_to(aim)) for aim in (before, same, after_same))
    )


def _paid_to(aim: Bool[Array, "B q p"]) -> Callable[[Array], Array]:
    def paid(pattern: Float[Array, "B H q p"]) -> Float[Array, " H"]:
        total = jnp.einsum("bhqp,bqp->h", pattern, aim.astype(pattern.dtype), precision="float32")
        return total / aim.any(-1).sum()

    return paid


def entropy(pattern: Float[Array, "*L q p"]) -> Float[Array, "*L q"]:
    """−Σ p ln p over the keys of each query (nats): 0 on one key, ln of their number if evenly on all."""
    return jax.scipy.special.entr(pattern).sum(-1)


def distance(before: Float[Array, "*L q p"], after: Float[Array, "*L q p"]) -> Float[Array, "*L q"]:
    """How much attention each query has moved, 0 to 1: half the sum of absolute differences over keys."""
    return jnp.abs(after - before).sum(-1) / 2


def at_distance(pattern: Float[Array, "*L q p"], distance: int, first: int) -> Float[Array, "*L"]:
    """Mean attention that the queries from `first` on pay to the key so many places before them.

    Distance 1 is the previous-token score. On random tokens that repeat with period T, distance T − 1 is the
    induction score: the token after the last occurrence of this one. `head_scores` needs no period.
    """
    queries = jnp.arange(max(first, distance), pattern.shape[-2])
    return pattern[..., queries, queries - distance].mean(-1)


def _by_layer(run: Run, tokens: Array, name: str, reduce: Callable[[Array], Array]) -> Array:
    names = [f"blocks.{layer}.attn.{name}" for layer in range(run.config.num_layers)]
    cache = run.cache(tokens, names=names)
    return jnp.stack([reduce(cache[name]) for name in names])
