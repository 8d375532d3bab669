"""An epoch of blocks of runs on one device: the program that trains."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PyTree

from grokjax.config import Hyper
from grokjax.training import data
from grokjax.training.metrics import NOTHING, layout, pack
from grokjax.training.state import Program, RunState, start
from grokjax.training.step import evaluate, update


@functools.partial(jax.jit, static_argnames=("program", "length", "block"))
def epoch(
    program: Program,
    length: int,
    block: int,
    *,
    table: PyTree,
    span: tuple[Array, Array],
    shared: tuple[Hyper, data.Split],
    runs: RunState,
) -> tuple[RunState, Array, Array]:
    """Steps first … first + count - 1 of blocks of runs, `span` = (first, count), count at most `length`.

    Returns the runs, packed metrics [runs, length, F] and evaluations [runs, length // every + 1, F], which
    are NOTHING where nothing was measured. The loop's bound is data: a shorter last epoch is the same
    program, and a block whose runs are all stopped costs nothing.
    """
    with jax.default_matmul_precision(program.recipe.precision):
        return over_blocks(block, functools.partial(_epoch, program, length), (table, span), (shared, runs))


def over_blocks(
    block: int, function: Callable[..., Any], common: tuple[Any, ...], own: tuple[Any, ...]
) -> Any:
    """function(*common, *own) for every block of the rows of `own`, one block after another."""
    if all(len(leaf) == block for leaf in jax.tree.leaves(own)):
        return function(*common, *own)
    cut = jax.tree.map(lambda x: x.reshape(len(x) // block, block, *x.shape[1:]), own)
    done = lax.map(lambda own: function(*common, *own), cut)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), done)


def _epoch(
    program: Program,
    length: int,
    table: PyTree,
    span: tuple[Array, Array],
    shared: tuple[Hyper, data.Split],
    runs: RunState,
) -> tuple[RunState, Array, Array]:
    hypers, split = shared
    every, (first, count) = program.recipe.evaluate_every, span
    train, test = own_rows(table, split)
    if table is not None:
        train = jax.vmap(functools.partial(data.as_trained, program.task))(hypers, train)
    at_step, at_evaluation = layout(program)
    size = hypers.seed.shape[0]

    def one_step(hyper: Hyper, batch: PyTree, run: RunState) -> tuple[RunState, Array]:
        new, metrics = update(program, hyper, batch, run)
        return new, pack(metrics, run.active)

    def put(buffer: Array, index: Array, values: Array) -> Array:
        return lax.dynamic_update_index_in_dim(buffer, values, index, 0)

    def body(t: Array, batch: PyTree, carry: tuple[RunState, Array, Array]) -> tuple[RunState, Array, Array]:
        runs, kept, seen = carry
        runs, metrics = jax.vmap(one_step)(hypers, batch, runs)
        done = first + t + 1
        if split.test.shape[1] or table is None:
            scored = lambda: put(
                seen, done // every - first // every - 1, evaluations(program, hypers, test, runs)
            )
            seen = lax.cond(done % every == 0, scored, lambda: seen)
        return runs, put(kept, t, metrics), seen

    blank = lambda length, sizes: jnp.full((length, size, sum(sizes.values())), NOTHING)
    bound = jnp.where(runs.active.any(), count, 0)
    carry = (runs, blank(length, at_step), blank(length // every + 1, at_evaluation))
    runs, kept, seen = over_steps(program, length, bound, (hypers, train), body, carry)
    losses = kept[..., : len(program.task.columns)].mean(-1)
    mean = jnp.where(jnp.arange(length)[:, None] < count, losses, 0).sum(0) / count
    # what is still active was measured at every step
    runs = runs.replace(stopped=runs.stopped | runs.active & (mean < program.recipe.stop_below))
    return runs, jnp.moveaxis(kept, 0, 1), jnp.moveaxis(seen, 0, 1)


def over_steps(
    program: Program,
    length: int,
    bound: Array | int,
    own: tuple[Hyper, PyTree],
    body: Callable[..., Any],
    carry: Any,
) -> Any:
    """body(t, batch, carry) for steps t < bound <= length; carry[0] are the runs, whose batches are drawn for
    several steps at once.
    """
    (hypers, train), task = own, program.task
    ahead = data.steps_at_once(task, hypers, train, length)

    def stretch(number: Array, carry: Any) -> Any:
        begun, steps = number * ahead, carry[0].step + jnp.arange(ahead)[:, None]
        drawn = data.batches(task, hypers, train, steps) if data.draws(task) else None
        at = lambda t: (
            train
            if drawn is None
            else jax.tree.map(lambda x: lax.dynamic_index_in_dim(x, t - begun, keepdims=False), drawn)
        )
        return lax.fori_loop(
            begun, jnp.minimum(begun + ahead, bound), lambda t, carry: body(t, at(t), carry), carry
        )

    return lax.fori_loop(0, -(-bound // ahead), stretch, carry)


def own_rows(table: PyTree, split: data.Split) -> tuple[PyTree, PyTree]:
    """The training and test examples of each run of a block, leaves [block, N, ...]; None where the task is
    infinite.
    """
    train, test = (
        jax.vmap(functools.partial(data.rows_of, table))(rows) if table is not None else None
        for rows in split
    )
    return train, test


def evaluations(program: Program, hypers: Hyper, test: PyTree, runs: RunState) -> Float[Array, "S F"]:
    """Packed metrics of a block of runs on their evaluation sets."""
    return jax.vmap(lambda hyper, test, run: pack(evaluate(program, hyper, test, run), run.active))(
        hypers, test, runs
    )


@functools.partial(jax.jit, static_argnames=("program", "block"))
def begin(
    program: Program, block: int, *, table: PyTree, shared: tuple[Hyper, data.Split]
) -> tuple[RunState, Float[Array, "S 1 F"]]:
    """The initial states of blocks of runs, and their evaluation (NOTHING where there is no test set)."""
    with jax.default_matmul_precision(program.recipe.precision):
        return over_blocks(block, functools.partial(_begin, program), (table,), (shared,))


def _begin(program: Program, table: PyTree, shared: tuple[Hyper, data.Split]) -> tuple[RunState, Array]:
    hypers, split = shared
    runs = jax.vmap(functools.partial(start, program))(hypers)
    if split.test.shape[1] or table is None:
        return runs, evaluations(program, hypers, own_rows(table, split)[1], runs)[:, None]
    return runs, jnp.full((hypers.seed.shape[0], 1, sum(layout(program)[1].values())), NOTHING)
