"""Spectra against matrices that are known, and the learning coefficient of a quadratic against its chain."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

from grokjax.interp.bayes import hessian, langevin, llc, masks

RNG = np.random.default_rng(1)
CURVATURES = np.concatenate([[3.0, 1.0, 0.3], 0.05 * RNG.random(20), np.zeros(9), [-0.01]])
BASIS = np.linalg.qr(RNG.standard_normal((33, 33)))[0]
MATRIX = jnp.asarray((BASIS * CURVATURES) @ BASIS.T, jnp.float32)
SLOPES = 0.02 * RNG.standard_normal(33)
PARAMS = {"a": jnp.asarray(RNG.standard_normal((4, 7)), jnp.float32), "b": jnp.ones(5)}


def quadratic(params):
    away = jnp.concatenate([(params["a"] - PARAMS["a"]).ravel(), params["b"] - PARAMS["b"]])
    return away @ MATRIX @ away / 2 + away @ jnp.asarray(BASIS @ SLOPES, jnp.float32)


def exact(nbeta, gamma):
    a = nbeta * CURVATURES + gamma
    slope = -(nbeta**2 * SLOPES**2 / a * (1 - nbeta * CURVATURES / (2 * a))).sum()
    return (nbeta * CURVATURES / a).sum() / 2, slope


def test_the_dense_spectrum_and_what_it_gives_are_exact():
    spectrum = jax.jit(functools.partial(hessian.dense, quadratic))(PARAMS)
    np.testing.assert_allclose(spectrum.curvatures[0], np.sort(CURVATURES), atol=2e-6)
    assert spectrum.squared_slopes.sum() == pytest.approx((SLOPES**2).sum(), rel=1e-4)
    for nbeta, gamma in ((100, 2.0), (20, 50.0)):
        found, (curvature, slope) = (
            hessian.gaussian(spectrum, nbeta=nbeta, gamma=gamma),
            exact(nbeta, gamma),
        )
        assert found.curvature == pytest.approx(curvature, rel=1e-4)
        assert found.slope == pytest.approx(slope, rel=1e-3)
        assert found.value == pytest.approx(curvature + slope, rel=1e-3, abs=1e-4)
        assert found.standard_error == 0 and found.unstable == 0


def test_lanczos_gives_the_same_from_few_products():
    make = functools.partial(hessian.lanczos, loss=quadratic, params=PARAMS)
    whole = jax.jit(functools.partial(make, num_steps=33, num_probes=40))(random.key(0))
    found, (curvature, slope) = hessian.gaussian(whole, nbeta=100, gamma=2.0), exact(100, 2.0)
    assert abs(found.curvature - curvature) < 3 * found.standard_error < 0.15 * curvature
    assert found.slope == pytest.approx(slope, rel=1e-3)
    short = hessian.gaussian(make(random.key(0), num_steps=10, num_probes=40), nbeta=100, gamma=2.0)
    assert short.curvature == pytest.approx(float(found.curvature), rel=0.01)
    assert whole.weights.sum(1) == pytest.approx(33, rel=1e-4)


def test_lanczos_ends_early_where_the_start_lies_in_few_directions():
    """The gradient along one direction alone, and a loss without any curvature, give finite numbers."""
    bowl = lambda w: w[0] ** 2
    spectrum = hessian.lanczos(random.key(0), bowl, jnp.array([1.0, 0, 0, 0]), num_probes=2)
    assert spectrum.squared_slopes.max() == pytest.approx(4) and (spectrum.squared_slopes > 1e-6).sum() == 1
    found = hessian.gaussian(spectrum, nbeta=3.0, gamma=1.0)
    assert found.curvature == pytest.approx(3 * 2 / 7 / 2, rel=1e-4)
    flat = hessian.gaussian(
        hessian.lanczos(random.key(0), lambda w: 0.0 * w.sum(), jnp.ones(4)), nbeta=3.0, gamma=1.0
    )
    assert flat.value == 0


def test_directions_without_a_stationary_law_are_counted_and_give_no_value():
    spectrum = hessian.dense(quadratic, PARAMS)
    held = hessian.gaussian(spectrum, nbeta=100, gamma=0.5)
    assert held.unstable == 1 and np.isnan(held.value)
    held = hessian.gaussian(spectrum, nbeta=100, gamma=2.0, epsilon=4 / 290)
    assert held.unstable == 1 and np.isnan(held.value)
    one_probe = hessian.lanczos(random.key(0), quadratic, PARAMS, num_probes=1)
    assert np.isnan(hessian.gaussian(one_probe, nbeta=100, gamma=2.0).standard_error)


def test_a_mask_restricts_the_spectrum_to_its_block():
    mask = masks.of(PARAMS, {"b": np.s_[:3]})
    block = MATRIX[28:31, 28:31]
    spectrum = hessian.dense(quadratic, PARAMS, mask=mask)
    np.testing.assert_allclose(spectrum.curvatures[0], np.linalg.eigvalsh(block), atol=1e-5)
    slow = hessian.lanczos(random.key(0), quadratic, PARAMS, mask=mask, num_probes=1)
    assert slow.weights.sum() == pytest.approx(3, rel=1e-5)


def test_a_chain_of_this_step_size_gives_what_is_said_slope_and_all():
    epsilon, nbeta, gamma = 0.02, 20.0, 4.0
    spectrum = hessian.dense(quadratic, PARAMS)
    said = hessian.gaussian(spectrum, nbeta=nbeta, gamma=gamma, epsilon=epsilon)
    without = hessian.gaussian(spectrum, nbeta=nbeta, gamma=gamma)
    found = jax.jit(
        lambda key: llc.estimate(
            key,
            quadratic,
            PARAMS,
            nbeta=nbeta,
            gamma=gamma,
            epsilon=epsilon,
            num_chains=64,
            chains_at_once=64,
            num_draws=400,
            num_burn_in=150,
            sampler=langevin.sgld,
        )
    )(random.key(4))
    assert abs(found.mean - said.value) < 2 * found.standard_error < 0.05 * said.value
    assert abs(found.mean - without.value) > 4 * found.standard_error
