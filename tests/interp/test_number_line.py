"""Digits that are planted on a line, on a circle, or nowhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import circuits, number_line


def planted(targets, noise=0.05, width=40, seed=0):
    random_ = np.random.default_rng(seed)
    targets = np.asarray(targets, float)
    rows = targets @ random_.normal(size=(targets.shape[1], width)) + random_.normal(size=width)
    return jnp.asarray(rows + noise * random_.normal(size=rows.shape), jnp.float32)


LINE = planted(np.arange(10)[:, None] / 3)
ANGLE = 2 * np.pi * 3 * np.arange(10) / 10
CIRCLE = planted(np.stack([np.cos(ANGLE), np.sin(ANGLE)], 1))
RANDOM = random.normal(random.key(0), (10, 40))


def test_what_is_left_out_is_read_as_a_slow_fit_reads_it():
    rows, targets = RANDOM[:, :3], random.normal(random.key(1), (10, 2))
    x = np.c_[rows, np.full(10, np.sqrt((np.asarray(rows) ** 2).sum(1).mean()))]
    penalty = 1e-3 * np.trace(x @ x.T) / 10 * np.eye(4)
    error, of_mean = [], []
    for i in range(10):
        kept, aims = np.delete(x, i, 0), np.delete(targets, i, 0)
        error.append(x[i] @ np.linalg.solve(kept.T @ kept + penalty, kept.T @ aims) - targets[i])
        of_mean.append(aims.mean(0) - targets[i])
    exact = 1 - np.square(error).sum(0) / np.square(of_mean).sum(0)
    np.testing.assert_allclose(number_line.left_out_r2(rows, targets), exact, rtol=1e-3, atol=1e-3)


def test_a_line_is_a_line_and_a_circle_a_circle():
    line, *circles = number_line.structure(LINE)
    assert line > 0.95 and line > max(circles)
    line, *circles = number_line.structure(CIRCLE)
    assert circles[2] > 0.95 and line < 0.6 and np.argmax(circles) == 2


def test_structure_that_is_planted_stands_out_and_that_of_random_rows_does_not():
    rows = jnp.stack([LINE, CIRCLE, *random.normal(random.key(2), (40, 10, 40))])
    stands_out = jax.jit(jax.vmap(lambda key, rows: number_line.stands_out(key, rows, draws=299)))
    found = stands_out(random.split(random.key(3), len(rows)), rows)
    assert found.deviation[:2].argmax(1).tolist() == [0, 3] and (found.p_any[:2] < 0.03).all()
    assert found.p_any[2:].mean() == pytest.approx(0.5, abs=0.2) and (found.p_any[2:] <= 0.05).mean() < 0.16


def test_rows_that_are_all_alike_tell_nothing():
    assert number_line.left_out_r2(jnp.ones((10, 4)), jnp.arange(10.0)[:, None])[0] == pytest.approx(
        0, abs=1e-2
    )
    assert number_line.left_out_r2(jnp.zeros((10, 4)), jnp.arange(10.0)[:, None])[0] <= 0


def test_a_clear_line_at_small_width_stands_out():
    """The line's own p-value is 1 / 1000, that of the whole at most six times as large: one of six."""
    rows = planted(np.arange(10)[:, None] / 3, noise=0.3, width=8, seed=1)
    found = jax.jit(number_line.stands_out)(random.key(0), rows)
    assert found.value[0] > 0.9 and found.p_value[0] == pytest.approx(1e-3)
    assert found.p_any <= 6e-3


def test_what_the_heads_write_is_read_like_an_embedding():
    """A layer whose values hold the digits on a line hands them on as a line."""
    task = gj.Addition(num_digits=1, relabel=3)
    config = gj.ModelConfig.of(task, d_model=40, num_heads=2)
    run = gj.Run(task, config, gj.model.init(config, random.key(0)))
    run.params["W_E"] = run.params["W_E"].at[gj.tasks.layout.permutation(task)].set(LINE)
    written = circuits.ov_to_stream(run, of="symbol")
    block = run.params["blocks"][0]
    np.testing.assert_allclose(written[1], LINE @ block["W_V"][:, 1] @ block["W_O"][1], atol=1e-4)
    assert number_line.structure(written[1])[0] > 0.95
