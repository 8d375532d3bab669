"""Sites along the residual stream, and what tokens alone give there."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jax import random

import grokjax as gj
from grokjax.interp import activations, sites

TASK = gj.Addition(num_digits=1, batch_size=16)
CONFIG = dataclasses.replace(gj.presets.nanda_addition(TASK)[0], d_model=8, num_heads=2)
PARAMS = gj.model.init(CONFIG, random.key(0), gj.Hyper(init_scale=3.0))
TOKENS = TASK.batch(random.key(1)).tokens
AT = tuple(TASK.read)


def test_sites_are_the_activations_of_that_name_at_those_positions():
    found, cache = sites.stacked(CONFIG, PARAMS, TOKENS, AT), activations.cached(CONFIG, PARAMS, TOKENS)[1]
    assert found.shape == (5, len(AT), 16, 8)
    np.testing.assert_array_equal(found[3, 1], cache["blocks.0.mlp_out"][:, AT[1]])
    without = dataclasses.replace(CONFIG, mlp=False, num_layers=2)
    assert sites.names(without)[-2:] == ("blocks.1.attn_out", "blocks.1.resid_post")


def test_with_attention_held_resid_mid_is_linear_in_the_tokens_seen():
    held = sites.with_patterns(CONFIG, sites.mean_patterns(CONFIG, PARAMS, TOKENS))
    misfit = []
    for edits in (held, None):
        mid = sites.stacked(CONFIG, PARAMS, TOKENS, AT, at=["blocks.0.resid_mid"], edits=edits)[0, 0]
        hot = np.asarray(sites.one_hot(CONFIG, TOKENS, AT)[0])[:, :]
        many = np.concatenate([hot, np.ones((len(hot), 1))], 1)
        misfit.append(np.abs(many @ np.linalg.lstsq(many, np.asarray(mid), rcond=None)[0] - mid).max())
    assert misfit[0] < 1e-4


def test_tokens_after_a_position_are_not_seen_from_it():
    other = TOKENS.at[:, AT[0] + 1 :].set(0)
    np.testing.assert_array_equal(sites.one_hot(CONFIG, TOKENS, AT)[0], sites.one_hot(CONFIG, other, AT)[0])
    sums = [sites.embedding_sum(CONFIG, PARAMS, tokens, AT) for tokens in (TOKENS, other)]
    np.testing.assert_array_equal(sums[0][0], sums[1][0])
    cache = activations.cached(CONFIG, PARAMS, TOKENS)[1]
    np.testing.assert_allclose(sums[0][1], jnp.sum(cache["blocks.0.resid_pre"][:, : AT[1] + 1], 1), rtol=1e-5)
