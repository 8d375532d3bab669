"""The ways in which a sequence can begin: counted without overflow, however long it is."""

import jax
import numpy as np

import grokjax as gj
from grokjax import objective
from grokjax.model.fast import states


def test_beginnings_are_counted_where_integers_would_overflow():
    # 128^10 is 0 in 64 bits: all positions would count as beginnings that a batch repeats
    task = gj.tasks.Induction(vocabulary=128, length=85, batch_size=4)
    config = gj.ModelConfig.of(task, num_layers=2, d_model=8, num_heads=2)
    tokens = task.batch(jax.random.key(0)).tokens
    every, index = states.beginnings(config, tokens, states.possible_tokens(config, task, tokens.shape[1]))
    assert every.shape[1] <= 1
    assert np.all(np.asarray(index) < max(len(every), 1))


def test_two_layers_on_a_long_sequence_have_the_loss_of_the_plain_program():
    task = gj.tasks.Induction(vocabulary=128, length=25, piece_length=6, batch_size=4)
    config = gj.ModelConfig.of(task, num_layers=2, d_model=8, num_heads=2)
    run = gj.Run.init(task, config, gj.Recipe(), gj.Hyper())
    batch = task.batch(jax.random.key(1))
    mean, _ = jax.jit(lambda params: objective.mean_loss(config, task, run.recipe, params, run.hyper, batch))(
        run.params
    )
    np.testing.assert_allclose(mean, run.loss(batch).mean(), rtol=1e-6)
