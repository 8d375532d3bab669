"""Pytrees of runs: pick, stack, name the leaves, count the parameters."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Tree = Any


def pick(tree: Tree, run: Any) -> Tree:
    """One run (or several, by a slice or an array) of a tree whose leaves begin with the run axis.

    What lies on several devices of this process is picked on the host: to pick it where it lies is a program
    in which the devices wait for each other. While they also train, XLA ends the process if one comes late.
    """
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x)[run]) if on_several_devices(x) else x[run], tree)


def on_several_devices(x: Any) -> bool:
    """Whether an array lies on several devices of this process, and can be read by it."""
    return (
        isinstance(x, jax.Array)
        and not isinstance(x, jax.core.Tracer)
        and not jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
        and len(x.sharding.device_set) > 1
        and x.is_fully_addressable
    )


def stack(trees: list[Tree]) -> Tree:
    """Trees of single runs as one tree with the run axis first."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def named_leaves(tree: Tree) -> dict[str, Any]:
    """Leaves by their paths, joined by dots: `{"W_E": ..., "blocks.0.W_Q": ...}`."""
    part = lambda entry: str(getattr(entry, "key", getattr(entry, "idx", getattr(entry, "name", entry))))
    return {".".join(map(part, path)): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def num_parameters(tree: Tree) -> int:
    """The number of entries in all leaves (arrays or shapes)."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def num_bytes(tree: Tree) -> int:
    """The bytes of all leaves (arrays or shapes); typed keys count as 8."""
    return sum(
        leaf.size * (8 if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf.dtype.itemsize)
        for leaf in jax.tree.leaves(tree)
    )
