"""Standard deviations of activations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import activations, spread


@pytest.mark.parametrize("mlp", [True, False])
def test_they_are_those_of_the_activations_and_grow_with_the_weights(mlp):
    task = gj.ModularAddition(modulus=5)
    config = gj.ModelConfig(**gj.tasks.shape(task), d_model=64, num_heads=2, mlp=mlp)
    params, tokens = gj.model.init(config, random.key(0)), jnp.asarray(task.table().tokens)
    found = spread.deviations(config, params, tokens)
    assert found["embed"] == pytest.approx(1 / 8, rel=0.2) and ("blocks.0.mlp.pre" in found) == mlp
    cache = activations.cached(config, params, tokens)[1]
    np.testing.assert_allclose(found["blocks.0.attn_out"], cache["blocks.0.attn_out"].std(), rtol=1e-5)
    larger = spread.deviations(config, jax.tree.map(lambda leaf: 2 * leaf, params), tokens)
    assert (
        larger["embed"] == pytest.approx(2 * float(found["embed"]), rel=1e-4)
        and larger["logits"] > 3 * found["logits"]
    )
