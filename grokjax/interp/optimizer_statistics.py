"""What an optimiser step does to each tensor: norms of updates, and Adam's moments by parameter."""

import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from grokjax.trees import named_leaves

Norms = dict[str, Float[Array, ""]]


def update_norms(before: PyTree, after: PyTree) -> Norms:
    """Returns the Euclidean norm of the change of every parameter tensor, by its name."""
    old = named_leaves(before)
    return {name: jnp.linalg.norm(jnp.ravel(new - old[name])) for name, new in named_leaves(after).items()}


def second_moments(params: PyTree, opt_state: PyTree) -> dict[str, Array]:
    """Returns Adam's running mean of squared gradients, before bias correction, in the parameters' shapes.

    The optimisers of this package keep it as one vector, in the order of the leaves. Raises ValueError for an
    optimiser that has none.
    """
    return _by_name(params, opt_state, "nu")


def first_moments(params: PyTree, opt_state: PyTree) -> dict[str, Array]:
    """Returns Adam's running mean of gradients, as `second_moments`."""
    return _by_name(params, opt_state, "mu")


def root_second_moments(params: PyTree, opt_state: PyTree) -> Norms:
    """Returns the root of the sum of a tensor's second moments: comparable to the norm of its gradient."""
    return {name: jnp.sqrt(jnp.sum(x)) for name, x in second_moments(params, opt_state).items()}


def _by_name(params, opt_state, field):
    found = [value for _, value in optax.tree_utils.tree_get_all_with_path(opt_state, field)]
    if len(found) != 1:
        raise ValueError(
            f"the optimiser's state has {len(found)} fields named {field!r}; Adam and AdamW have one"
        )
    flat, unravel = ravel_pytree(params)
    tree = unravel(found[0]) if jnp.shape(found[0]) == flat.shape else found[0]
    return named_leaves(tree)
