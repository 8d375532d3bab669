"""The pattern of attention: masks, mixing with ones, and patterns that do not depend on the tokens."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokjax.config import ModelConfig
from grokjax.model import attention, init

PLACE = np.arange(5)


def config_for(**options):
    return ModelConfig(vocabulary=7, num_positions=5, d_model=8, num_heads=2, **options)


def test_who_may_read_whom():
    rows = np.asarray([1, 4])
    np.testing.assert_array_equal(attention.visible(config_for(), rows, PLACE), [[1, 1, 0, 0, 0], [1] * 5])
    assert attention.visible(config_for(mask="full"), rows, PLACE).all()


@pytest.mark.parametrize("encoding", ("learned", "rope", "fire"))
def test_scores_are_minus_infinity_exactly_where_nothing_may_be_read(encoding):
    config = config_for(positions=encoding)
    q, k = jax.random.normal(jax.random.key(0), (2, 3, 5, 2, 4))
    scores = attention.scores(config, init(config, jax.random.key(1))["blocks"][0], q, k, (PLACE, PLACE))
    assert scores.shape == (3, 2, 5, 5)
    np.testing.assert_array_equal(
        jnp.isneginf(scores), jnp.broadcast_to(~np.tri(5, dtype=bool), scores.shape)
    )


def test_scores_are_scaled_dot_products():
    q, k = jax.random.normal(jax.random.key(0), (2, 1, 5, 2, 4))
    scores = attention.scores(config_for(mask="full"), {}, q, k, (PLACE, PLACE))
    np.testing.assert_allclose(scores[0, 1, 3, 2], q[0, 3, 1] @ k[0, 2, 1] / 2, rtol=1e-5)


def test_the_rate_mixes_with_ones_on_what_is_visible():
    seen = np.tri(4, dtype=bool)
    pattern = jnp.asarray(seen / seen.sum(1, keepdims=True), jnp.float32)
    assert attention.mixed(pattern, seen, 1.0) is pattern
    np.testing.assert_allclose(attention.mixed(pattern, seen, jnp.float32(1.0)), pattern)
    np.testing.assert_array_equal(attention.mixed(pattern, seen, jnp.float32(0.0)), seen)
    np.testing.assert_allclose(attention.mixed(pattern, seen, 0.25).sum(-1), 0.25 + 0.75 * np.arange(1, 5))


def test_uniform_attention_is_equal_on_what_is_visible():
    pattern = attention.frozen_pattern(config_for(attention="uniform"), {}, PLACE, PLACE)
    np.testing.assert_allclose(pattern[0], np.tri(5) / np.arange(1, 6)[:, None], rtol=1e-6)


def test_positional_attention_is_the_softmax_of_its_own_numbers():
    config = config_for(attention="positional")
    logits = jax.random.normal(jax.random.key(0), (2, 5, 5))
    rows = np.asarray([0, 3])
    pattern = attention.frozen_pattern(config, dict(attn_logits=logits), rows, PLACE)
    np.testing.assert_allclose(pattern.sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(pattern[:, 1, :4], jax.nn.softmax(logits[:, 3, :4]), rtol=1e-5)
    assert (pattern[:, 1, 4] == 0).all()
