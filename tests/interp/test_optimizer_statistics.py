"""Updates and Adam's moments by the names of the parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import optimizer_statistics
from grokjax.training.optimizer import optimizer

CONFIG = gj.ModelConfig(vocabulary=5, num_positions=4, num_outputs=3, d_model=8, num_heads=2, num_layers=2)
PARAMS = gj.model.init(CONFIG, random.key(0), gj.Hyper())


def after_one_step(recipe):
    made, gradient = optimizer(recipe, gj.Hyper(b1=0.9, b2=0.98)), jax.tree.map(jnp.cos, PARAMS)
    return gradient, made.update(gradient, made.init(PARAMS), PARAMS)[1]


def test_moments_have_the_names_and_shapes_of_their_tensors():
    gradient, opt_state = after_one_step(gj.Recipe())
    named = gj.trees.named_leaves(gradient)
    second, first = (
        optimizer_statistics.second_moments(PARAMS, opt_state),
        optimizer_statistics.first_moments(PARAMS, opt_state),
    )
    assert second.keys() == first.keys() == named.keys()
    for name, leaf in named.items():
        np.testing.assert_allclose(second[name], 0.02 * leaf**2, rtol=1e-4)
        np.testing.assert_allclose(first[name], 0.1 * leaf, rtol=1e-4)
        root = optimizer_statistics.root_second_moments(PARAMS, opt_state)[name]
        np.testing.assert_allclose(root, np.sqrt(0.02) * jnp.linalg.norm(leaf.ravel()), rtol=1e-4)


def test_an_optimiser_without_moments_is_refused():
    _, opt_state = after_one_step(gj.Recipe(optimizer="sgd"))
    with pytest.raises(ValueError, match="0 fields named 'nu'"):
        optimizer_statistics.second_moments(PARAMS, opt_state)


def test_only_what_moved_has_an_update_norm():
    moved = PARAMS | dict(W_U=PARAMS["W_U"] + 2)
    norms = optimizer_statistics.update_norms(PARAMS, moved)
    assert norms.pop("W_U") == pytest.approx(2 * np.sqrt(24), rel=1e-5) and not any(norms.values())
