"""The joint law of an answer."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp.addition import answer_distribution

TASK = gj.Addition(num_digits=2, base=3, relabel=1)
CONFIG, RECIPE, HYPER = gj.presets.nanda_addition(TASK, d_model=8, num_heads=2)
RUN = gj.Run.init(TASK, CONFIG, RECIPE, HYPER.replace(attention_rate=0.6))


def test_the_law_of_the_right_answer_is_the_product_of_what_training_scores():
    batch = TASK.batch(random.key(1), 5)
    losses = RUN.scores(batch).loss.sum(1)
    ids = np.argsort(gj.tasks.layout.permutation(TASK))
    for tokens, labels, loss in zip(batch.tokens, np.asarray(batch.labels), losses, strict=True):
        law = answer_distribution.joint(RUN, tokens)
        assert law.shape == (3, 3, 3) and law.sum() == pytest.approx(1, abs=1e-5)
        assert float(-jnp.log(law[tuple(ids[labels])])) == pytest.approx(float(loss), abs=1e-4)


def test_independent_digits_have_no_total_correlation_and_copies_all_of_it():
    rows = jax.nn.softmax(random.normal(random.key(2), (3, 4)))
    product = jnp.einsum("a,b,c->abc", *rows)
    np.testing.assert_allclose(answer_distribution.margins(product), rows, rtol=1e-5)
    assert answer_distribution.total_correlation(product) == pytest.approx(0, abs=1e-5)
    copies = jnp.zeros((4, 4)).at[jnp.arange(4), jnp.arange(4)].set(0.25)
    assert answer_distribution.total_correlation(copies) == pytest.approx(np.log(4), abs=1e-6)
    assert answer_distribution.total_variation(copies, jnp.full((4, 4), 1 / 16)) == pytest.approx(0.75)


def test_modes_without_a_written_answer_are_refused():
    task = gj.Addition(num_digits=1, mode="single", digit=0)
    with pytest.raises(ValueError, match="mode='sequence'"):
        answer_distribution.joint(
            gj.Run.init(task, gj.ModelConfig.of(task), RECIPE, HYPER), jnp.zeros(4, int)
        )
    config = dataclasses.replace(CONFIG, mask="full")
    with pytest.raises(ValueError, match="causal"):
        answer_distribution.joint(RUN.replace(config=config), jnp.zeros(TASK.num_positions, int))
