"""The heads of the released induction model: composition of the weights names those that its attention shows at work."""
import functools

import jax
import jax.numpy as jnp
import numpy as np
import released

from grokjax.interp import attention, composition


def test_k_composition_names_the_induction_pairs(reference):
    config, params = released.induction(reference)
    pairs, z = jax.jit(functools.partial(composition.pairs_by_k_composition, config))(params)
    named = [tuple(pair) for pair in pairs[z > 5].tolist()]
    assert named == [(0, 2, 1, 2), (0, 2, 1, 1), (0, 2, 1, 3), (0, 2, 1, 0)] and z[3] > 20 and z[4] < 0
    period = 42
    once = jax.random.randint(jax.random.key(0), (32, period), 1, config.vocabulary)
    pattern = jax.jit(functools.partial(attention.patterns, config))(params, jnp.tile(once, 2))
    previous, inducing = attention.at_distance(pattern, 1, 1), attention.at_distance(pattern, period - 1, period)
    assert np.argmax(previous[0]) == 2 and previous[0, 2] > 4 * np.delete(previous[0], 2).max()
    assert np.argsort(-inducing[1]).tolist() == [2, 1, 3, 0] and (inducing[1, 1:] > 0.2).all() and inducing[0].max() < 0.02
