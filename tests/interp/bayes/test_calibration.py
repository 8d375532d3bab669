"""The grid, and the rule that finds a plateau or says why there is none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

from grokjax.interp.bayes import calibration, llc


def rule(values, errors=0.0, allowed=None, **options):
    values = np.asarray(values, float)
    allowed = np.ones(len(values), bool) if allowed is None else np.asarray(allowed, bool)
    return calibration.plateau(values, np.broadcast_to(errors, values.shape), allowed, **options)


def test_a_planted_plateau_is_found_with_its_middle():
    found = rule([1.0, 3.0, 5.0, 5.1, 5.2, 5.15, 8.0, 30.0])
    assert found[:4] == (True, 2, 5, 3) and "4 neighbours agree" in found.reason


def test_without_a_plateau_it_says_what_is_in_the_way():
    assert "differ too much, from 1 to 16" in rule([1.0, 2.0, 4.0, 8.0, 16.0]).reason
    found = rule([5.0, 5.0, 5.0, 5.0], allowed=[True, True, False, True])
    assert not found.found and found.chosen == -1 and "only 3 of 4 are usable" in found.reason
    assert not rule([]).found


def test_errors_widen_what_agrees():
    values = [5.0, 5.6, 5.0, 5.6]
    assert not rule(values).found and rule(values, 0.2).found


def test_a_grid_is_one_program_and_its_plateau_ends_where_steps_are_too_long():
    """On a quadratic the estimate rises as 1/(1 − εa/4), and no chain is left above ε = 4/a."""
    curvatures = jnp.array([1.0, 0.5, 0.5])
    traced = []

    def estimate(epsilon, nbeta, gamma):
        traced.append(1)
        return llc.estimate(
            random.key(0),
            lambda w: (curvatures * w**2).sum() / 2,
            jnp.zeros(3),
            epsilon=epsilon,
            nbeta=nbeta,
            gamma=gamma,
            num_chains=16,
            chains_at_once=16,
            num_draws=500,
            num_burn_in=200,
            max_rise=1e3,
        )

    epsilon = [1e-4, 0.003, 0.006, 0.012, 0.024, 0.1, 0.4]
    grid = jax.jit(lambda: calibration.grid(estimate, epsilon, [20.0], [4.0, 40.0]))()
    assert grid.mean.shape == (7, 1, 2) and grid.trace.shape == (7, 1, 2, 16, 500) and len(traced) == 1
    np.testing.assert_allclose(grid.gamma, np.broadcast_to([4.0, 40.0], (7, 1, 2)))
    assert (grid.masked[-1] == 1).all()
    (first, second) = calibration.choose(grid, relative=0.15)[0]
    assert first.found and first.first >= 1 and first.last <= 4
    exact = 0.5 * sum(20 * h / (20 * h + 4) for h in (1, 0.5, 0.5))
    assert grid.mean[first.chosen, 0, 0] == pytest.approx(exact, rel=0.1)
    assert second.found and second.last <= 4
    along = calibration.along_gamma(grid, least=2)
    assert not along[2][0].found, "at γ 4 and 40 the coefficient differs by far"
