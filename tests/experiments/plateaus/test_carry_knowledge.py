"""What is known of the digit pair and of the carry, on planted probabilities."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.plateaus import carry_knowledge
from grokjax import tasks
from grokjax.interp.addition import carry_free, evaluation_sets

TASK = tasks.Addition(num_digits=2, base=10, mode="single", digit=1)
FIXED = evaluation_sets.strata(TASK, 1, 50)


def planted(mass, odds):
    own = carry_free.digits(FIXED, 10, 0)[:, 1]
    column = (jnp.arange(10) - own[:, None]) % 10
    one = jax.nn.sigmoid(jnp.broadcast_to(odds, own.shape))[:, None]
    return jnp.log(
        jnp.where(column == 0, mass * (1 - one), jnp.where(column == 1, mass * one, (1 - mass) / 8))
    )


def test_knowledge_is_mass_and_the_order_of_the_odds():
    blind = carry_knowledge.knowledge(planted(0.8, 0.0), FIXED, 1)
    np.testing.assert_allclose([blind["mass"], blind["auc"]], [0.8, 0.5], atol=1e-5)
    knows = carry_knowledge.knowledge(planted(0.95, np.repeat([-1.0, 1.0], 50)), FIXED, 1)
    np.testing.assert_allclose([knows["mass"], knows["auc"]], [0.95, 1.0], atol=1e-5)
