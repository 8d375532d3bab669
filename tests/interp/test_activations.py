"""Activations by name, along the stream, their sizes, and gradients with respect to them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax import tap
from grokjax.interp import activations, attention

TASK = gj.Addition(num_digits=1, batch_size=16)
RECIPE = gj.Recipe()


def made(init_scale=1.0, **options):
    config = gj.ModelConfig.of(TASK, d_model=8, num_heads=2, **options)
    return gj.Run.init(TASK, config, RECIPE, gj.Hyper(attention_rate=0.7, init_scale=init_scale))


RUN = made()
TOKENS = TASK.batch(random.key(1)).tokens
AT = tuple(TASK.read)


def test_names_are_those_of_the_cache_in_order():
    assert activations.names(RUN) == tuple(RUN.cache(TOKENS))


def test_a_gradient_is_the_slope_of_the_edit():
    score = lambda logits: jnp.sin(logits[:, -1]).sum()
    found = activations.gradients(RUN, TOKENS, score, at=["blocks.0.attn.z", "blocks.0.mlp.post"])

    def slope_along(name, direction):
        moved = lambda step: score(RUN.run_with_cache(TOKENS, {name: lambda x: x + step * direction})[0])
        return jax.jvp(moved, (0.0,), (1.0,))[1]

    for name, gradient in found.items():
        direction = random.normal(random.key(2), gradient.shape)
        slope = slope_along(name, direction)
        assert np.isclose(slope, (gradient * direction).sum(), rtol=1e-4, atol=1e-6), name


def test_a_gradient_is_taken_where_the_edits_lead():
    """By hand: the logits are linear in resid_post, whose gradient does not know what was there."""
    score = lambda logits: (logits**2).sum() / 2
    doubled = {"blocks.0.resid_post": lambda x: 2 * x}
    found = activations.gradients(RUN, TOKENS, score, at=["blocks.0.resid_post"], edits=doubled)
    expected = RUN.run_with_cache(TOKENS, doubled)[0] @ RUN.params["W_U"].T
    np.testing.assert_allclose(found["blocks.0.resid_post"], expected, rtol=1e-4, atol=1e-5)


def test_an_edit_of_a_gradient_cuts_the_path_and_nothing_else():
    """Without a gradient through the MLP, that of resid_mid is what the skip connection brings."""
    score = lambda logits: jnp.sin(logits).sum()
    cut = {"blocks.0.mlp_out": tap.edit_gradient(jnp.zeros_like)}
    at = ["blocks.0.resid_mid", "blocks.0.resid_post"]
    whole, found = (activations.gradients(RUN, TOKENS, score, at=at, edits=edits) for edits in (None, cut))
    np.testing.assert_array_equal(found[at[1]], whole[at[1]])  # the run itself is as before
    np.testing.assert_array_equal(found[at[0]], found[at[1]])
    assert not np.allclose(whole[at[0]], whole[at[1]], atol=1e-3)


def test_an_unknown_name_is_said():
    with pytest.raises(ValueError, match=r"no activation is named blocks\.0\.mlp; there are"):
        activations.gradients(RUN, TOKENS, jnp.sum, at=["blocks.0.mlp"])


def test_those_along_the_stream_are_the_activations_of_that_name_at_those_positions():
    found, cache = activations.stacked(RUN, TOKENS, AT), RUN.cache(TOKENS)
    assert found.shape == (5, len(AT), 16, 8)
    np.testing.assert_array_equal(found[3, 1], cache["blocks.0.mlp_out"][:, AT[1]])
    names = activations.stream_names(made(mlp=False, num_layers=2))
    assert names[-2:] == ("blocks.1.attn_out", "blocks.1.resid_post")


def test_with_attention_held_resid_mid_is_linear_in_the_tokens_seen():
    run, tokens = made(init_scale=3.0), jnp.concatenate([TASK.batch(random.key(i)).tokens for i in range(8)])
    hot = np.asarray(activations.visible_tokens(run, tokens, AT)[0])
    many = np.concatenate([hot, np.ones((len(hot), 1))], 1)

    def misfit(edits):
        mid = activations.stacked(run, tokens, AT, at=["blocks.0.resid_mid"], edits=edits)[0, 0]
        return np.abs(many @ np.linalg.lstsq(many, np.asarray(mid), rcond=None)[0] - mid).max()

    assert misfit(attention.held(attention.patterns(run, tokens))) < 1e-4 < 1e-2 < misfit(None)


@pytest.mark.parametrize("mask", ["causal", "full"])
def test_tokens_after_a_position_are_seen_from_it_only_without_a_causal_mask(mask):
    run, other = made(mask=mask), TOKENS.at[:, AT[0] + 1 :].set(0)
    tokens, sums = (
        [seen(run, x, AT) for x in (TOKENS, other)]
        for seen in (activations.visible_tokens, activations.visible_embedding_sum)
    )
    for first, second in (tokens, sums):
        assert np.array_equal(first[0], second[0]) == (mask == "causal")
    embedded = run.cache(TOKENS)["blocks.0.resid_pre"]
    seen = embedded[:, : AT[1] + 1] if mask == "causal" else embedded
    np.testing.assert_allclose(sums[0][1], jnp.sum(seen, 1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mlp", [True, False])
def test_deviations_are_those_of_the_activations_and_grow_with_the_weights(mlp):
    task = gj.ModularArithmetic(modulus=5)
    config = gj.ModelConfig.of(task, d_model=64, num_heads=2, mlp=mlp)
    run, tokens = gj.Run.init(task, config, RECIPE, gj.Hyper()), jnp.asarray(task.table().tokens)
    found = activations.deviations(run, tokens)
    assert found["embed"] == pytest.approx(1 / 8, rel=0.2) and ("blocks.0.mlp.pre" in found) == mlp
    attn_out = run.cache(tokens)["blocks.0.attn_out"]
    np.testing.assert_allclose(found["blocks.0.attn_out"], attn_out.std(), rtol=1e-5)
    doubled = run.replace(params=jax.tree.map(lambda leaf: 2 * leaf, run.params))
    larger = activations.deviations(doubled, tokens)
    assert larger["embed"] == pytest.approx(2 * float(found["embed"]), rel=1e-4)
    assert larger["logits"] > 3 * found["logits"]
