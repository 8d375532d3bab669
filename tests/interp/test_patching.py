"""Activation patching between pairs of inputs."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax import model
from grokjax.interp import patching

TASK = gj.Addition(num_digits=1, base=4, batch_size=6)
CONFIG = gj.ModelConfig(**gj.tasks.shape(TASK), d_model=8, num_heads=2, d_mlp=6)
PARAMS = model.init(CONFIG, random.key(0), gj.Hyper(init_scale=2.0))
TOKENS, SOURCE = (TASK.batch(random.key(seed)).tokens for seed in (1, 2))
LAST = lambda logits: logits[:, -1]
ON = functools.partial(model.forward, CONFIG, PARAMS)


def test_the_whole_stream_at_the_end_is_the_answer_and_at_the_start_what_is_read():
    found = patching.components(CONFIG, PARAMS, TOKENS, SOURCE, LAST)
    end = found["blocks.0.resid_post"]
    np.testing.assert_allclose(end[-1], ON(SOURCE)[:, -1], atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(
        end[:-1], np.broadcast_to(ON(TOKENS)[:, -1], end[:-1].shape), atol=1e-4, rtol=1e-4
    )
    swapped = TOKENS.at[:, 0].set(SOURCE[:, 0])
    np.testing.assert_allclose(found["embed"][0], ON(swapped)[:, -1], atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(found["blocks.0.resid_pre"][0], ON(swapped)[:, -1], atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(found["pos_embed"][0], ON(TOKENS)[:, -1], atol=1e-4, rtol=1e-4)


def test_a_head_that_is_silent_brings_nothing():
    block = {**PARAMS["blocks"][0], "W_O": PARAMS["blocks"][0]["W_O"].at[1].set(0)}
    params = {**PARAMS, "blocks": [block]}
    found = patching.heads(CONFIG, params, TOKENS, SOURCE, lambda logits: logits[:, -1, 0].mean())
    clean = model.forward(CONFIG, params, TOKENS)[:, -1, 0].mean()
    assert (
        found.shape == (1, 2)
        and np.isclose(found[0, 1], clean, atol=1e-6)
        and not np.isclose(found[0, 0], clean, atol=1e-4)
    )


def test_the_effect_is_a_share_of_the_way():
    assert patching.effect(jnp.array([2.0, 3.0]), jnp.array(2.0), jnp.array(4.0)).tolist() == [0, 0.5]


def test_an_unknown_name_is_said():
    with pytest.raises(ValueError, match="no activation is named nothing; there are"):
        patching.positions(CONFIG, PARAMS, TOKENS, SOURCE, LAST, name="nothing")
