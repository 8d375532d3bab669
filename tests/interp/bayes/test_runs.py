"""Learning coefficients of runs: a small trained model, its samplers, parts, Hessian, and many at once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import random

import grokjax as gj
from grokjax import objective
from grokjax.interp.bayes import hessian, influence, langevin, llc, masks

TASK = gj.ModularArithmetic(modulus=5)
BATCH = jax.tree.map(jnp.asarray, TASK.table())
DECAY = 3e-3
SMALL = dict(num_chains=3, num_draws=10, num_burn_in=4, epsilon=1e-4, gamma=10.0)


@functools.cache
def trained():
    """A model of 5 + 5 digits, width 4, trained with plain decay on the whole table until its loss is .01."""
    config, recipe, hyper = gj.presets.pizza(TASK, d_model=4, num_heads=2, d_mlp=8)
    run = gj.Run.init(TASK, config, recipe, hyper.replace(seed=3))
    loss, adam = llc.loss_of(run, weight_decay=DECAY), optax.adam(optax.cosine_decay_schedule(0.03, 1500))

    @jax.jit
    def descended(params):
        def step(carry, _):
            params, moments = carry
            change, moments = adam.update(jax.grad(loss)(params, BATCH), moments)
            return (optax.apply_updates(params, change), moments), None

        return jax.lax.scan(step, (params, adam.init(params)), None, 1500)[0][0]

    return run.replace(params=descended(run.params))


@functools.cache
def stack():
    config, recipe, hyper = gj.presets.pizza(TASK, d_model=4, num_heads=2, d_mlp=8)
    return gj.Run.init(TASK, config, recipe, gj.grid(hyper, seed=range(3), attention_rate=[0.0]))


@functools.cache
def of(**options):
    """The estimate of the trained run with its decay, in one program."""
    make = lambda run: llc.of(run, BATCH, key=random.key(0), **{"weight_decay": DECAY, **options})
    return jax.tree.map(np.asarray, jax.jit(make)(trained()))


POSTERIOR = dict(gamma=1000.0, nbeta=100.0, num_chains=16, chains_at_once=16, num_burn_in=150)


def test_sgld_agrees_with_mala_and_with_the_spectrum():
    sgld = of(epsilon=5e-5, num_draws=200, **POSTERIOR)
    mala = of(epsilon=2e-4, num_draws=200, sampler=langevin.mala, **POSTERIOR)
    both = np.hypot(sgld.standard_error, mala.standard_error)
    assert abs(sgld.mean - mala.mean) < 2 * both < 0.15 * mala.mean
    assert max(sgld.r_hat, mala.r_hat) < 1.1 and sgld.masked == mala.masked == 0
    assert 0.3 < mala.acceptance.mean() < 0.99
    quadratic = hessian.gaussian(spectrum(), nbeta=100.0, gamma=1000.0)
    assert mala.mean == pytest.approx(float(quadratic.value), rel=0.3)


@functools.cache
def spectrum(part=None):
    mask = masks.components(trained().params)[part] if part else None
    return jax.jit(lambda run: hessian.of(run, BATCH, weight_decay=DECAY, mask=mask))(trained())


def test_the_loss_is_the_runs_and_its_gradient_that_of_the_plain_program():
    run = trained()
    assert objective.mean_loss(run.config, TASK, run.recipe, run.params, run.hyper, BATCH)[
        0
    ] == pytest.approx(float(run.loss(BATCH)), rel=1e-5)
    fast = jax.grad(llc.loss_of(run, weight_decay=0.1))(run.params, BATCH)
    plain = jax.grad(hessian.plain_loss(run, BATCH, 0.1))(run.params)
    for a, b in zip(*map(jax.tree.leaves, (fast, plain)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_what_it_says_of_itself():
    found = of(**SMALL)
    assert found.num_examples == 25 and found.nbeta == pytest.approx(25 / np.log(25))
    assert found.num_burn_in == 4 and found.draw_every == 1 and found.gamma == 10
    assert found.baseline == pytest.approx(
        float(llc.loss_of(trained(), weight_decay=DECAY)(trained().params, BATCH))
    )
    assert "3 of 3 chains" in repr(found) and "γ 10" in repr(found)
    assert of(epsilon=5e-5, num_draws=200, **POSTERIOR).nbeta == 100


def test_batches_are_parts_of_the_data_of_the_size_asked_for():
    few = of(batch_size=5, **SMALL)
    assert few.baseline == of(**SMALL).baseline and len(np.unique(few.trace)) == few.trace.size
    whole = of(batch_size=5, loss_batch_size=25, **{**SMALL, "epsilon": 1e-12})
    np.testing.assert_allclose(whole.trace, whole.baseline, rtol=1e-4)
    with pytest.raises(ValueError, match="a batch of 26 examples must be of 1 to 25"):
        of(batch_size=26, **SMALL)
    with pytest.raises(ValueError, match="loss_batch_size must be 25"):
        of(batch_size=5, loss_batch_size=5, per_example=True, **SMALL)


def test_per_example_losses_have_the_mean_of_the_trace():
    found = of(weight_decay=None, per_example=True, **SMALL)
    assert found.aux.shape == (3, 10, 25)
    np.testing.assert_allclose(found.aux.mean(-1), found.trace, rtol=1e-5)
    estimate = jax.tree.map(jnp.asarray, found)
    assert influence.bayesian_influence(estimate).shape == (25, 25)
    np.testing.assert_allclose(influence.susceptibility(estimate, jnp.full(25, 1 / 25)), 0, atol=1e-7)


def test_every_part_of_a_model_has_its_own_coefficient_in_one_program():
    parts = masks.components(trained().params)
    assert list(parts) == ["W_E", "W_pos", "blocks.0.head.0", "blocks.0.head.1", "blocks.0.mlp", "W_U"]
    chosen = ["blocks.0.head.1", "blocks.0.mlp"]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[parts[part] for part in chosen])
    options = dict(epsilon=1e-4, num_draws=200, weight_decay=DECAY, **POSTERIOR)
    make = lambda mask: llc.of(trained(), BATCH, key=random.key(1), mask=mask, **options)
    each = jax.jit(lambda masks: jax.lax.map(make, masks))(stacked)
    for mean, error, part in zip(each.mean, each.standard_error, chosen, strict=True):
        exact = hessian.gaussian(spectrum(part), nbeta=100.0, gamma=1000.0, epsilon=1e-4).value
        assert abs(mean - exact) < 3 * error + 0.2 * exact


def test_lanczos_on_a_model_gives_what_the_dense_spectrum_gives():
    dense = hessian.gaussian(spectrum(), nbeta=25.0, gamma=10.0)
    make = functools.partial(hessian.of_large, num_steps=30, num_probes=12, weight_decay=DECAY)
    found = jax.jit(lambda run, key: make(run, BATCH, key=key))(trained(), random.key(0))
    few = hessian.gaussian(found, nbeta=25.0, gamma=10.0)
    assert abs(few.curvature - dense.curvature) < 3 * few.standard_error < 0.3 * dense.curvature
    assert few.slope == pytest.approx(float(dense.slope), rel=1e-2, abs=1e-3)


def test_after_training_with_decay_the_bare_loss_has_a_slope_that_makes_the_estimate_smaller():
    bare = jax.jit(lambda run: hessian.of(run, BATCH))(trained())
    found = hessian.gaussian(bare, nbeta=100.0, gamma=1000.0)
    decayed = hessian.gaussian(spectrum(), nbeta=100.0, gamma=1000.0)
    assert found.slope < 10 * decayed.slope < 0


def test_the_balancing_decay_is_the_decay_that_it_was_trained_with():
    assert llc.balancing_decay(trained(), BATCH) == pytest.approx(DECAY, rel=0.1)


def test_runs_are_lifted_and_differ_by_their_seeds_alone():
    make = functools.partial(llc.of, batch=BATCH, key=random.key(0), **SMALL)
    found = gj.map_runs(make)(stack())
    assert found.trace.shape == (3, 3, 10) and found.mean.shape == (3,)
    alone = jax.jit(make)(stack()[1])
    np.testing.assert_allclose(found.trace[1], alone.trace, rtol=1e-5)
    together = jax.jit(jax.vmap(make))(stack())
    np.testing.assert_allclose(together.trace, found.trace, rtol=1e-4)
    decays = gj.map_runs(functools.partial(llc.balancing_decay, batch=BATCH))(stack())
    np.testing.assert_allclose(decays[2], llc.balancing_decay(stack()[2], BATCH), rtol=1e-3)
