"""Uniform integers, cheaply: drawing digits is a tenth of the training step of the smallest models."""

import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Int, PRNGKeyArray

from grokjax.tasks.vocabulary import Batch


def below(key: PRNGKeyArray, shape: tuple[int, ...], limit: int | Int[Array, "..."]) -> Int[Array, "..."]:
    """Integers from 0 to limit - 1, uniform to a relative limit / 2^32: one 32-bit draw each, where
    `random.randint` takes two.
    """
    return (random.bits(key, shape, jnp.uint32) % jnp.asarray(limit, jnp.uint32)).astype(jnp.int32)


def rows(key: PRNGKeyArray, table: Batch, size: int) -> Batch:
    """Returns `size` examples of a table, drawn with replacement."""
    drawn = below(key, (size,), len(table.tokens))
    return Batch(*(jnp.asarray(x)[drawn] for x in table))
