"""The logarithm of a mean over few draws, without its bias."""

import jax.numpy as jnp
import numpy as np

from experiments.mechanism.answer_prefix import unbiased_log_mean


def test_a_log_of_a_mean_over_few_draws_is_not_too_low():
    drawn = np.random.default_rng(0).gamma(2, 0.05, size=(16, 40_000))
    biased, mended = np.log(drawn.mean(0)).mean(), float(unbiased_log_mean(jnp.asarray(drawn)).mean())
    assert biased < np.log(0.1) - 0.01 and abs(mended - np.log(0.1)) < 0.004


def test_draws_that_agree_are_left_alone():
    np.testing.assert_allclose(unbiased_log_mean(jnp.full((4, 3), 0.25)), np.log(0.25), rtol=1e-6)
