"""The first rival: a plain model, every activation at every position, under a plain `jax.vmap`."""

import functools
import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax

from experiments.benchmarks.matmul import compiled
from experiments.benchmarks.measuring import seconds
from experiments.benchmarks.workloads import Workload
from grokjax import model, sweep, tap
from grokjax.training import data

SHARE = 0.6
"""Of the memory that is available, what the rival may take."""


def epoch(workload: Workload, steps: int, hyper: Any, params: Any, train: Any) -> Any:
    """`steps` steps of one run: a scan over drawing a batch, value_and_grad, optax."""
    task, config = workload.task, workload.config
    optimizer = optax.adamw(hyper.learning_rate, b1=hyper.b1, b2=hyper.b2, weight_decay=hyper.weight_decay)

    def loss(params: Any, batch: Any) -> jax.Array:
        logits = model.forward(config, params, batch.tokens, tap=tap.untouched)[:, np.asarray(task.read)]
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels).mean()

    def step(carry: Any, number: Any) -> Any:
        params, moments = carry
        value, gradient = jax.value_and_grad(loss)(params, data.training_batch(task, hyper, train, number))
        updates, moments = optimizer.update(gradient, moments, params)
        return (optax.apply_updates(params, updates), moments), value

    (params, _), losses = jax.lax.scan(step, (params, optimizer.init(params)), np.arange(steps))
    return params, losses


def arguments(workload: Workload, runs: int) -> tuple[Any, Any, Any]:
    """Hypers, shapes of the parameters, and training sets of the runs."""
    hypers = sweep.grid(workload.hyper, seed=range(runs))
    params = jax.eval_shape(functools.partial(initial, workload), hypers)
    if not workload.task.finite:
        return hypers, params, None
    rows = np.stack([split.train for split in data.splits(workload.task, hypers)])
    return hypers, params, data.rows_of(workload.task.table(), rows)


@functools.partial(jax.jit, static_argnums=0)
def initial(workload: Workload, hypers: Any) -> Any:
    """The first parameters of the runs."""
    return jax.vmap(lambda hyper: model.init(workload.config, jax.random.key(hyper.seed), hyper))(hypers)


def available() -> float:
    """Bytes of memory that a program may take: of an accelerator its own, else the machine's."""
    found = jax.devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    return found["bytes_limit"] if found else os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def fitting(workload: Workload, runs: int, steps: int, limit: float) -> tuple[Any, Any, int]:
    """(compiled program, its arguments, runs): as many of the runs as fit, halved until they do."""
    program = jax.jit(jax.vmap(functools.partial(epoch, workload, steps)))
    taken = arguments(workload, runs)
    made = compiled(program, *taken)
    needs = made.memory_analysis()
    if (
        runs > 1
        and needs.temp_size_in_bytes + needs.argument_size_in_bytes + needs.output_size_in_bytes > limit
    ):
        return fitting(workload, runs // 2, steps, limit)
    return made, taken, runs


def contestant(workload: Workload, runs: int, steps: int) -> tuple[Callable[[], float], int]:
    """(run-steps per second on one device that uses all cores, the runs that fitted)."""
    made, (hypers, _, train), fitted = fitting(workload, runs, steps, SHARE * available())
    params, train = initial(workload, hypers), jax.tree.map(jax.numpy.asarray, train)
    return (
        lambda: fitted * steps / seconds(lambda: jax.block_until_ready(made(hypers, params, train))),
        fitted,
    )
