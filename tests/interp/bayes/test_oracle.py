"""The reference sampler against an independent one: blackjax on the same posterior of a small trained model.

Short chains do not tell: after 100 steps of burn-in, 1000 of blackjax's HMC were still 3 standard errors low.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random
from test_runs import BATCH, DECAY, POSTERIOR, of, trained

import grokjax as gj
from grokjax.interp.bayes import langevin, llc


def test_mala_agrees_with_blackjax():
    blackjax = pytest.importorskip("blackjax", reason="the extra `peers` is not installed")
    run, nbeta, gamma = trained(), POSTERIOR["nbeta"], POSTERIOR["gamma"]
    loss = functools.partial(llc.loss_of(run, weight_decay=DECAY), batch=BATCH)

    def log_density(params):
        away = jax.tree.map(lambda w, anchor: jnp.sum((w - anchor) ** 2), params, run.params)
        return -nbeta * loss(params) - gamma / 2 * sum(jax.tree.leaves(away))

    # a move of blackjax's MALA is √(2 step size) of noise, so ε = 2e-4 is 1e-4 there
    sampler = blackjax.mala(log_density, 1e-4)

    def chain(key):
        def step(state, key):
            state, _ = sampler.step(key, state)
            return state, loss(state.position)

        return jax.lax.scan(step, sampler.init(run.params), random.split(key, 5000))[1][1000:].mean()

    found = nbeta * (jax.jit(jax.vmap(chain))(random.split(random.key(10), 16)) - loss(run.params))
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    ours = of(epsilon=2e-4, num_draws=4000, sampler=langevin.mala, **POSTERIOR | {"num_burn_in": 1000})
    assert abs(ours.mean - found.mean()) < 2 * np.hypot(error, ours.standard_error)
    assert np.hypot(error, ours.standard_error) < 0.02 * ours.mean
    assert gj.trees.num_parameters(run.params) == 200
