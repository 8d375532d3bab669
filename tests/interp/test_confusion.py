"""Confusion matrices of known answers."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from grokjax.interp import confusion

ANSWERS = jnp.array([0, 0, 1, 2, 2, 2])
PROBS = jnp.asarray(np.random.default_rng(0).dirichlet(np.ones(3), 6), jnp.float32)


def test_a_row_is_the_mean_over_the_examples_of_its_answer():
    found = confusion.matrix(jnp.log(PROBS), ANSWERS)
    np.testing.assert_allclose(found[2], PROBS[3:].mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    weighted = confusion.matrix(jnp.log(PROBS), ANSWERS, jnp.array([1.0, 0, 1, 1, 1, 2]))
    np.testing.assert_allclose(weighted[0], PROBS[0], rtol=1e-5)
    np.testing.assert_allclose(weighted[2], np.average(PROBS[3:], 0, [1, 1, 2]), rtol=1e-5)
    assert np.isnan(confusion.matrix(jnp.log(PROBS), jnp.zeros(6, int))[1:]).all()


def test_the_standard_error_is_that_of_draws():
    """The spread of the matrix over samples of 40 of a large set of examples."""
    keys = random.split(random.key(0), 500)
    probs = jnp.asarray(np.random.default_rng(1).dirichlet(np.ones(3), 5000), jnp.float32)
    rows = jax.vmap(lambda key: random.choice(key, 5000, (40,)))(keys)
    of_zeros = lambda found: jax.jit(
        jax.vmap(lambda some: found(jnp.log(probs[some]), jnp.zeros(40, int))[0])
    )
    draws = of_zeros(confusion.matrix)(rows)
    errors = of_zeros(confusion.standard_errors)(rows[:50])
    np.testing.assert_allclose(errors.mean(0), draws.std(0), rtol=0.1)
