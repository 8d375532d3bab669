"""The four parts of the tens' loss, on planted probabilities."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from experiments.plateaus import tens_parts
from experiments.plateaus.tens_level import EXACT
from grokjax import tasks
from grokjax.interp.addition import carry_free, evaluation_sets

TASK = tasks.Addition(num_digits=2, base=10, mode="single", digit=1)
EVERY = evaluation_sets.every(TASK)
CARRY = np.asarray(EVERY.a[:, 0] + EVERY.b[:, 0] >= 10)


def planted(mass, odds, problems=EVERY):
    own = carry_free.digits(problems, 10, 0)[:, 1]
    column = (jnp.arange(10) - own[:, None]) % 10
    one = jax.nn.sigmoid(jnp.broadcast_to(odds, own.shape))[:, None]
    return jnp.log(
        jnp.where(column == 0, mass * (1 - one), jnp.where(column == 1, mass * one, (1 - mass) / 8))
    )


def test_the_four_add_up_to_the_excess_exactly():
    found = tens_parts.split(
        jax.nn.log_softmax(2 * random.normal(random.key(0), (len(EVERY.a), 10))), EVERY, 1
    )
    np.testing.assert_allclose(
        found.leak + found.miscalibration + found.spread - found.gain, found.loss - EXACT, atol=2e-6
    )
    assert min(found.leak, found.miscalibration, found.spread) > 0


def test_each_planted_cause_is_its_own_part_alone():
    flat, noise = np.log(0.45 / 0.55), np.where(np.arange(len(CARRY)) % 3, 0.5, -1.0)
    leaking = tens_parts.split(planted(0.9, flat), EVERY, 1)
    np.testing.assert_allclose(leaking[2:], [-np.log(0.9), 0, 0, 0], atol=3e-6)
    biased = tens_parts.split(planted(1 - 1e-9, flat + 1), EVERY, 1)
    np.testing.assert_allclose([biased.leak, biased.spread, biased.gain], 0, atol=3e-6)
    assert biased.miscalibration > 0.1
    wavering = tens_parts.split(planted(1 - 1e-9, flat + random.permutation(random.key(1), noise)), EVERY, 1)
    assert wavering.spread > 0.05 and abs(wavering.gain) < 0.02 and wavering.miscalibration < 0.005
    knowing = tens_parts.split(planted(1 - 1e-9, np.where(CARRY, 6.0, -6.0)), EVERY, 1)
    np.testing.assert_allclose(knowing.gain, 0.45 * 0.55 * 12, rtol=1e-4)
    assert knowing.excess < -0.68


def test_knowledge_is_mass_and_the_order_of_the_odds():
    fixed = evaluation_sets.strata(TASK, 1, 50)
    blind = tens_parts.knowledge(planted(0.8, 0.0, fixed), fixed, 1)
    np.testing.assert_allclose([blind["mass"], blind["auc"]], [0.8, 0.5], atol=1e-5)
    knows = tens_parts.knowledge(planted(0.95, np.repeat([-1.0, 1.0], 50), fixed), fixed, 1)
    np.testing.assert_allclose([knows["mass"], knows["auc"]], [0.95, 1.0], atol=1e-5)
