"""Answers that read only some places, against inputs that differ only there."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax import objective
from grokjax.interp import attention, hand_wired, reading

TASK = gj.Addition(num_digits=2, batch_size=200)
OWN, OTHERS = (TASK.batch(random.key(k)).tokens for k in (0, 1))
ALL = jnp.ones((3, 8), bool)


def logits(config, params, kept, own_token, others=OTHERS):
    return jax.jit(functools.partial(reading.logits, config, TASK))(params, OWN, others, kept, own_token)


@pytest.mark.parametrize("mlp", [True, False])
def test_all_places_give_the_run_itself(mlp):
    config = gj.ModelConfig(**gj.tasks.shape(TASK), d_model=8, num_heads=2, mlp=mlp)
    params = gj.model.init(config, random.key(0))
    whole = objective.logits_of(config, TASK, params, OWN)
    np.testing.assert_allclose(logits(config, params, ALL, jnp.ones(3, bool)), whole, atol=1e-5)
    np.testing.assert_allclose(logits(config, params, ~ALL, jnp.zeros(3, bool), OWN), whole, atol=1e-5)
    assert (
        jnp.abs(logits(config, params, ALL, jnp.zeros(3, bool)) - whole)[:, 1:].max() > 1e-3
    )  # the digit before is another one
    if not mlp:
        uniform = dataclasses.replace(
            config, attention="uniform"
        )  # the pattern does not know the tokens: values are all there is
        found = logits(uniform, params, ~ALL, jnp.zeros(3, bool))
        np.testing.assert_allclose(found, objective.logits_of(uniform, TASK, params, OTHERS), atol=1e-5)


def test_the_compiled_adder_needs_what_it_is_made_of():
    """It reads operands and visible digits, not `+`, and not the token at its own place other than through
    attention.
    """
    config, params = hand_wired.adder(TASK)
    labels = TASK.batch(random.key(0)).labels
    right = lambda kept: (logits(config, params, kept, jnp.zeros(3, bool)).argmax(-1) == labels).mean(0)
    places = jnp.asarray(attention.places(TASK))
    assert (right(places != attention.PLACES.index("own pair"))[1:] < 0.3).all()
    assert (right(ALL.at[:, 2].set(False)) == 1).all()
    assert (right(ALL.at[:, 6:].set(False))[1:] < 0.6).all()


def test_deeper_models_are_refused():
    with pytest.raises(ValueError, match="num_layers=2"):
        reading.logits(gj.ModelConfig(num_layers=2), TASK, {}, OWN, OTHERS, ALL, ALL[:, 0])
