"""Activations by name, and gradients with respect to them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import activations

TASK = gj.Addition(num_digits=1, batch_size=3)
CONFIG = dataclasses.replace(gj.presets.nanda_addition(TASK)[0], d_model=8, num_heads=2)
PARAMS = gj.model.init(CONFIG, random.key(0))
TOKENS = TASK.batch(random.key(1)).tokens


def test_names_are_those_of_the_cache_in_order():
    cache = activations.cached(CONFIG, PARAMS, TOKENS)[1]
    assert activations.names(CONFIG) == tuple(cache)


def test_a_gradient_is_the_slope_of_the_edit():
    score = lambda logits: jnp.sin(logits[:, -1]).sum()
    found = activations.gradients(CONFIG, PARAMS, TOKENS, score, at=["blocks.0.attn.z", "blocks.0.mlp.post"])
    for name, gradient in found.items():
        direction = random.normal(random.key(2), gradient.shape)
        moved = lambda step: score(
            activations.cached(CONFIG, PARAMS, TOKENS, {name: lambda x: x + step * direction})[0]
        )
        slope = jax.jvp(moved, (0.0,), (1.0,))[1]
        assert np.isclose(slope, (gradient * direction).sum(), rtol=1e-4, atol=1e-6), name


def test_an_unknown_name_is_said():
    with pytest.raises(ValueError, match=r"no activation is named blocks\.0\.mlp; there are"):
        activations.gradients(CONFIG, PARAMS, TOKENS, jnp.sum, at=["blocks.0.mlp"])
