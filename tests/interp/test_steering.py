"""Directions added to activations and taken out: a planted one moves the answer as far as it should."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import hand_wired, steering

TASK = gj.Addition(num_digits=1, batch_size=40)
ADDER = hand_wired.adder(TASK)
TOKENS = TASK.batch(random.key(0)).tokens
POST = "blocks.0.resid_post"


@pytest.mark.parametrize("steps", [1, 2])
def test_the_adder_is_steered_along_its_answer(steps):
    """Its stream holds the answer on one axis: a step along it is the next digit."""
    run = hand_wired.widened(ADDER, random.key(1), 12)
    # 1 on the axis of the answer: what a step of the answer, a pair of neurons, writes
    direction = run.params["blocks"][0]["W_out"][0]
    before = run.logits(TOKENS).argmax(-1)
    after = run.logits(TOKENS, {POST: steering.added(direction, steps)}).argmax(-1)
    np.testing.assert_array_equal(after, jnp.minimum(before + steps, 9))
    last = run.logits(TOKENS, {POST: steering.added(direction, steps, positions=TASK.read[1:])}).argmax(-1)
    np.testing.assert_array_equal(last, after.at[:, 0].set(before[:, 0]))


def test_the_mean_difference_of_two_sets_is_what_tells_them_apart():
    """Two sets of problems with another first operand differ, at its place, by the digit that it holds."""
    small, large = (TASK.encode(jnp.full((5, 1), a), jnp.arange(5)[:, None]).tokens for a in (1, 4))
    found = steering.mean_difference(ADDER, large, small, "blocks.0.resid_pre")
    expected = np.zeros(9)
    expected[hand_wired.DIGIT] = 3
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    np.testing.assert_allclose(found[1:4], 0, atol=1e-5)
    steered = ADDER.cache(small, {"blocks.0.resid_pre": steering.added(found, positions=[0])})
    np.testing.assert_allclose(
        steered["blocks.0.resid_pre"][:, 0], ADDER.cache(large)["blocks.0.resid_pre"][:, 0], atol=1e-5
    )


def test_what_is_taken_out_is_gone_and_the_rest_stays():
    config = dataclasses.replace(ADDER.config, d_model=16)
    run = gj.Run.init(TASK, config, gj.Recipe(), gj.Hyper())
    direction = random.normal(random.key(2), (16,))
    cache = run.cache(TOKENS, {POST: steering.removed(direction, positions=[1, 3])})
    change = cache[POST] - run.cache(TOKENS)[POST]
    np.testing.assert_allclose(cache[POST][:, [1, 3]] @ direction, 0, atol=1e-4)
    assert not change[:, [0, 2]].any()
    unit = direction / jnp.linalg.norm(direction)
    np.testing.assert_allclose(change, (change @ unit)[..., None] * unit, atol=1e-5)
