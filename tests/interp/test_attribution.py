"""The residual stream in parts, and what they add to the logits."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax import objective
from grokjax.interp import activations, attribution

TASK = gj.Addition(num_digits=1, base=4, batch_size=12)
CONFIG = gj.ModelConfig(**gj.tasks.shape(TASK), d_model=8, num_heads=2, d_mlp=6, num_layers=2)
CONFIGS = {
    "plain": CONFIG,
    "norm": dataclasses.replace(CONFIG, layer_norm=True, unembed_bias=True),
    "no mlp, rope": dataclasses.replace(CONFIG, mlp=False, positions="rope"),
}
BATCH = TASK.batch(random.key(1))


components = jax.jit(attribution.components, static_argnums=(0, 1))
neurons = jax.jit(attribution.neurons, static_argnums=(0, 1, 4))
by_symbol = jax.jit(attribution.neurons_by_symbol, static_argnums=(0, 1, 4))


@functools.partial(jax.jit, static_argnums=0)
def summed(config, params, cache):
    """Of both decompositions, the sum of the parts and of what they add to the logits."""
    both = attribution.decompose_resid(config, cache), attribution.full_decomposition(config, cache)
    return [
        (
            parts.sum(0),
            attribution.logits_of_parts(config, params, cache, parts).sum(0)
            + attribution.bias_logits(config, params),
        )
        for parts in both
    ]


def made(config):
    """Parameters whose biases and gains are not trivial, and the logits and the cache."""
    noise = lambda leaf: leaf + 0.3 * random.normal(random.key(leaf.size), leaf.shape)
    params = jax.tree.map(noise, gj.model.init(config, random.key(0)))
    return params, *jax.jit(functools.partial(activations.cached, config))(params, BATCH.tokens)


@pytest.mark.parametrize("name", CONFIGS)
def test_decompositions_sum_to_the_stream_and_to_the_logits(name):
    config = CONFIGS[name]
    params, logits, cache = made(config)
    for stream, found in summed(config, params, cache):
        np.testing.assert_allclose(stream, cache["blocks.1.resid_post"], atol=2e-5)
        np.testing.assert_allclose(found, logits, atol=5e-5)
    for parts, labels in (
        (attribution.decompose_resid(config, cache), attribution.decompose_labels(config)),
        (attribution.full_decomposition(config, cache), attribution.full_labels(config)),
    ):
        assert len(parts) == len(labels) == len(set(labels))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_parts_of_an_answer_sum_to_its_distance_from_the_mean(name):
    config = CONFIGS[name]
    params, logits, _ = made(config)
    read = objective.by_answer(TASK, logits[:, jnp.asarray(TASK.read)])
    expected = jnp.take_along_axis(read, BATCH.labels[..., None], -1)[..., 0] - read.mean(-1)
    found = components(config, TASK, params, BATCH)
    assert len(found) == len(attribution.full_labels(config)) + 1
    np.testing.assert_allclose(found.sum(0), expected, atol=5e-5)


def test_the_stream_accumulates_what_is_added():
    _, _, cache = made(CONFIG)
    assert attribution.accumulated_labels(CONFIG, incl_mid=True) == (
        "0_pre",
        "0_mid",
        "1_pre",
        "1_mid",
        "final_post",
    )
    assert attribution.accumulated_labels(CONFIGS["no mlp, rope"], incl_mid=True) == (
        "0_pre",
        "1_pre",
        "final_post",
    )
    found = attribution.accumulated_resid(CONFIG, cache, incl_mid=True)
    added = attribution.decompose_resid(CONFIG, cache)
    np.testing.assert_allclose(found, jnp.cumsum(added, 0)[1:], atol=2e-5)
    np.testing.assert_array_equal(attribution.accumulated_resid(CONFIG, cache), found[::2])


def test_a_difference_is_that_of_two_symbols():
    config = CONFIGS["norm"]
    params, logits, cache = made(config)
    symbols = random.randint(random.key(5), (2, *BATCH.tokens.shape), 0, 4)
    found = attribution.logit_attrs(
        config, params, cache, attribution.decompose_resid(config, cache), *symbols
    ).sum(0)
    unbiased = logits - attribution.bias_logits(config, params)
    right, wrong = (jnp.take_along_axis(unbiased, which[..., None], -1)[..., 0] for which in symbols)
    np.testing.assert_allclose(found, right - wrong, atol=5e-5)


@pytest.mark.parametrize("name", ["plain", "norm"])
def test_neurons_and_their_bias_make_the_mlp(name):
    config = CONFIGS[name]
    params, _, cache = made(config)
    total = attribution.neuron_results(config, params, cache, 1).sum(0) + params["blocks"][1]["b_out"]
    np.testing.assert_allclose(total, cache["blocks.1.mlp_out"], atol=2e-5)
    params["blocks"][1]["b_out"] = jnp.zeros(8)
    mlp = components(config, TASK, params, BATCH)[attribution.full_labels(config).index("1_mlp_out")]
    each = neurons(config, TASK, params, BATCH, 1)
    np.testing.assert_allclose(each.sum(0), mlp, atol=5e-5)
    found = by_symbol(config, TASK, params, BATCH, 1)
    assert found.shape == (6, 2, 4)
    rows = BATCH.labels[:, 1] == 2
    assert rows.any()
    np.testing.assert_allclose(found[:, 1, 2], each[:, rows, 1].mean(1), atol=1e-5)


def test_a_planted_neuron_speaks_for_its_digit_alone():
    """A neuron that is always on and writes the direction of digit 3: the only one with an effect, and only
    on 3.
    """
    config = dataclasses.replace(CONFIG, num_layers=1)
    params = gj.model.init(config, random.key(0))
    block = params["blocks"][0]
    params["W_U"] = jnp.eye(8, 4)
    block |= dict(
        W_in=jnp.zeros((8, 6)), b_in=jnp.zeros(6).at[2].set(1), W_out=jnp.zeros((6, 8)).at[2, 3].set(4)
    )
    found = by_symbol(config, TASK, params, TASK.batch(random.key(2), 200), 0)
    np.testing.assert_allclose(found[2, 1], [-1, -1, -1, 3], atol=1e-5)
    assert not found[jnp.array([0, 1, 3, 4, 5])].any()
