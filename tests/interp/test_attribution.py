"""The residual stream in parts, and what they add to the logits."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax import objective
from grokjax.interp import attribution

TASK = gj.Addition(num_digits=1, base=4, batch_size=12)
CONFIG = gj.ModelConfig.of(TASK, d_model=8, num_heads=2, d_mlp=6, num_layers=2)
CONFIGS = {
    "plain": CONFIG,
    "norm": dataclasses.replace(CONFIG, layer_norm=True, unembed_bias=True),
    "no mlp, rope": dataclasses.replace(CONFIG, mlp=False, positions="rope"),
}
BATCH = TASK.batch(random.key(1))


components = jax.jit(attribution.components)
neurons = jax.jit(attribution.neurons, static_argnums=2)
by_symbol = jax.jit(attribution.neurons_by_symbol, static_argnums=2)
caching = jax.jit(lambda run: run.run_with_cache(BATCH.tokens))


@jax.jit
def summed(run, cache):
    """Of both decompositions, the sum of the parts and of what they add to the logits."""
    both = attribution.decompose_resid(run, cache), attribution.full_decomposition(run, cache)
    added = lambda parts: attribution.logits_of_parts(run, cache, parts).sum(0) + attribution.bias_logits(run)
    return [(parts.sum(0), added(parts)) for parts in both]


def made(config, **hyper):
    """A run whose biases and gains are not trivial, and its logits and cache."""
    noise = lambda leaf: leaf + 0.3 * random.normal(random.key(leaf.size), leaf.shape)
    params = jax.tree.map(noise, gj.model.init(config, random.key(0)))
    run = gj.Run(TASK, config, params, gj.Hyper(**hyper))
    return run, *caching(run)


@pytest.mark.parametrize("rate", [0.3, 1.0])
@pytest.mark.parametrize("name", CONFIGS)
def test_decompositions_sum_to_the_stream_and_to_the_logits(name, rate):
    run, logits, cache = made(CONFIGS[name], attention_rate=rate)
    np.testing.assert_allclose(logits, run.forward(BATCH.tokens), atol=5e-5)
    for stream, found in summed(run, cache):
        np.testing.assert_allclose(stream, cache["blocks.1.resid_post"], atol=2e-5)
        np.testing.assert_allclose(found, logits, atol=5e-5)
    for parts, labels in (
        (attribution.decompose_resid(run, cache), attribution.decompose_labels(run)),
        (attribution.full_decomposition(run, cache), attribution.full_labels(run)),
    ):
        assert len(parts) == len(labels) == len(set(labels))


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_parts_of_an_answer_sum_to_its_distance_from_the_mean(name, rate):
    run, logits, _ = made(CONFIGS[name], attention_rate=rate)
    read = objective.by_answer(TASK, logits[:, jnp.asarray(TASK.read)])
    expected = jnp.take_along_axis(read, BATCH.labels[..., None], -1)[..., 0] - read.mean(-1)
    found = components(run, BATCH)
    assert len(found) == len(attribution.full_labels(run)) + 1
    np.testing.assert_allclose(found.sum(0), expected, atol=5e-5)


def test_the_stream_accumulates_what_is_added():
    run, _, cache = made(CONFIG)
    assert attribution.accumulated_labels(run, incl_mid=True) == (
        "0_pre",
        "0_mid",
        "1_pre",
        "1_mid",
        "final_post",
    )
    assert attribution.accumulated_labels(made(CONFIGS["no mlp, rope"])[0], incl_mid=True) == (
        "0_pre",
        "1_pre",
        "final_post",
    )
    found = attribution.accumulated_resid(run, cache, incl_mid=True)
    added = attribution.decompose_resid(run, cache)
    np.testing.assert_allclose(found, jnp.cumsum(added, 0)[1:], atol=2e-5)
    np.testing.assert_array_equal(attribution.accumulated_resid(run, cache), found[::2])


def test_a_difference_is_that_of_two_symbols():
    run, logits, cache = made(CONFIGS["norm"])
    symbols = random.randint(random.key(5), (2, *BATCH.tokens.shape), 0, 4)
    found = attribution.logit_attrs(run, cache, attribution.decompose_resid(run, cache), *symbols).sum(0)
    unbiased = logits - attribution.bias_logits(run)
    right, wrong = (jnp.take_along_axis(unbiased, which[..., None], -1)[..., 0] for which in symbols)
    np.testing.assert_allclose(found, right - wrong, atol=5e-5)


@pytest.mark.parametrize("name", ["plain", "norm"])
def test_neurons_and_their_bias_make_the_mlp(name):
    run, _, cache = made(CONFIGS[name])
    total = attribution.neuron_results(run, cache, 1).sum(0) + run.params["blocks"][1]["b_out"]
    np.testing.assert_allclose(total, cache["blocks.1.mlp_out"], atol=2e-5)
    run.params["blocks"][1]["b_out"] = jnp.zeros(8)
    mlp = components(run, BATCH)[attribution.full_labels(run).index("1_mlp_out")]
    each = neurons(run, BATCH, 1)
    np.testing.assert_allclose(each.sum(0), mlp, atol=5e-5)
    found = by_symbol(run, BATCH, 1)
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
    found = by_symbol(gj.Run(TASK, config, params), TASK.batch(random.key(2), 200), 0)
    np.testing.assert_allclose(found[2, 1], [-1, -1, -1, 3], atol=1e-5)
    assert not found[jnp.array([0, 1, 3, 4, 5])].any()
