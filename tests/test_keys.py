"""Named streams of random numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokjax import keys


def bits(key):
    return tuple(jax.random.key_data(key).tolist())


def test_streams_steps_and_seeds_never_meet():
    found = {bits(keys.stream(seed, purpose)) for seed in range(3) for purpose in keys.STREAMS}
    found |= {
        bits(keys.at_step(seed, purpose, step))
        for seed in range(3)
        for purpose in keys.STREAMS
        for step in range(4)
    }
    assert len(found) == 3 * len(keys.STREAMS) * 5


def test_a_traced_seed_and_step_give_the_key_of_their_numbers():
    many = jax.jit(jax.vmap(lambda seed, step: keys.at_step(seed, "batch", step)))(
        jnp.asarray([5, 6]), jnp.asarray([0, 9])
    )
    for key, pair in zip(many, ((5, 0), (6, 9)), strict=True):
        np.testing.assert_array_equal(bits(key), bits(keys.at_step(pair[0], "batch", pair[1])))


def test_an_unknown_purpose_is_an_error():
    with pytest.raises(ValueError):
        keys.stream(0, "batches")
