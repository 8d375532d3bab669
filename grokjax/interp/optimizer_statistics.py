"""What an optimiser step does to each tensor: update norms, and Adam's moments by the names of the
parameters.
"""

import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from grokjax.trees import named_leaves

Norms = dict[str, Float[Array, ""]]


def norms(before: PyTree, after: PyTree) -> Norms:
    """The Euclidean norm of the change of every parameter tensor, by its name."""
    old = named_leaves(before)
    return {name: jnp.linalg.norm(jnp.ravel(new - old[name])) for name, new in named_leaves(after).items()}


def second_moments(params: PyTree, moments: PyTree) -> dict[str, Array]:
    """Adam's running mean of squared gradients (before bias correction) of every parameter tensor, by its
    name and in its shape.

    The optimisers of this package keep it as one vector, in the order of the leaves. ValueError for an
    optimiser that has none.
    """
    return _by_name(params, moments, "nu")


def first_moments(params: PyTree, moments: PyTree) -> dict[str, Array]:
    """The same for Adam's running mean of gradients."""
    return _by_name(params, moments, "mu")


def root_second_moments(params: PyTree, moments: PyTree) -> Norms:
    """The root of the sum of a tensor's second moments: comparable to the norm of its gradient."""
    return {name: jnp.sqrt(jnp.sum(x)) for name, x in second_moments(params, moments).items()}


def _by_name(params, moments, field):
    found = [value for _, value in optax.tree_utils.tree_get_all_with_path(moments, field)]
    if len(found) != 1:
        raise ValueError(
            f"the optimiser's state has {len(found)} fields named {field!r}; Adam and AdamW have one"
        )
    flat, unravel = ravel_pytree(params)
    tree = unravel(found[0]) if jnp.shape(found[0]) == flat.shape else found[0]
    return named_leaves(tree)
