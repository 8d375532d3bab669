"""A planted carry direction: an edit along it turns the answer round where a random one does nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import directions, probes
from grokjax.interp.addition import carry_edits, evaluation_sets, features


@pytest.mark.parametrize("mode", ["sequence", "parallel", "single"])
def test_an_edit_along_the_planted_direction_turns_the_answer_and_one_along_another_does_not(mode):
    """The leading answer is 1 where the stream points along the fourth axis, 0 where it points back."""
    task = gj.Addition(num_digits=1, base=4, mode=mode, digit=1 if mode == "single" else None)
    config = gj.ModelConfig.of(task, d_model=8, num_heads=1)
    problems = evaluation_sets.every(task)
    carry, params, along = features.carry(problems, 4, 1), gj.model.init(config, random.key(0)), jnp.eye(8)[3]
    W_U = jnp.stack([-along, along, 0 * along, 0 * along], 1)
    params["W_U"] = jnp.tile(W_U, (1, config.num_outputs // 4))
    activation = (2.0 * carry - 1)[:, None] * along + 0.2 * random.normal(random.key(4), (len(carry), 8))
    probe = probes.ridge(activation, jax.nn.one_hot(carry, 2), penalty=0.1)
    found = directions.direction(probes.class_means(2, activation, carry))
    assert probes.score(probe, activation, carry).balanced > 0.999 and found @ along > 0.9
    run = gj.Run(task, config, params)
    effect = jax.jit(lambda edited: carry_edits.flips(run, problems, edited, 1, site="blocks.0.resid_post"))
    turned = effect(directions.reflected(probe, found, activation))
    still = effect(activation + 3 * jnp.eye(8)[5])
    np.testing.assert_allclose(turned[:3], [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(still[:3], [0, 1, 0], atol=1e-6)
    assert turned.log_odds > still.log_odds + 3
