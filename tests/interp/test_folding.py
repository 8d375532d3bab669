"""A folded run is the same model: the same logits, the same circuits."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import circuits, composition, folding

TASK = gj.Addition(num_digits=1, base=4, batch_size=12)
BATCH = TASK.batch(random.key(1))
CONFIG = gj.ModelConfig.of(TASK, d_model=8, num_heads=2, d_mlp=6, num_layers=2, layer_norm=True)
CONFIGS = {
    "learned": CONFIG,
    "rope, b_U": dataclasses.replace(CONFIG, positions="rope", unembed_bias=True),
    "sinusoidal, no mlp": dataclasses.replace(CONFIG, positions="sinusoidal", mlp=False),
    "uniform attention": dataclasses.replace(CONFIG, attention="uniform"),
}


def made(config, task=TASK):
    """A run whose biases and gains are not trivial; one gain of ln1 and one of ln2 are 0."""
    noise = lambda leaf: leaf + 0.3 * random.normal(random.key(leaf.size), leaf.shape)
    params = jax.tree.map(noise, gj.model.init(config, random.key(0)))
    for name in ("ln1", "ln2"):
        if name in (block := params["blocks"][0]):
            block[name]["w"] = block[name]["w"].at[3].set(0)
    return gj.Run(task, config, params, gj.Hyper(attention_rate=0.6))


@pytest.mark.parametrize("name", CONFIGS)
def test_folded_layer_norms_leave_the_logits_and_have_gain_1(name):
    run = made(CONFIGS[name])
    folded = jax.jit(folding.fold_ln)(run)
    np.testing.assert_allclose(folded.logits(BATCH.tokens), run.logits(BATCH.tokens), atol=2e-5)
    assert folded.config.unembed_bias and not folded.params["ln_final"]["b"].any()
    np.testing.assert_array_equal(folded.params["ln_final"]["w"], 1)
    np.testing.assert_array_equal(folded.params["blocks"][1]["ln1"]["w"], 1)
    np.testing.assert_array_equal(folded.params["blocks"][0]["ln1"]["w"], np.arange(8) != 3)
    if run.config.mlp:
        np.testing.assert_array_equal(folded.params["blocks"][0]["ln2"]["w"], 1)


@pytest.mark.parametrize("name", CONFIGS)
def test_centred_writing_weights_leave_the_logits(name):
    run = made(CONFIGS[name])
    centred = jax.jit(folding.center_writing_weights)(run)
    np.testing.assert_allclose(centred.logits(BATCH.tokens), run.logits(BATCH.tokens), atol=2e-5)
    np.testing.assert_allclose(centred.params["blocks"][0]["W_O"].mean(-1), 0, atol=1e-6)
    np.testing.assert_allclose(centred.params["W_E"].mean(-1), 0, atol=1e-6)


@pytest.mark.parametrize("mode", ["sequence", "parallel"])
def test_a_centred_unembedding_leaves_the_probabilities(mode):
    task = dataclasses.replace(TASK, mode=mode)
    tokens = task.batch(random.key(1)).tokens
    run = made(gj.ModelConfig.of(task, d_model=8, num_heads=2, layer_norm=True, unembed_bias=True), task)
    logits = folding.center_unembed(run).logits(tokens)
    np.testing.assert_allclose(jax.nn.log_softmax(logits), jax.nn.log_softmax(run.logits(tokens)), atol=2e-5)
    np.testing.assert_allclose(logits.mean(-1), 0, atol=2e-6)


def test_circuits_say_the_same_of_a_folded_run():
    run = made(CONFIG)
    folded = folding.fold_ln(run)
    for circuit in (circuits.ov, circuits.qk, circuits.ov_to_neurons, circuits.mlp_out):
        np.testing.assert_allclose(circuit(folded, 1), circuit(run, 1), atol=1e-5)
    found, expected = (composition.heads(each, "K").score for each in (folded, run))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_a_head_writes_whatever_the_tokens_are():
    run = made(CONFIGS["rope, b_U"]).replace(hyper=gj.Hyper())
    name = "blocks.1.attn.result"
    with_bias = run.cache(BATCH.tokens)[name]
    block = run.params["blocks"][1]
    values = circuits.reading(run, 1, "W_V")
    stream = run.cache(BATCH.tokens)
    scale = jnp.sqrt(stream["blocks.1.resid_pre"].var(-1, keepdims=True) + 1e-5)
    value = jnp.einsum("bpd,dhk->bphk", stream["blocks.1.resid_pre"] / scale, values)
    z = jnp.einsum("bhqp,bphk->bqhk", stream["blocks.1.attn.pattern"], value)
    unbiased = jnp.einsum("bqhk,hkd->bqhd", z, block["W_O"])
    expected = jnp.broadcast_to(folding.value_biases(run, 1), with_bias.shape)
    np.testing.assert_allclose(with_bias - unbiased, expected, atol=2e-5)


def test_without_layer_norm_nothing_is_folded_and_centring_is_refused():
    run = made(dataclasses.replace(CONFIG, layer_norm=False))
    assert folding.fold_ln(run) is run and not folding.value_biases(run).any()
    with pytest.raises(ValueError, match="layer_norm=False: weights read the mean"):
        folding.center_writing_weights(run)
