"""Pytrees of runs: pick, stack, a function of one run lifted over all, name the leaves, count the parameters."""
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec

Tree = Any


def pick(tree: Tree, run: int | slice | jax.Array) -> Tree:
    """One run (or several) of a tree whose leaves begin with the run axis."""
    return jax.tree.map(lambda x: x[run], tree)


def stack(trees: list[Tree]) -> Tree:
    """Trees of single runs as one tree with the run axis first."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def of_each_run(function: Callable[..., Tree]) -> Callable[..., Tree]:
    """`function` of one run, for trees of runs: leaves [S, ...] on the host.

    One run at a time on each local device: memory for as many runs as there are devices, however many runs there are. The program is
    compiled at the first call, and again only for another number of runs.
    """
    mapped = jax.jit(_spread(function), static_argnums=0)
    waits = functools.cache(lambda structure, *shapes: _waits(function, *jax.tree.unflatten(structure, shapes)))

    def of_runs(*runs: Tree) -> Tree:
        size = len(jax.tree.leaves(runs)[0])
        leaves, structure = jax.tree.flatten(jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), runs))
        count = 1 if waits(structure, *leaves) else min(len(jax.local_devices()), size)
        padded = jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[-1:], -size % count, 0)]) if size % count else x, runs)
        return jax.tree.map(lambda x: np.asarray(x)[:size], mapped(count, *padded))

    return of_runs


LAPACK = {"cholesky", "eig", "eigh", "geqrf", "hessenberg", "householder_product", "lu", "qr", "schur", "svd", "triangular_solve",
          "tridiagonal"}
"""Primitives that jaxlib hands to LAPACK."""


def _waits(function, *one):
    """Whether it may factorise several matrices at once on a CPU.

    jaxlib's kernels for that wait for helpers from the threads that they run on: on two devices at once they can wait for ever.
    """
    if jax.default_backend() != "cpu":
        return False
    calls = [equation for equation in _equations(jax.make_jaxpr(function)(*one).jaxpr) if equation.primitive.name in LAPACK]
    return len(calls) > 1 or any(call.invars[0].aval.ndim > 2 for call in calls)


def _equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        inner = jax.tree.leaves(list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr"))
        for part in inner:
            if hasattr(part := getattr(part, "jaxpr", part), "eqns"):
                yield from _equations(part)


def _spread(function):
    def spread(count, *runs):
        mesh = Mesh(np.array(jax.local_devices()[:count]), ("runs",), axis_types=(AxisType.Auto,))
        each = jax.shard_map(lambda runs: jax.lax.map(lambda one: function(*one), runs), mesh=mesh, in_specs=PartitionSpec("runs"),
                             out_specs=PartitionSpec("runs"), check_vma=False)
        return each(runs)

    return spread


def named_leaves(tree: Tree) -> dict[str, Any]:
    """Leaves by their paths, joined by dots: `{"W_E": ..., "blocks.0.W_Q": ...}`."""
    part = lambda entry: str(getattr(entry, "key", getattr(entry, "idx", getattr(entry, "name", entry))))
    return {".".join(map(part, path)): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def num_parameters(tree: Tree) -> int:
    """The number of entries in all leaves (arrays or shapes)."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def num_bytes(tree: Tree) -> int:
    """The bytes of all leaves (arrays or shapes); typed keys count as 8."""
    return sum(leaf.size * (8 if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf.dtype.itemsize)
               for leaf in jax.tree.leaves(tree))
