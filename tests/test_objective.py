"""What a run is scored by: cross-entropy to its last digit, and the way from logits to answers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokjax import objective, tasks
from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.model import init, transformer

TASK = tasks.Addition(num_digits=2, batch_size=6)


def exact(logits, label):
    """(nats, gradient) with Python's and numpy's double precision, written for small losses."""
    odds = np.delete(np.asarray(logits, np.float64), label) - float(logits[label])
    largest = odds.max()
    against = largest + np.log(np.exp(odds - largest).sum())
    wrong = 1 / (1 + np.exp(-against))
    gradient = np.insert(np.exp(odds - against) * wrong, label, -wrong)
    return (np.log1p(np.exp(against)) if against < 30 else against), gradient


@pytest.mark.parametrize("gap", (-80.0, -3.0, 0.0, 2.5, 10.0, 20.0, 30.0, 45.0, 80.0))
def test_cross_entropy_and_its_gradient_keep_a_relative_1e_4(gap):
    logits = jax.random.normal(jax.random.key(0), (12,)).at[4].add(gap)
    loss, gradient = jax.value_and_grad(lambda x: objective.cross_entropy(x, jnp.int32(4)))(logits)
    true, true_gradient = exact(np.asarray(logits), 4)
    np.testing.assert_allclose(loss, true, rtol=1e-4)
    np.testing.assert_allclose(gradient, true_gradient, rtol=1e-4, atol=1e-37)


def test_the_usual_formula_would_have_lost_the_small_ones():
    logits = jax.random.normal(jax.random.key(0), (12,)).at[4].add(30.0)
    usual = -jax.nn.log_softmax(logits)[4]
    assert abs(float(usual) / exact(np.asarray(logits), 4)[0] - 1) > 0.1


def test_cross_entropy_is_the_usual_one_where_that_is_accurate():
    logits, labels = (
        jax.random.normal(jax.random.key(0), (5, 3, 12)),
        jax.random.randint(jax.random.key(1), (5, 3), 0, 12),
    )
    usual = -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1)[..., 0]
    np.testing.assert_allclose(objective.cross_entropy(logits, labels), usual, rtol=1e-5)


def test_an_answer_is_correct_only_if_no_other_symbol_is_as_likely():
    logits = jnp.asarray([[1.0, 3.0, 2.0], [3.0, 3.0, 2.0], [4.0, 3.0, 2.0]])
    assert (objective.against(logits, jnp.asarray([1, 1, 1])).max(-1) < 0).tolist() == [True, False, False]


@pytest.mark.parametrize("mode", ("sequence", "parallel", "single"))
def test_every_answer_has_its_own_logits(mode):
    task = dataclasses.replace(TASK, mode=mode, digit=0 if mode == "single" else None)
    config = ModelConfig(**tasks.shape(task), d_model=8, num_heads=2)
    batch, params = task.batch(jax.random.key(0)), init(config, jax.random.key(1))
    logits = objective.logits_of(config, task, params, batch.tokens)
    assert logits.shape == (6, len(task.columns), 10)
    all_logits = transformer.forward(config, params, batch.tokens)
    for i in range(len(task.columns)):
        own = all_logits[:, task.read[i]] if mode == "sequence" else all_logits[:, -1, 10 * i : 10 * i + 10]
        np.testing.assert_allclose(logits[:, i], own, atol=1e-5)


def test_a_loss_of_the_users_own_is_what_is_reported_and_differentiated():
    config = ModelConfig(**tasks.shape(TASK), d_model=8, num_heads=2)
    batch, params = TASK.batch(jax.random.key(0)), init(config, jax.random.key(1))
    squared = lambda logits, labels: jnp.square(logits - jax.nn.one_hot(labels, 10)).sum(-1)
    recipe, hyper = Recipe(loss=squared), Hyper(attention_rate=0.5)
    (mean, scores), gradient = jax.value_and_grad(
        lambda p: objective.mean_loss(config, TASK, recipe, p, hyper, batch), has_aux=True
    )(params)
    logits = objective.logits_of(config, TASK, params, batch.tokens, attention_rate=0.5)
    np.testing.assert_allclose(scores.loss, squared(logits, batch.labels), rtol=1e-4)
    np.testing.assert_allclose(mean, scores.loss.mean(), rtol=1e-6)
    true = jax.grad(
        lambda p: squared(
            objective.logits_of(config, TASK, p, batch.tokens, attention_rate=0.5), batch.labels
        ).mean()
    )(params)
    np.testing.assert_allclose(gradient["W_U"], true["W_U"], atol=1e-5)
