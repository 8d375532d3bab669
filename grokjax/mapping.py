"""A function of one run, lifted over all runs of a sweep: `map_runs(function)(runs)`.

This is the one place that decides on which devices the runs go, and that keeps factorisations from waiting
for each other. Every device runs a program of its own, on its own runs: in a program over several devices
they would wait for each other, and one that also trains can come too late.
"""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import jaxpr_as_fun

from grokjax import programs

Tree = Any


def map_runs(function: Callable[..., Tree]) -> Callable[..., Tree]:
    """A function of one run, lifted: it takes stacked runs and gives leaves [S, ...] on the host.

    Further arguments are stacked alike, one entry for each run. What is the same for all is bound:
    `map_runs(functools.partial(heads, batch=batch))(runs)`.

    Every local device takes its share of the runs, one after another, so memory is needed for as many runs as
    there are devices. The runs may lie on any devices. A run gives the same bits on any of them, and beside
    any others. Matrix products have float32 precision, those of a run's own forward pass its recipe's. The
    program is compiled at the first call, and again only for more runs. Raises ValueError where the arguments
    do not agree in S.
    """
    lifted = functools.cache(
        lambda structure, *shapes: _Lifted(function, jax.tree.unflatten(structure, shapes))
    )

    def of_runs(*runs: Tree) -> Tree:
        size = _common_length(runs)
        # as JAX takes them: numpy's numbers of 64 bits become 32
        taken = jax.eval_shape(lambda *runs: runs, *runs)
        one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), taken)
        shapes, structure = jax.tree.flatten(one)
        return lifted(structure, *shapes)(jax.tree.leaves(runs), size)

    return of_runs


IDLE = 0.1
"""The largest share of the devices' time that lies idle where several stacks of runs are to be had."""


def stacks_at_once(num_runs: int) -> int:
    """Returns how many stacks of so many runs `map_runs` is best given as one: the fewest that leave at most
    a tenth of the local devices' time idle.
    """
    devices = len(jax.local_devices())
    rounds = lambda stacks: -(-stacks * num_runs // devices)
    busy = lambda stacks: stacks * num_runs / (rounds(stacks) * devices)
    return next(stacks for stacks in range(1, devices + 1) if busy(stacks) >= 1 - IDLE)


def stacked(stacks: Sequence[Tree]) -> Tree:
    """Returns stacks of runs, [S, ...] each, as one, [S of the first + S of the second + ..., ...]."""
    return stacks[0] if len(stacks) == 1 else jax.tree.map(_concatenated, *stacks)


def _concatenated(*leaves):
    if jax.dtypes.issubdtype(leaves[0].dtype, jax.dtypes.prng_key):
        return jnp.concatenate(leaves)
    return np.concatenate([np.asarray(leaf) for leaf in leaves])


class _Lifted:
    """A function of one run of certain shapes, with its program on every device that takes runs."""

    def __init__(self, function, one):
        with jax.default_matmul_precision("float32"):
            # of what readers compute; a Run's own forward has its recipe's
            self.jaxpr, shapes = jax.make_jaxpr(function, return_shape=True)(*one)
        self.structure = jax.tree.structure(shapes)
        self.devices = jax.local_devices()[: 1 if _waits(self.jaxpr) else None]
        self.room, self.program, self.loaded = 0, None, {}

    def __call__(self, leaves, size):
        share = -(-size // len(self.devices))
        firsts = dict(zip(self.devices, range(0, size, share), strict=False))
        self._load(list(firsts), share)
        placed = _placed(leaves, firsts, self.room)

        def own(device):
            count = min(share, size - firsts[device])
            found = self.loaded[device](count=np.int32(count), leaves=placed[device])
            return [np.asarray(x)[:count] for x in found]

        # from a thread for each: a program with a callback keeps the thread that begins it until its end
        with ThreadPoolExecutor(len(firsts)) as pool:
            found = list(pool.map(own, firsts))
        return jax.tree.unflatten(self.structure, stacked(found))

    def _load(self, devices, share):
        """The program on these devices, with room for a share of the runs; most calls find it there."""
        if share > self.room:
            self.room, self.loaded = share, {}
            self.program = jax.jit(functools.partial(_of_share, self.jaxpr))
        if missing := [device for device in devices if device not in self.loaded]:
            in_line = lambda aval: jax.ShapeDtypeStruct((self.room, *aval.shape), aval.dtype)
            shapes = dict(
                count=jax.ShapeDtypeStruct((), np.int32), leaves=list(map(in_line, self.jaxpr.in_avals))
            )
            self.loaded |= programs.compiled_once(self.program, (), shapes, missing)


def _of_share(jaxpr, *, count, leaves):
    """What the first `count` of some runs give, leaves [room, ...].

    The loop's bound is data, so that one run is a loop as well: unrolled, it could have other bits.
    """
    function, room = jaxpr_as_fun(jaxpr), len(leaves[0])

    def put(i, found):
        new = function(*[lax.dynamic_index_in_dim(leaf, i, keepdims=False) for leaf in leaves])
        return [lax.dynamic_update_index_in_dim(whole, x, i, 0) for whole, x in zip(found, new, strict=True)]

    blank = [jnp.zeros((room, *aval.shape), aval.dtype) for aval in jaxpr.out_avals]
    return lax.fori_loop(0, count, put, blank)


def _placed(leaves, firsts, room):
    """Device -> `room` runs from its first one on, on that device; the last run stands for those beyond."""
    size = len(leaves[0])
    if len(firsts) == 1 and room == size:
        return {device: jax.device_put(leaves, device) for device in firsts}
    rows = {device: np.minimum(np.arange(first, first + room), size - 1) for device, first in firsts.items()}
    host = [_on_host(leaf) for leaf in leaves]
    return {device: jax.device_put([picked(own) for picked in host], device) for device, own in rows.items()}


def _on_host(leaf):
    """A function that gives rows of a leaf, which may lie on several devices."""
    if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return np.asarray(leaf).__getitem__
    data, kind = np.asarray(jax.random.key_data(leaf)), jax.random.key_impl(leaf)
    return lambda rows: jax.random.wrap_key_data(jnp.asarray(data[rows]), impl=kind)


def _common_length(runs):
    lengths = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(runs)}
    if len(lengths) != 1 or lengths & {(), (0,)}:
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


def _waits(jaxpr):
    """Whether it may factorise several matrices at once on a CPU.

    jaxlib's kernels for that wait for helpers from the threads that they run on: on two devices at once they
    can wait for ever.
    """
    if jax.default_backend() != "cpu":
        return False
    calls = [equation for equation in _equations(jaxpr.jaxpr) if equation.primitive.name in LAPACK]
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
