"""Tables of units over their digit pair: planted ones, and a small model's against a slow count."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp.addition import digit_pair, evaluation_sets

A, B = np.indices((10, 10))
TURN = 2 * np.pi / 10
TABLES = {
    "waves": np.maximum(np.cos(3 * TURN * A + 0.2) + np.cos(3 * TURN * B + 1), -9)
    + np.sin(3 * TURN * (A + B))
    + 4,
    "powers": 0.3 * (A - 4.5) * (B - 4.5) + A**2 - B,
    "alone": np.random.default_rng(0).normal(size=(10, 1)) + np.random.default_rng(1).normal(size=(1, 10)),
    "modular_sum": np.random.default_rng(2).normal(size=10)[(A + B) % 10],
    "sum": np.random.default_rng(3).normal(size=19)[A + B],
    "nothing": np.random.default_rng(4).normal(size=(10, 10)),
}
PLANTED = jnp.asarray(np.stack(list(TABLES.values()), -1), jnp.float32)


def test_what_is_planted_is_found_and_nowhere_else():
    found = digit_pair.made(PLANTED)
    for unit, name in enumerate(TABLES):
        shares = {
            kind: float(value[:, unit].max() if kind == "waves" else value[unit])
            for kind, value in found._asdict().items()
        }
        assert all(share < 0.45 for kind, share in shares.items() if name == "nothing"), shares
        if name != "nothing":
            assert shares[name] == pytest.approx(1, abs=1e-3), (name, shares)
    assert found.waves[:, 0].argmax() + 1 == 3
    assert (
        max(found.waves[:, 3:].max(), found.powers[3:].max()) < 0.8
    )  # tables of the sum and of nothing are made of neither


def test_the_parts_are_projections():
    for part in (digit_pair.of_waves, digit_pair.of_powers):
        kept = part(PLANTED)
        np.testing.assert_allclose(part(kept), kept, atol=2e-4)
        np.testing.assert_allclose(((PLANTED - kept) * kept).sum((0, 1)), 0, atol=2e-2)
    np.testing.assert_allclose(digit_pair.of_waves(PLANTED)[..., 0], TABLES["waves"], atol=1e-4)
    np.testing.assert_allclose(digit_pair.of_powers(PLANTED)[..., 1], TABLES["powers"], atol=1e-3)


def test_shuffled_digits_keep_what_is_not_about_order():
    digits, cells = (
        digit_pair.made(shuffle(random.key(0), PLANTED))
        for shuffle in (digit_pair.shuffled_digits, digit_pair.shuffled_cells)
    )
    assert digits.alone[2] == pytest.approx(1, abs=1e-4) and cells.alone[2] < 0.5
    assert digits.waves[:, 0].max() < 0.9 and cells.waves[:, 0].max() < 0.5
    values = jnp.sort(digit_pair.shuffled_digits(random.key(1), PLANTED)[..., 5].ravel())
    np.testing.assert_allclose(values, np.sort(TABLES["nothing"].ravel()), atol=1e-6)


def made_run(**options):
    """A run of attention rate .6, whose logits are not those of rate 1."""
    task = gj.Addition(num_digits=2, base=3, **options)
    config, recipe, hyper = gj.presets.nanda_addition(task, d_model=8, num_heads=2)
    return gj.Run.init(task, config, recipe, hyper.replace(attention_rate=0.6))


@pytest.mark.parametrize(
    "options", [{}, dict(mode="single", digit=1), dict(mode="parallel"), dict(order="lsb", relabel=1)]
)
def test_tables_are_means_over_the_other_digits_and_are_read_where_the_column_is_answered(
    options, monkeypatch
):
    monkeypatch.setattr(digit_pair, "TOGETHER", 25)  # 81 problems: the last part is filled up
    run = made_run(**options)
    task, every = run.task, evaluation_sets.every(run.task)
    found = digit_pair.tables(run, every)
    post = np.asarray(run.cache(every.tokens)["blocks.0.mlp.post"])
    for place, digit in enumerate(digit_pair.answered(task)):
        at = (
            dict(zip(task.columns, task.read, strict=True))[digit]
            if task.mode == "sequence"
            else task.read[0]
        )
        rows = (every.a[:, digit] == 2) & (every.b[:, digit] == 1)
        np.testing.assert_allclose(found.means[place, 2, 1], post[rows, at].mean(0), atol=1e-5)
        np.testing.assert_allclose(found.variance[place], post[:, at].var(0), atol=1e-5)


@pytest.mark.parametrize("options", [{}, dict(mode="single", digit=1), dict(order="lsb", relabel=1)])
def test_the_loss_without_a_change_is_the_run_s_and_with_one_that_of_the_edit(options, monkeypatch):
    monkeypatch.setattr(digit_pair, "TOGETHER", 25)
    run = made_run(**options)
    task = run.task
    every, digit, place = evaluation_sets.every(task), 1, task.columns.index(0 if options.get("digit") else 1)
    labels = task.encode(every.a, every.b).labels
    batch = gj.tasks.Batch(every.tokens, labels)
    with_change = functools.partial(digit_pair.loss_with, run, every, digit=digit)
    nothing = with_change(jnp.zeros((3, 3, 32)))
    assert nothing == pytest.approx(float(run.scores(batch).loss[:, place].mean()), rel=1e-5)
    change = random.normal(random.key(1), (3, 3, 32))
    at = task.read[place]
    edit = {"blocks.0.mlp.post": lambda x: x.at[:, at].add(change[every.a[:, digit], every.b[:, digit]])}
    edited = run.scores(batch, edit).loss[:, place].mean()
    assert with_change(change) == pytest.approx(float(edited), rel=1e-5)
    assert abs(with_change(change) - nothing) > 1e-3


def test_a_digit_without_a_pair_is_refused():
    run = made_run(mode="single", digit=2)
    with pytest.raises(ValueError, match="the leading digit has none"):
        digit_pair.tables(run, evaluation_sets.every(run.task))
    with pytest.raises(ValueError, match="digit=2 has no digit pair"):
        digit_pair.loss_with(run, evaluation_sets.every(run.task), jnp.zeros((3, 3, 32)), digit=2)


def test_balanced_problems_have_every_pair_equally_often_in_every_column():
    task = gj.Addition(num_digits=3, base=4)
    found = evaluation_sets.balanced(task, 5, seed=1)
    for column in range(3):
        assert (np.bincount(found.a[:, column] * 4 + found.b[:, column]) == 5).all()
    assert abs(
        np.corrcoef(found.a[:, 0], found.b[:, 2])[0, 1]
    ) < 0.35 and found.weights.sum() == pytest.approx(1)
    assert not jax.tree.leaves(digit_pair.answered(gj.Addition(num_digits=2, mode="single", digit=2)))
