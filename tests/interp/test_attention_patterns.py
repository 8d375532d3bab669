import jax.numpy as jnp
import numpy as np

from grokjax.interp import attention


def test_attention_at_a_distance_is_that_of_the_planted_diagonal():
    pattern = np.full((2, 6, 6), 0.05)
    pattern[1, np.arange(2, 6), np.arange(2, 6) - 2] = 0.75
    np.testing.assert_allclose(attention.at_distance(jnp.asarray(pattern), 2, 0), [0.05, 0.75], rtol=1e-6)
    np.testing.assert_allclose(attention.at_distance(jnp.asarray(pattern), 1, 3), [0.05, 0.05], rtol=1e-6)
