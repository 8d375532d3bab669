"""One step of a run, one epoch of a block of runs: the program that trains, and the metrics of every step."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, PyTree

from grokjax import keys, objective
from grokjax.config import Hyper
from grokjax.training import data
from grokjax.training.optimizer import updated
from grokjax.training.state import Program, RunState, column_order, shapes, start
from grokjax.trees import named_leaves

AT_ONCE = 1024
"""Rows of parameters up to which their norms are summed at once: a kernel for every leaf would be a tenth of
a tiny model's step.
"""

Metrics = dict[str, Array]


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
    """Names and sizes of what is measured at a step and at an evaluation, as `update` and `evaluate` order
    it: it travels as one array.
    """
    width = len(program.task.columns)
    scored = dict(loss=width, accuracy=width, exact_match=1)
    each = [f"gradient_norm.{name}" for name in named_leaves(shapes(program).params)]
    return scored | dict.fromkeys(["gradient_norm", "parameter_norm", *each], 1), {
        f"test_{name}": size for name, size in scored.items()
    }


def pack(metrics: Metrics, active: Bool[Array, ""]) -> Float[Array, "F"]:
    """Metrics of one run as one vector; NaN where the run was not active."""
    return jnp.where(active, jnp.concatenate([jnp.ravel(values) for values in metrics.values()]), jnp.nan)


def unpack(sizes: dict[str, int], packed: np.ndarray) -> dict[str, np.ndarray]:
    """Packed metrics [..., F] by name: [..., C], or [...] where a metric is one number."""
    ends = np.cumsum(list(sizes.values()))
    cut = {name: packed[..., end - size : end] for (name, size), end in zip(sizes.items(), ends, strict=True)}
    return {
        name: x if name.removeprefix("test_") in ("loss", "accuracy") else x[..., 0]
        for name, x in cut.items()
    }


def step(program: Program, hyper: Hyper, train: PyTree, state: RunState) -> tuple[RunState, Metrics]:
    """One update, and the metrics of the parameters before it."""
    return update(program, hyper, data.training_batch(program.task, hyper, train, state.step), state)


def update(program: Program, hyper: Hyper, batch: PyTree, state: RunState) -> tuple[RunState, Metrics]:
    """`step`, on these examples."""
    config, recipe = program.config, program.recipe
    offset = random_offset(program, hyper, state)

    def loss(params: PyTree) -> tuple[Float[Array, ""], objective.Scores]:
        return objective.mean_loss(config, program.task, recipe, params, hyper, batch, offset=offset)

    (mean, scores), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
    total, each = norms(gradient)
    finite = jnp.isfinite(mean) & jnp.isfinite(total)
    metrics = summary(program, scores) | dict(
        gradient_norm=total, parameter_norm=norms(state.params)[0], gradient_norms=each
    )
    going = state.active & finite
    params, moments = updated(recipe, hyper, gradient, state.params, state.moments, going)
    return RunState(
        state.step + going, params, moments, state.alive & (finite | state.stopped), state.stopped
    ), metrics


def random_offset(program: Program, hyper: Hyper, state: RunState) -> Int[Array, ""] | int:
    """Abacus shifts all places by one random number in training, by 0 in evaluation."""
    if program.config.positions != "abacus":
        return 0
    return random.randint(keys.at_step(hyper.seed, "noise", state.step), (), 0, program.config.max_offset + 1)


def evaluate(program: Program, hyper: Hyper, test: PyTree, state: RunState) -> Metrics:
    """Metrics on a run's evaluation set, their names beginning with `test_`."""
    batch = data.evaluation_batch(program.task, program.recipe, hyper, test)
    scores = objective.mean_loss(program.config, program.task, program.recipe, state.params, hyper, batch)[
        1
    ]  # the fastest program
    return {f"test_{name}": x for name, x in summary(program, scores).items()}


@functools.partial(jax.jit, static_argnames=("program", "length", "mesh", "block"))
def epoch(
    program: Program,
    length: int,
    mesh: Mesh,
    block: int,
    *,
    table: PyTree,
    span: tuple[Array, Array],
    shared: tuple[Hyper, data.Split],
    runs: RunState,
) -> tuple[RunState, Array, Array]:
    """Steps first … first + count - 1 of blocks of runs on each device of the mesh, `span` = (first, count),
    count at most `length`.

    Returns the runs, packed metrics [runs, length, F] and evaluations [runs, length // every + 1, F], NaN
    where nothing was measured. The loop's bound is data: a shorter last epoch is the same program, and a
    block whose runs are all stopped costs nothing. Devices exchange nothing; one program for all is compiled
    once.
    """
    with jax.default_matmul_precision(program.recipe.precision):
        return over_blocks(
            mesh, block, functools.partial(_epoch, program, length), (table, span), (shared, runs)
        )


def over_blocks(
    mesh: Mesh, block: int, function: Callable[..., Any], common: tuple[Any, ...], own: tuple[Any, ...]
) -> Any:
    """function(*common, *own) for every block of the rows of `own`: devices side by side, the blocks of a
    device one after another.
    """

    def one_device(common: tuple[Any, ...], own: tuple[Any, ...]) -> Any:
        if all(len(leaf) == block for leaf in jax.tree.leaves(own)):
            return function(*common, *own)
        cut = jax.tree.map(lambda x: x.reshape(len(x) // block, block, *x.shape[1:]), own)
        return jax.tree.map(
            lambda x: x.reshape(-1, *x.shape[2:]), lax.map(lambda own: function(*common, *own), cut)
        )

    specs = PartitionSpec(), PartitionSpec("runs")
    return jax.shard_map(
        one_device, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("runs"), check_vma=False
    )(common, own)


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

    blank = lambda length, sizes: jnp.full((length, size, sum(sizes.values())), jnp.nan)
    bound = jnp.where(runs.active.any(), count, 0)
    carry = (runs, blank(length, at_step), blank(length // every + 1, at_evaluation))
    runs, kept, seen = over_steps(program, length, bound, (hypers, train), body, carry)
    losses = kept[..., : len(program.task.columns)].mean(-1)
    mean = jnp.where(jnp.arange(length)[:, None] < count, losses, 0).sum(0) / count
    runs = runs.replace(stopped=runs.stopped | (mean < program.recipe.stop_below))
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


@functools.partial(jax.jit, static_argnames=("program", "mesh", "block"))
def begin(
    program: Program, mesh: Mesh, block: int, *, table: PyTree, shared: tuple[Hyper, data.Split]
) -> tuple[RunState, Float[Array, "S 1 F"]]:
    """The initial states of blocks of runs on each device, and their evaluation (NaN where there is no test
    set).
    """
    with jax.default_matmul_precision(program.recipe.precision):
        return over_blocks(mesh, block, functools.partial(_begin, program), (table,), (shared,))


def _begin(program: Program, table: PyTree, shared: tuple[Hyper, data.Split]) -> tuple[RunState, Array]:
    hypers, split = shared
    runs = jax.vmap(functools.partial(start, program))(hypers)
    if split.test.shape[1] or table is None:
        return runs, evaluations(program, hypers, own_rows(table, split)[1], runs)[:, None]
    return runs, jnp.full((hypers.seed.shape[0], 1, sum(layout(program)[1].values())), jnp.nan)
