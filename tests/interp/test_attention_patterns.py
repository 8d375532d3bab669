"""What patterns are reduced to, and the heads that they tell, on patterns that are planted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import attention

TASK = gj.Addition(num_digits=2, batch_size=6)


def made(**options):
    config = gj.ModelConfig.of(TASK, d_model=4, num_heads=2, **options)
    return gj.Run.init(TASK, config, gj.Recipe(), gj.Hyper(attention_rate=0.8))


def test_attention_at_a_distance_is_that_of_the_planted_diagonal():
    pattern = np.full((2, 6, 6), 0.05)
    pattern[1, np.arange(2, 6), np.arange(2, 6) - 2] = 0.75
    np.testing.assert_allclose(attention.at_distance(jnp.asarray(pattern), 2, 0), [0.05, 0.75], rtol=1e-6)
    np.testing.assert_allclose(attention.at_distance(jnp.asarray(pattern), 1, 3), [0.05, 0.05], rtol=1e-6)


def test_entropy_is_0_on_one_key_and_the_logarithm_of_their_number_on_all():
    np.testing.assert_allclose(
        attention.entropy(jnp.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]])), [0, np.log(4)], rtol=1e-6
    )


def test_the_mean_over_classes_is_the_mean():
    run, tokens = made(), TASK.batch(random.key(1)).tokens
    classes = jnp.array([0, 1, 1, 0, 1, 1])
    found = attention.patterns_by_class(run, tokens, classes, 3)
    assert found.shape == (1, 2, 3, 8, 8) and not found[:, :, 2].any()
    first = attention.patterns(run, tokens[jnp.array([0, 3])])
    np.testing.assert_allclose(found[:, :, 0], first, atol=1e-6)
    whole = (2 * found[:, :, 0] + 4 * found[:, :, 1]) / 6
    np.testing.assert_allclose(whole, attention.patterns(run, tokens), atol=1e-6)


def test_held_attention_is_the_pattern_that_was_given():
    run, (tokens, others) = made(num_layers=2), (TASK.batch(random.key(seed)).tokens for seed in (1, 2))
    pattern = attention.patterns(run, tokens)
    cache = run.cache(others, attention.held(pattern))
    for layer in range(2):
        assert (cache[f"blocks.{layer}.attn.pattern"] == pattern[layer]).all()


def test_scores_are_those_before_the_softmax_of_a_head_that_has_them():
    run, tokens = made(), TASK.batch(random.key(1)).tokens[:1]
    softmax = jax.nn.softmax(attention.scores(run, tokens))
    seen = np.tril(np.ones((8, 8)))
    np.testing.assert_allclose(0.8 * softmax + 0.2 * seen, attention.patterns(run, tokens), atol=1e-6)
    with pytest.raises(ValueError, match="'uniform' has no scores"):
        attention.scores(made(attention="uniform"), tokens)


@pytest.mark.parametrize(
    ("kind", "offset"), [("previous_token", 1), ("duplicate_token", 4), ("induction", 3)]
)
def test_a_head_is_known_by_where_it_looks(kind, offset):
    """Tokens repeat once after 4: a positional head looks so many places back from there on."""
    run = made(attention="positional", mask="full").replace(hyper=gj.Hyper())
    table = np.zeros((2, 8, 8), np.float32)
    table[1, np.arange(offset, 8), np.arange(offset, 8) - offset] = 50
    block = {**run.params["blocks"][0], "attn_logits": jnp.asarray(table)}
    run = run.replace(params={**run.params, "blocks": [block]})
    tokens = jnp.stack([jnp.tile(random.permutation(key, 10)[:4], 2) for key in random.split(random.key(0))])
    found = attention.head_scores(run, tokens)
    for name in found._fields:
        assert getattr(found, name).shape == (1, 2)
        assert (getattr(found, name)[0, 1] > 0.99) == (name == kind), name
        np.testing.assert_allclose(getattr(found, name)[0, 0], 1 / 8, rtol=1e-5)


def test_a_score_without_a_place_to_look_at_is_not_a_number():
    tokens = jnp.arange(8)[None]
    found = attention.head_scores(made(), tokens)
    assert np.isnan(found.duplicate_token).all() and np.isnan(found.induction).all()
    assert np.isfinite(found.previous_token).all()


@pytest.mark.parametrize("kind", ("live", "uniform", "positional"))
def test_patterns_are_distributions_over_what_is_visible(kind):
    run = made(attention=kind, num_layers=2).replace(hyper=gj.Hyper())
    found = attention.patterns(run, TASK.batch(random.key(1)).tokens)
    assert found.shape == (2, 2, 8, 8)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    assert not np.triu(found, 1).any()


def test_a_head_without_keys_looks_everywhere_and_is_far_from_one_that_looks_at_the_first():
    run, tokens = made(num_layers=2).replace(hyper=gj.Hyper()), TASK.batch(random.key(1)).tokens
    flat = [block | dict(W_K=0 * block["W_K"]) for block in run.params["blocks"]]
    run = run.replace(params={**run.params, "blocks": flat})
    found = attention.patterns(run, tokens)
    np.testing.assert_allclose(found[0, 0, 3], 0.25 * (np.arange(8) < 4), atol=1e-6)
    first = jnp.zeros_like(found).at[..., 0].set(1)
    distance = attention.distance(found, first)[0, 0, :4]
    np.testing.assert_allclose(distance, [0, 1 / 2, 2 / 3, 3 / 4], atol=1e-6)
    scores = attention.scores(run, tokens)
    assert np.isneginf(scores[0, 0, 0, 1]) and scores[0, 0, 3, 1] == 0
