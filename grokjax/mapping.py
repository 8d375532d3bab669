"""A function of one run, lifted over all runs of a sweep: `map_runs(function)(runs)`.

This is the one place that decides on which devices the runs go, and that keeps factorisations from waiting
for each other.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec

Tree = Any


def map_runs(function: Callable[..., Tree]) -> Callable[..., Tree]:
    """A function of one run, lifted: it takes stacked runs and gives leaves [S, ...] on the host.

    Further arguments are stacked alike, one entry for each run. What is the same for all is bound:
    `map_runs(functools.partial(heads, batch=batch))(runs)`.

    One run at a time goes through each local device, so memory is needed for as many runs as there are
    devices. Matrix products have float32 precision, those of a run's own forward pass its recipe's. The
    program is compiled at the first call, and again only for another number of runs. Raises ValueError where
    the arguments do not agree in S.
    """
    mapped = jax.jit(_spread(function), static_argnums=0)
    waits = functools.cache(
        lambda structure, *shapes: _waits(function, *jax.tree.unflatten(structure, shapes))
    )

    def of_runs(*runs: Tree) -> Tree:
        size = _common_length(runs)
        # as JAX takes them: numpy's numbers of 64 bits become 32
        taken = jax.eval_shape(lambda *runs: runs, *runs)
        one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), taken)
        leaves, structure = jax.tree.flatten(one)
        count = 1 if waits(structure, *leaves) else min(len(jax.local_devices()), size)
        padded = runs if size % count == 0 else jax.tree.map(lambda x: _padded(x, count), runs)
        return jax.tree.map(lambda x: np.asarray(x)[:size], mapped(count, *padded))

    return of_runs


def _padded(leaf, count):
    """The last run once more, until the devices divide the number of runs."""
    rows = np.minimum(np.arange(len(leaf) + -len(leaf) % count), len(leaf) - 1)
    is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return leaf[rows] if is_key else np.asarray(leaf)[rows]


def _common_length(runs):
    lengths = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(runs)}
    if len(lengths) != 1 or lengths == {()}:
        found = (
            ", ".join(sorted("a scalar" if not length else str(length[0]) for length in lengths)) or "nothing"
        )
        raise ValueError(
            "map_runs takes stacked runs, every leaf with the same number of runs first; "
            f"it was given leaves of {found}"
        )
    return lengths.pop()[0]


LAPACK = {
    "cholesky",
    "eig",
    "eigh",
    "geqrf",
    "hessenberg",
    "householder_product",
    "lu",
    "qr",
    "schur",
    "svd",
    "triangular_solve",
    "tridiagonal",
}
"""Primitives that jaxlib hands to LAPACK."""


def _waits(function, *one):
    """Whether it may factorise several matrices at once on a CPU.

    jaxlib's kernels for that wait for helpers from the threads that they run on: on two devices at once they
    can wait for ever.
    """
    if jax.default_backend() != "cpu":
        return False
    calls = [
        equation
        for equation in _equations(jax.make_jaxpr(function)(*one).jaxpr)
        if equation.primitive.name in LAPACK
    ]
    return len(calls) > 1 or any(call.invars[0].aval.ndim > 2 for call in calls)


def _equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        inner = jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")
        )
        for part in inner:
            if hasattr(part := getattr(part, "jaxpr", part), "eqns"):
                yield from _equations(part)


def _spread(function):
    def spread(count, *runs):
        mesh = Mesh(np.array(jax.local_devices()[:count]), ("runs",), axis_types=(AxisType.Auto,))
        each = jax.shard_map(
            lambda runs: jax.lax.map(lambda one: function(*one), runs),
            mesh=mesh,
            in_specs=PartitionSpec("runs"),
            out_specs=PartitionSpec("runs"),
            check_vma=False,
        )
        with jax.default_matmul_precision(
            "float32"
        ):  # of what readers compute; a Run's own forward has its recipe's
            return each(runs)

    return spread
