"""Products, look-ups and conditions in the form that is fast on a CPU: what the fast program is
written in.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int


def contract(a: Array, b: Array, i: int, j: int, precision: lax.Precision | None = None) -> Array:
    """The sum over axis i of a and axis j of b. Over rows it is fast with the small side first: [n, 10], [n,
    512].
    """
    return lax.dot_general(a, b, (((i,), (j,)), ((), ())), precision=precision)


@jax.custom_vjp
def matmul(x: Float[Array, "n a"], w: Float[Array, "a b"]) -> Float[Array, "n b"]:
    """x @ w, the products of its derivative in the orientation that a CPU likes."""
    return contract(x, w, 1, 0)


matmul.defvjp(
    lambda x, w: (matmul(x, w), (x, w)),
    lambda kept, g: (contract(g, kept[1], 1, 1), contract(kept[0], g, 0, 0)),
)


def take(table: Array, index: Int[Array | np.ndarray, "..."]) -> Array:
    """Rows of a table at indices that are known to be in range."""
    return table.at[index].get(mode="promise_in_bounds", wrap_negative_indices=False)


def scatter(values: Float[Array, "n c"], index: Int[Array, " n"], size: int) -> Float[Array, "size c"]:
    """Rows added up by index, the transpose of `take`."""
    return (
        jnp.zeros((size, values.shape[-1]), values.dtype)
        .at[index]
        .add(values, mode="promise_in_bounds", wrap_negative_indices=False)
    )


def total(x: Float[Array, "P N H"]) -> Float[Array, "N H"]:
    """The sum over axis 0 as a product with ones.

    XLA's sums over small axes are slow on a CPU, or made anew for each of their uses.
    """
    ones = jnp.ones((1, len(x)), x.dtype)
    return contract(ones, x.reshape(len(x), -1), 1, 0, lax.Precision.HIGHEST).reshape(x.shape[1:])


def last_total(x: Float[Array, "... p"]) -> Float[Array, "... 1"]:
    """The sum over the last axis, likewise."""
    rows = x.reshape(-1, x.shape[-1])
    ones = jnp.ones((x.shape[-1], 1), x.dtype)
    return contract(rows, ones, 1, 0, lax.Precision.HIGHEST).reshape(*x.shape[:-1], 1)


def softmax_pullback(pattern: Array, g: Array, total: Callable[[Array], Array]) -> Array:
    """The gradient by the scores of a softmax, from the gradient g by the pattern p: p g - p sum(p g).

    `total` sums over the axis that the softmax was taken over.
    """
    weighted = pattern * g
    return weighted - pattern * total(weighted)


def of_one_run(
    function: Callable[..., Any], of_several: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """The function, or another for a block of several runs. A block of one run is as if it were none: no
    look-up carries an index of the run, and a condition at run time stays one. Not differentiable: for what
    has its derivative by hand."""
    mapped = custom_vmap(function)

    @mapped.def_vmap
    def _(size: int, batched: Any, *operands: Any) -> tuple[Any, Any]:
        operands = jax.tree.map(
            lambda x, mapped: x if mapped else jnp.broadcast_to(x, (size, *jnp.shape(x))),
            operands,
            tuple(batched),
        )
        if size == 1:
            out = jax.tree.map(lambda x: x[None], mapped(*jax.tree.map(lambda x: x[0], operands)))
        else:
            out = jax.vmap(of_several or function)(*operands)
        return out, jax.tree.map(lambda _: True, out)

    return mapped


def shortcut(
    holds: Bool[Array, ""], quick: Callable[..., Any], always: Callable[..., Any], *operands: Any
) -> Any:
    """quick(*operands) where the condition holds, else always(*operands): a condition at run time, also where
    a block is one run.

    Several runs of a block take what always holds; a condition that is mapped over runs would compute both.
    """
    chosen = of_one_run(
        lambda holds, *operands: lax.cond(holds, quick, always, *operands),
        lambda holds, *operands: always(*operands),
    )
    return chosen(holds, *operands)
