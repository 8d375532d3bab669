"""Products of weights in readable bases, held to what the model computes."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import activations, circuits

TASK = gj.Addition(num_digits=1, base=4, batch_size=5)
CONFIG = gj.ModelConfig(**gj.tasks.shape(TASK), d_model=8, num_heads=2, d_mlp=6)
PARAMS = gj.model.init(CONFIG, random.key(0), gj.Hyper(init_scale=2.0))
TOKENS = TASK.batch(random.key(1)).tokens


@functools.partial(jax.jit, static_argnums=0)
def cached(config, params, tokens):
    return activations.cached(config, params, tokens)


BASES = ("token", "position")
ROWS = dict(token=TOKENS, position=jnp.broadcast_to(jnp.arange(TASK.num_positions), TOKENS.shape))


@pytest.mark.parametrize("norm", [False, True])
def test_the_scores_of_a_first_layer_are_sums_over_the_bases(norm):
    """With a layer norm this holds up to the scale that each place is divided by."""
    config = dataclasses.replace(CONFIG, layer_norm=norm)
    params = gj.model.init(config, random.key(0))
    if norm:
        params["blocks"][0]["ln1"]["w"] = random.normal(random.key(4), (8,))
    cache = cached(config, params, TOKENS)[1]
    scale = jnp.sqrt(cache["blocks.0.resid_pre"].var(-1) + 1e-5) if norm else jnp.ones(TOKENS.shape)
    found = sum(
        circuits.qk(config, params, query_of=query, key_of=key)[
            :, ROWS[query][:, :, None], ROWS[key][:, None, :]
        ]
        for query, key in itertools.product(BASES, BASES)
    )
    scores = jnp.moveaxis(cache["blocks.0.attn.attn_scores"], 1, 0) * scale[:, :, None] * scale[:, None, :]
    np.testing.assert_allclose(np.where(np.isfinite(scores), found, -np.inf), scores, atol=2e-5)


def test_the_neurons_of_a_first_layer_are_sums_over_the_bases():
    cache = cached(CONFIG, PARAMS, TOKENS)[1]
    attended = sum(circuits.ov_to_neurons(CONFIG, PARAMS, of=of)[:, ROWS[of]] for of in BASES)
    own = sum(circuits.mlp_in(CONFIG, PARAMS, of=of)[ROWS[of]] for of in BASES)
    found = (
        jnp.einsum("bhqp,hbpm->bqm", cache["blocks.0.attn.pattern"], attended)
        + own
        + PARAMS["blocks"][0]["b_in"]
    )
    np.testing.assert_allclose(found, cache["blocks.0.mlp.pre"], atol=1e-5)


def test_scores_by_position_alone_are_found_to_be_so():
    scored = jax.jit(functools.partial(circuits.score_shares, CONFIG, TASK))
    found = scored(PARAMS, TOKENS)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    assert found.shape == (2, 4) and (found > 0.01).all()
    np.testing.assert_allclose(
        scored({**PARAMS, "W_E": 0 * PARAMS["W_E"]}, TOKENS), np.broadcast_to([1, 0, 0, 0], (2, 4)), atol=1e-6
    )
    np.testing.assert_allclose(
        scored({**PARAMS, "W_pos": 0 * PARAMS["W_pos"]}, TOKENS),
        np.broadcast_to([0, 0, 0, 1], (2, 4)),
        atol=1e-6,
    )


def test_direct_paths_and_heads_sum_to_the_logits_without_an_mlp():
    config = dataclasses.replace(CONFIG, mlp=False)
    params = gj.model.init(config, random.key(2), gj.Hyper())
    logits, cache = cached(config, params, TOKENS)
    pattern = cache["blocks.0.attn.pattern"]
    values = circuits.ov(config, params)[:, TOKENS] + circuits.ov(config, params, of="position")[:, None]
    found = jnp.einsum("bhqp,hbpv->bqv", pattern, values) + circuits.direct(config, params)[TOKENS]
    np.testing.assert_allclose(found + circuits.direct(config, params, of="position"), logits, atol=1e-5)


def test_a_neuron_speaks_through_its_output_weights():
    logits = cached(CONFIG, PARAMS, TOKENS)[0]
    edit = {"blocks.0.mlp.post": lambda post: post.at[..., 3].add(1)}
    moved = activations.cached(CONFIG, PARAMS, TOKENS, edit)[0] - logits
    np.testing.assert_allclose(
        moved, jnp.broadcast_to(circuits.mlp_out(CONFIG, PARAMS)[3], moved.shape), atol=1e-5
    )


def test_a_planted_head_is_read_off_and_the_other_is_empty():
    """Head 1 copies: it moves each token's one-hot row to its own logit."""
    config = gj.ModelConfig(
        vocabulary=4, num_positions=3, num_outputs=4, d_model=8, num_heads=2, d_head=4, mlp=False
    )
    params = jax.tree.map(jnp.zeros_like, gj.model.init(config, random.key(0)))
    params |= dict(W_E=jnp.eye(4, 8), W_U=jnp.eye(8, 4, k=-4))
    params["blocks"][0] |= dict(
        W_V=params["blocks"][0]["W_V"].at[:4, 1].set(jnp.eye(4)),
        W_O=params["blocks"][0]["W_O"].at[1, :, 4:].set(jnp.eye(4)),
    )
    found = circuits.ov(config, params)
    np.testing.assert_array_equal(found[1], np.eye(4))
    assert (
        not found[0].any()
        and not circuits.qk(config, params).any()
        and not circuits.direct(config, params).any()
    )


def test_a_basis_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="'position' with positions='none'"):
        circuits.direct(dataclasses.replace(CONFIG, positions="none"), PARAMS, of="position")
    with pytest.raises(ValueError, match="attention='uniform' has no queries"):
        circuits.qk(dataclasses.replace(CONFIG, attention="uniform"), PARAMS)
