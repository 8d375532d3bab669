"""Mean ablation of neurons and heads."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import ablation

TASK = gj.DigitwiseAddition(num_digits=1, base=4, batch_size=32)
CONFIG = gj.ModelConfig(**gj.tasks.shape(TASK), d_model=8, num_heads=2, d_mlp=6)
PARAMS = gj.model.init(CONFIG, random.key(0), gj.Hyper(init_scale=2.0))
BATCH = TASK.batch(random.key(1))


def edited(**weights):
    block = {**PARAMS["blocks"][0], **{name: edit(PARAMS["blocks"][0][name]) for name, edit in weights.items()}}
    return {**PARAMS, "blocks": [block]}


def test_a_unit_that_is_read_nowhere_can_go():
    damage = ablation.neurons(CONFIG, TASK, edited(W_out=lambda w: w.at[2].set(0)), BATCH)
    assert damage.shape == (6, 32, 1)
    np.testing.assert_allclose(damage[2], 0, atol=1e-6)
    assert (np.abs(damage).max((1, 2)) > 1e-4).sum() >= 4
    damage = ablation.heads(CONFIG, TASK, edited(W_O=lambda w: w.at[1].set(0)), BATCH)
    assert damage.shape == (2, 32, 1) and np.abs(damage[0]).max() > 1e-3
    np.testing.assert_allclose(damage[1], 0, atol=1e-6)


def test_ablation_of_the_only_head_leaves_its_mean():
    """With the MLP off and one head the logits vary with the head alone, so its ablation makes them those of the mean."""
    config = gj.ModelConfig(**gj.tasks.shape(TASK), d_model=8, num_heads=1, mlp=False)
    params = gj.model.init(config, random.key(3), gj.Hyper())
    logits = gj.objective.logits_of(config, TASK, params, BATCH.tokens)
    against = lambda logits: jax.nn.logsumexp(gj.objective.against(logits, BATCH.labels), -1)
    expected = against(jnp.broadcast_to(logits.mean(0), logits.shape)) - against(logits)
    np.testing.assert_allclose(ablation.heads(config, TASK, params, BATCH)[0], expected, atol=1e-5)


@pytest.mark.parametrize(("damage", "units"), [([.1, 8, 1, .9], [1, 2]), ([-5, 1, 1, 1], [1, 2, 3]), ([0, 0], []), ([-1, -1], [])])
def test_the_units_that_hold_most(damage, units):
    assert ablation.units_for(np.array(damage)).tolist() == units
