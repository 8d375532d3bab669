"""Learning coefficients of runs: a small trained model, its samplers, parts, Hessian, and many at once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax import objective
from grokjax.interp.bayes import hessian, influence, langevin, llc, masks

TASK = gj.ModularAddition(modulus=5)
BATCH = jax.tree.map(jnp.asarray, TASK.table())
SMALL = dict(num_chains=3, num_draws=10, num_burn_in=4, epsilon=1e-4, gamma=10.0)


@functools.cache
def trained():
    """A model of 5 + 5 digits, width 4, after 4000 steps of gradient descent on the whole table."""
    config, recipe, hyper = gj.presets.pizza(TASK, d_model=4, num_heads=2, d_mlp=8)
    run = gj.Run.init(TASK, config, recipe, hyper.replace(seed=3))
    loss = llc.loss_of(run, weight_decay=3e-3)

    @jax.jit
    def descend(params):
        def step(carry, _):
            params, speed = carry
            gradient = jax.grad(loss)(params, BATCH)
            speed = jax.tree.map(lambda v, g: 0.9 * v + g, speed, gradient)
            return (jax.tree.map(lambda w, v: w - 0.02 * v, params, speed), speed), None

        return jax.lax.scan(step, (params, jax.tree.map(jnp.zeros_like, params)), None, 4000)[0][0]

    return run.replace(params=descend(run.params))


@functools.cache
def stack():
    config, recipe, hyper = gj.presets.pizza(TASK, d_model=4, num_heads=2, d_mlp=8)
    return gj.Run.init(TASK, config, recipe, gj.grid(hyper, seed=range(3), attention_rate=[0.0]))


def of(run=None, **options):
    """The estimate of the trained run with its decay, in one program."""
    run = trained() if run is None else run
    make = lambda run: llc.of(run, BATCH, key=random.key(0), **{"weight_decay": 3e-3, **options})
    return jax.tree.map(np.asarray, jax.jit(make)(run))


def test_sgld_agrees_with_mala_and_with_the_spectrum():
    options = dict(gamma=100.0, nbeta=25.0, num_chains=16, chains_at_once=16)
    sgld = of(epsilon=2e-3, num_draws=300, num_burn_in=100, **options)
    mala = of(epsilon=4e-3, num_draws=300, num_burn_in=100, sampler=langevin.mala, **options)
    both = np.hypot(sgld.standard_error, mala.standard_error)
    assert abs(sgld.mean - mala.mean) < 2 * both + 0.06 * mala.mean
    assert both < 0.06 * mala.mean and max(sgld.r_hat, mala.r_hat) < 1.1
    assert 0.5 < mala.acceptance.mean() < 0.999 and sgld.masked == mala.masked == 0
    spectrum = hessian.of(trained(), BATCH, weight_decay=3e-3)
    quadratic = hessian.gaussian(spectrum, nbeta=25.0, gamma=100.0)
    assert mala.mean == pytest.approx(float(quadratic.value), rel=0.25)


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
        float(llc.loss_of(trained(), weight_decay=3e-3)(trained().params, BATCH))
    )
    assert "3 of 3 chains" in repr(found) and "γ 10" in repr(found)
    assert of(nbeta=3.0, **SMALL).nbeta == 3 and of(num_examples=100, **SMALL).num_examples == 100


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
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts.values())
    options = dict(gamma=100.0, nbeta=25.0, epsilon=3e-3, num_draws=300, num_burn_in=100, weight_decay=3e-3)
    each = jax.jit(
        lambda masks: jax.lax.map(
            lambda mask: llc.of(
                trained(), BATCH, key=random.key(1), mask=mask, num_chains=8, chains_at_once=8, **options
            ),
            masks,
        )
    )(stacked)
    exact = [
        hessian.gaussian(
            hessian.of(trained(), BATCH, weight_decay=3e-3, mask=mask), nbeta=25.0, gamma=100.0, epsilon=3e-3
        ).value
        for mask in parts.values()
    ]
    np.testing.assert_allclose(each.mean, exact, rtol=0.3, atol=0.03)
    assert np.argmax(each.mean) == np.argmax(exact)


def test_lanczos_on_a_model_gives_what_the_dense_spectrum_gives():
    dense = hessian.gaussian(hessian.of(trained(), BATCH), nbeta=25.0, gamma=10.0)
    few = hessian.gaussian(
        hessian.of_large(trained(), BATCH, key=random.key(0), num_steps=30, num_probes=12),
        nbeta=25.0,
        gamma=10.0,
    )
    assert abs(few.curvature - dense.curvature) < 3 * few.standard_error < 0.3 * dense.curvature
    assert few.slope == pytest.approx(float(dense.slope), rel=1e-2)
    assert dense.slope < 0, "after training with decay w* is no minimum of the bare loss"


def test_the_balancing_decay_is_the_decay_that_it_was_trained_with():
    assert llc.balancing_decay(trained(), BATCH) == pytest.approx(3e-3, rel=2e-2)


def test_runs_are_lifted_and_differ_by_their_seeds_alone():
    make = functools.partial(llc.of, batch=BATCH, key=random.key(0), **SMALL)
    found = gj.map_runs(make)(stack())
    assert found.trace.shape == (3, 3, 10) and found.mean.shape == (3,)
    alone = jax.jit(make)(stack()[1])
    np.testing.assert_allclose(found.trace[1], alone.trace, rtol=1e-5)
    together = jax.jit(jax.vmap(make))(stack())
    np.testing.assert_allclose(together.trace, found.trace, rtol=1e-4)
    for function in (
        functools.partial(hessian.of, batch=BATCH),
        functools.partial(llc.balancing_decay, batch=BATCH),
    ):
        np.testing.assert_allclose(
            jax.tree.leaves(gj.map_runs(function)(stack()))[0][2],
            jax.tree.leaves(function(stack()[2]))[0],
            rtol=1e-3,
            atol=1e-5,
        )
