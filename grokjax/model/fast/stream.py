"""The residual stream as a product, X @ tables, and what is computed through it without forming it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from grokjax.model.fast.arithmetic import matmul

CHUNK = 3 * 2**16
"""Floats of activations in one chunk of rows on a CPU: they fit a core's second-level cache.

An accelerator takes all rows at once.
"""


class Stream(NamedTuple):
    """The residual stream `[fixed | gathered] @ tables` [N, D] (None: `gathered` itself); `fixed` depends on
    the tokens alone.

    The first `carrier` columns of `fixed` add up to 1 in every row, so a bias can be put into their rows of
    the tables.
    """

    fixed: Float[Array, "N f"]
    gathered: Float[Array, "N c"]
    tables: Float[Array, "f+c D"] | None
    carrier: int


def formed(mid: Float[Array, "... D"]) -> Stream:
    """A stream [N, D] that needs no tables."""
    gathered = mid.reshape(-1, mid.shape[-1])
    return Stream(jnp.ones((len(gathered), 1)), gathered, None, 1)


def before_mlp(stream: Stream) -> Float[Array, "N D"]:
    """The stream itself."""
    return (
        stream.gathered
        if stream.tables is None
        else matmul(jnp.concatenate([stream.fixed, stream.gathered], 1), stream.tables)
    )


def through(stream: Stream, W: Float[Array, "D O"], bias: Array | float) -> Float[Array, "f+c O"]:
    """What X is multiplied by to give the stream times W, plus a bias."""
    if stream.tables is None:
        return jnp.concatenate([jnp.broadcast_to(bias, (stream.carrier, W.shape[1])), W])
    return with_bias(stream, matmul(stream.tables, W), bias)


def with_bias(stream: Stream, rows: Float[Array, "f+c O"], bias: Array | float) -> Float[Array, "f+c O"]:
    """What X is multiplied by, so that a bias is added to every row of the product."""
    carrying = jnp.broadcast_to(bias, (stream.carrier, rows.shape[1]))
    return rows + jnp.pad(carrying, ((0, len(rows) - stream.carrier), (0, 0)))


def has_cache_to_fit() -> bool:
    """Whether rows are cut into chunks: on a CPU."""
    return jax.default_backend() == "cpu"


def cutting(rows: int, floats: int) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Two functions, [rows, c] -> [chunks, n, c] and back, for chunks of so many floats a row that fit the
    cache.

    All are equal where a number of chunks near that divides the rows; else the last is filled up with zeros.
    """
    least = -(-rows * floats // CHUNK) if has_cache_to_fit() else 1
    chunks = next((k for k in range(least, 2 * least) if rows % k == 0), least)
    size = -(-rows // chunks)
    cut = lambda x: jnp.pad(x, ((0, chunks * size - rows), (0, 0))).reshape(chunks, size, -1)
    return cut, lambda x: x.reshape(chunks * size, -1)[:rows]
