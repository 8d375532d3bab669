"""Label noise: a share of a run's training labels is wrong, the same ones at every step; all else is true."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import grokjax as gj
from grokjax import tasks
from grokjax.training import data
from grokjax.trees import pick

TASK = gj.ModularArithmetic(modulus=7)


def hypers(**lists):
    return gj.grid(gj.presets.nanda(TASK)[2].replace(train_fraction=0.8), **lists)


@pytest.fixture(scope="module")
def epochs():
    """Seeds 0 and 1, each without noise and with a quarter of the labels wrong."""
    config, recipe, _ = gj.presets.nanda(TASK, d_model=8, num_heads=2)
    given = hypers(seed=[0, 1], label_noise=[0.0, 0.25])
    return list(gj.train(TASK, config, recipe, given, steps=4, epoch_steps=4, devices=jax.devices()[:1]))


def trained(hyper, task=TASK):
    """The true training rows of a run, and those that it is trained on."""
    (split,) = data.splits(task, jax.tree.map(lambda x: np.atleast_1d(x), hyper))
    rows = data.rows_of(data.table_of(task), split.train)
    return rows, data.as_trained(task, hyper, rows)


def test_the_share_is_that_of_wrong_labels_and_they_are_symbols():
    for share, wrong in ((0.0, 0), (0.25, 10), (1.0, 39)):
        true, noisy = trained(gj.Hyper(seed=3, train_fraction=0.8, label_noise=share))
        assert int((true.labels != noisy.labels).sum()) == wrong
        assert int(noisy.labels.min()) >= 0 and int(noisy.labels.max()) < 7, "the `=` is no answer"
        chex.assert_trees_all_equal(true.tokens, noisy.tokens)


def test_the_noise_belongs_to_the_split():
    labels = lambda **fields: trained(gj.Hyper(train_fraction=0.8, label_noise=0.25, **fields))[1].labels
    assert (labels(seed=1, split_seed=5) == labels(seed=2, split_seed=5)).all()
    assert (labels(seed=5) == labels(seed=2, split_seed=5)).all()
    assert (labels(seed=1) != labels(seed=2)).any()


def test_what_is_trained_on_is_noisy_and_what_is_tested_is_true(epochs):
    first, last = epochs
    for i, run in enumerate(first.runs):
        true, noisy = trained(run.hyper)
        test = data.rows_of(data.table_of(TASK), data.splits(TASK, first.hypers)[i].test)
        np.testing.assert_allclose(last.metrics["loss"][i, 0, 0], run.loss(noisy), rtol=1e-5)
        np.testing.assert_allclose(first.metrics["test_loss"][i, 0, 0], run.loss(test), rtol=1e-5)
        assert bool(run.loss(true) == run.loss(noisy)) == (i % 2 == 0)


def test_a_run_without_noise_has_the_bits_that_it_has_without_noisy_neighbours(epochs):
    config, recipe, _ = gj.presets.nanda(TASK, d_model=8, num_heads=2)
    given = hypers(seed=[0, 1])
    *_, alone = gj.train(TASK, config, recipe, given, steps=4, epoch_steps=4, devices=jax.devices()[:1])
    chex.assert_trees_all_equal(pick(alone.state, 1), pick(epochs[-1].state, 2))
    assert not bool((alone.state.params["W_U"][0] == epochs[-1].state.params["W_U"][1]).all())


@pytest.mark.parametrize(
    ("task", "symbols"),
    [
        (gj.GroupComposition("S3"), 6),
        (gj.Addition(num_digits=2, base=5, num_examples=20, outputs="tokens"), 5),
        (gj.Addition(num_digits=2, base=5, num_examples=20, mode="parallel"), 5),
        (tasks.SkipTrigram(num_examples=20), tasks.SkipTrigram().num_outputs),
    ],
)
def test_every_finite_task_has_its_symbols(task, symbols):
    assert tasks.num_labels(task) == symbols
    true, noisy = trained(gj.Hyper(label_noise=0.5), task)
    wrong = np.asarray((true.labels != noisy.labels).any(1))
    assert wrong.sum() == round(0.5 * len(wrong)) and int(jnp.max(noisy.labels)) < symbols
