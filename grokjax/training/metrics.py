"""What is measured of a run: losses, accuracies and norms, which travel from the devices as one array.

`layout` declares the order of the metrics and their sizes; `pack` and `unpack` follow it.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree

from grokjax import objective
from grokjax.training.state import Program, column_order, shapes
from grokjax.trees import named_leaves

Metrics = dict[str, Array]

PER_ANSWER = ("loss", "accuracy", "test_loss", "test_accuracy")
"""The metrics with one number for each answer, [C]; the others are one number."""
AT_ONCE = 1024
"""Rows of parameters up to which their norms are summed at once: a kernel for every leaf would be a tenth of
a tiny model's step.
"""
NOTHING = np.finfo(np.float32).min
"""Stands on the devices where nothing was measured; the host puts NaN there. A NaN of the program's own would
end a healthy sweep under `jax_debug_nans`.
"""


def norms(tree: PyTree) -> tuple[Float[Array, ""], Float[Array, " leaves"]]:
    """The Euclidean norm of all leaves together, and of each."""
    each = squares(tree)
    return jnp.sqrt(each.sum()), jnp.sqrt(each)


def squares(tree: PyTree) -> Float[Array, " leaves"]:
    """The sum of squares of every leaf; those of a small model are cut into rows of one width, which are
    summed at once.

    The width divides every leaf; where it is small there are many rows, and a kernel for each leaf takes
    less.
    """
    leaves = jax.tree.leaves(tree)
    sizes = np.array([leaf.size for leaf in leaves])
    width = np.gcd.reduce(sizes)
    if sizes.sum() // width > AT_ONCE:
        return jnp.stack([jnp.square(leaf).sum() for leaf in leaves])
    by_row = jnp.square(ravel_pytree(tree)[0]).reshape(-1, width).sum(1)
    leaf_of_row = np.repeat(np.arange(len(leaves)), sizes // width)
    return (
        jnp.zeros(len(leaves)).at[leaf_of_row].add(by_row, mode="promise_in_bounds", indices_are_sorted=True)
    )


def summary(program: Program, scores: objective.Scores) -> Metrics:
    """Mean loss and accuracy per metric column [C], and the share of examples with every answer right."""
    order = column_order(program.task)
    loss, correct = scores.loss[..., order], scores.correct[..., order]
    return dict(
        loss=loss.mean(0),
        accuracy=correct.mean(0, dtype=jnp.float32),
        exact_match=correct.all(-1).mean(dtype=jnp.float32),
    )


@functools.cache
def layout(program: Program) -> tuple[dict[str, int], dict[str, int]]:
    """Names and sizes of what is measured at a step, and at an evaluation, in their order."""
    each = [f"gradient_norm.{name}" for name in named_leaves(shapes(program).params)]
    scored = ("loss", "accuracy", "exact_match")
    at_step = (*scored, "gradient_norm", "parameter_norm", *each)
    at_evaluation = tuple(f"test_{name}" for name in scored)
    size = lambda name: len(program.task.columns) if name in PER_ANSWER else 1
    return {name: size(name) for name in at_step}, {name: size(name) for name in at_evaluation}


def pack(metrics: Metrics, active: Bool[Array, ""]) -> Float[Array, " F"]:
    """Metrics of one run as one vector, in the order of `layout`; NOTHING where the run was not active."""
    return jnp.where(active, jnp.concatenate([jnp.ravel(values) for values in metrics.values()]), NOTHING)


def unpack(sizes: dict[str, int], packed: np.ndarray) -> dict[str, np.ndarray]:
    """Packed metrics [..., F] by name, [..., C] or [...]; NaN where nothing was measured."""
    packed = np.where(packed == NOTHING, np.float32(np.nan), packed)
    ends = np.cumsum(list(sizes.values()))
    cut = {name: packed[..., end - size : end] for (name, size), end in zip(sizes.items(), ends, strict=True)}
    return {name: x if name in PER_ANSWER else x[..., 0] for name, x in cut.items()}
