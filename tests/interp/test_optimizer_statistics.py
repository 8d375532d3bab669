import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import attention, optimizer_statistics
from grokjax.training.optimizer import optimizer

CONFIG = gj.ModelConfig(vocabulary=5, num_positions=4, num_outputs=3, d_model=8, num_heads=2, num_layers=2)
PARAMS = gj.model.init(CONFIG, random.key(0), gj.Hyper())
TOKENS = random.randint(random.key(1), (6, 4), 0, 5)


def after_one_step(recipe):
    made, gradient = optimizer(recipe, gj.Hyper(b1=0.9, b2=0.98)), jax.tree.map(jnp.cos, PARAMS)
    return gradient, made.update(gradient, made.init(PARAMS), PARAMS)[1]


def test_moments_have_the_names_and_shapes_of_their_tensors():
    gradient, moments = after_one_step(gj.Recipe())
    named = gj.trees.named_leaves(gradient)
    second, first = (
        optimizer_statistics.second_moments(PARAMS, moments),
        optimizer_statistics.first_moments(PARAMS, moments),
    )
    assert second.keys() == first.keys() == named.keys()
    for name, leaf in named.items():
        np.testing.assert_allclose(second[name], 0.02 * leaf**2, rtol=1e-4)
        np.testing.assert_allclose(first[name], 0.1 * leaf, rtol=1e-4)
        root = optimizer_statistics.root_second_moments(PARAMS, moments)[name]
        np.testing.assert_allclose(root, np.sqrt(0.02) * jnp.linalg.norm(leaf.ravel()), rtol=1e-4)


def test_an_optimiser_without_moments_is_refused():
    _, moments = after_one_step(gj.Recipe(optimizer="sgd"))
    with pytest.raises(ValueError, match="0 fields named 'nu'"):
        optimizer_statistics.second_moments(PARAMS, moments)


def test_only_what_moved_has_an_update_norm():
    moved = PARAMS | dict(W_U=PARAMS["W_U"] + 2)
    norms = optimizer_statistics.norms(PARAMS, moved)
    assert norms.pop("W_U") == pytest.approx(2 * np.sqrt(24), rel=1e-5) and not any(norms.values())


@pytest.mark.parametrize("kind", ("live", "uniform", "positional"))
def test_patterns_are_distributions_over_what_is_visible(kind):
    config = dataclasses.replace(CONFIG, attention=kind)
    params = gj.model.init(config, random.key(0), gj.Hyper())
    found = attention.patterns(config, params, TOKENS)
    assert found.shape == (2, 2, 4, 4)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    assert not np.triu(found, 1).any()


def test_a_head_without_keys_looks_everywhere_and_is_far_from_one_that_looks_at_the_first():
    flat = PARAMS | dict(blocks=[block | dict(W_K=0 * block["W_K"]) for block in PARAMS["blocks"]])
    found = attention.patterns(CONFIG, flat, TOKENS)
    np.testing.assert_allclose(found[0, 0, 3], 0.25, atol=1e-6)
    first = jnp.zeros_like(found).at[..., 0].set(1)
    np.testing.assert_allclose(attention.distance(found, first)[0, 0], [0, 1 / 2, 2 / 3, 3 / 4], atol=1e-6)
    scores = attention.scores(CONFIG, flat, TOKENS)
    assert np.isneginf(scores[0, 0, 0, 1]) and scores[0, 0, 3, 1] == 0
    with pytest.raises(ValueError, match="'uniform' has no scores"):
        attention.scores(dataclasses.replace(CONFIG, attention="uniform"), flat, TOKENS)
