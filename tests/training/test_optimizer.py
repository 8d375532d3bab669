"""The learning rate of a step, and the optimisers against plain formulas."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokjax as gj
from grokjax.training.optimizer import is_frozen, learning_rate, optimizer, updated


def test_warm_up_starts_at_zero_and_reaches_the_rate():
    hyper = gj.Hyper(learning_rate=2.0, warmup_steps=10.0)
    rates = [float(learning_rate(gj.Recipe(), hyper, step)) for step in (0, 5, 10, 1000)]
    assert rates == [0.0, 1.0, 2.0, 2.0]
    assert float(learning_rate(gj.Recipe(), hyper.replace(warmup_steps=0.0), 0)) == 2.0


def test_cosine_ends_at_zero():
    hyper = gj.Hyper(learning_rate=2.0, warmup_steps=10.0, decay_steps=110.0)
    rates = [
        float(learning_rate(gj.Recipe(schedule="cosine"), hyper, step)) for step in (0, 10, 60, 110, 500)
    ]
    np.testing.assert_allclose(rates, [0, 2, 1, 0, 0], atol=1e-6)


def test_adamw_decays_every_parameter_apart_from_the_gradient():
    hyper = gj.Hyper(learning_rate=0.1, weight_decay=0.5, warmup_steps=0.0, eps=0.0)
    transform = optimizer(gj.Recipe(), hyper)
    params = dict(W=jnp.array([2.0, -4.0]), b=jnp.array(1.0))
    updates, _ = transform.update(
        dict(W=jnp.array([3.0, -1e-3]), b=jnp.array(7.0)), transform.init(params), params
    )
    np.testing.assert_allclose(updates["W"], [-0.1 * (1 + 1.0), -0.1 * (-1 - 2.0)], rtol=1e-5)
    np.testing.assert_allclose(updates["b"], -0.1 * 1.5, rtol=1e-5)


def test_adamw_is_that_of_optax_and_keeps_everything_where_a_run_does_not_go_on():
    recipe, hyper = (
        gj.Recipe(schedule="cosine"),
        gj.Hyper(learning_rate=0.01, weight_decay=0.5, warmup_steps=3.0, decay_steps=30.0),
    )
    transform, draw = optimizer(recipe, hyper), lambda i: jax.random.normal(jax.random.key(i), (3, 4))
    params = theirs = dict(W=draw(100), b=draw(101)[0])
    moments = their_moments = transform.init(params)
    for i in range(12):
        gradient = dict(W=draw(2 * i) * 10.0 ** (i - 9), b=draw(2 * i + 1)[0])
        change, their_moments = transform.update(gradient, their_moments, theirs)
        theirs = optax.apply_updates(theirs, change)
        params, moments = updated(recipe, hyper, gradient, params, moments, jnp.bool_(True))
        chex.assert_trees_all_close((params, moments), (theirs, their_moments), rtol=3e-6, atol=1e-8)
    nan = jax.tree.map(lambda x: x * jnp.nan, params)
    chex.assert_trees_all_equal(
        updated(recipe, hyper, nan, params, moments, jnp.bool_(False)), (params, moments)
    )


@pytest.mark.parametrize("name", ("adamw", "adam", "sgd"))
def test_hypers_are_data(name):
    def updated(rate, decay):
        transform = optimizer(
            gj.Recipe(optimizer=name),
            gj.Hyper(learning_rate=rate, weight_decay=decay, warmup_steps=0.0, momentum=0.9),
        )
        return transform.update(jnp.ones(3), transform.init(jnp.ones(3)), jnp.ones(3))[0]

    swept = jax.vmap(updated)(jnp.array([0.1, 0.2]), jnp.array([0.0, 0.3]))
    np.testing.assert_allclose(swept[1], updated(0.2, 0.3), rtol=1e-6)
    assert isinstance(optimizer(gj.Recipe(), gj.Hyper()), optax.GradientTransformation)


def test_frozen_tensors_are_found_in_every_layer():
    tree = dict(W_E=jnp.ones(2), blocks=[dict(W_in=jnp.ones(2), ln1=dict(w=jnp.ones(2)))] * 2)
    held = is_frozen(gj.Hyper(frozen=gj.freeze("W_in", "ln")), tree)
    assert not held["W_E"] and all(jax.tree.leaves(held["blocks"]))
    with pytest.raises(ValueError, match="frozen='W_X' must be one of"):
        gj.freeze("W_X")
