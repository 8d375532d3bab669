"""Patching between pairs of inputs: copies, their first-order estimates, and paths that are cut."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import hand_wired, patching
from grokjax.interp.addition import attention as looks

TASK = gj.Addition(num_digits=1, base=4, batch_size=6)
TOKENS, SOURCE = (TASK.batch(random.key(seed)).tokens for seed in (1, 2))
LAST = lambda logits: logits[:, -1]
SCORE = lambda logits: jnp.sin(logits[:, -1]).mean()
close = lambda found, expected: np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)


def made(task=TASK, **options):
    config = gj.ModelConfig.of(task, **{"d_model": 8, "num_heads": 2, "d_mlp": 6, **options})
    return gj.Run.init(task, config, gj.Recipe(), gj.Hyper(init_scale=2.0, attention_rate=0.8))


RUN = made()
ON = RUN.forward


def test_the_whole_stream_at_the_end_is_the_answer_and_at_the_start_what_is_read():
    found = patching.components(RUN, TOKENS, SOURCE, LAST)
    end = found["blocks.0.resid_post"]
    close(end[-1], ON(SOURCE)[:, -1])
    close(end[:-1], np.broadcast_to(ON(TOKENS)[:, -1], end[:-1].shape))
    swapped = TOKENS.at[:, 0].set(SOURCE[:, 0])
    close(found["embed"][0], ON(swapped)[:, -1])
    close(found["blocks.0.resid_pre"][0], ON(swapped)[:, -1])
    close(found["pos_embed"][0], ON(TOKENS)[:, -1])


@pytest.mark.parametrize("part", ["z", "result", "v"])
def test_a_head_that_is_silent_brings_nothing(part):
    block = {**RUN.params["blocks"][0], "W_O": RUN.params["blocks"][0]["W_O"].at[1].set(0)}
    run = RUN.replace(params={**RUN.params, "blocks": [block]})
    score = lambda logits: logits[:, -1, 0].mean()
    found, clean = patching.heads(run, TOKENS, SOURCE, score, part=part), score(run.forward(TOKENS))
    assert found.shape == (1, 2) and np.isclose(found[0, 1], clean, atol=1e-6)
    assert not np.isclose(found[0, 0], clean, atol=1e-4)


@pytest.mark.parametrize("part", ["q", "k", "v", "z", "result", "pattern", "attn_scores"])
def test_a_head_at_a_position_is_the_edit_of_that_entry(part):
    run = made(num_layers=2)
    found = patching.heads_by_position(run, TOKENS, SOURCE, LAST, part=part)
    assert found.shape[:3] == (2, TOKENS.shape[1], 2)
    name, (layer, position, head) = f"blocks.1.attn.{part}", (1, -1, 0)
    where = (slice(None), head, position) if part in patching.OF_PATTERN else (slice(None), position, head)
    theirs = run.cache(SOURCE)[name][where]
    close(
        found[layer, position, head],
        LAST(run.run_with_cache(TOKENS, {name: lambda x: x.at[where].set(theirs)})[0]),
    )
    every = patching.heads(run, TOKENS, SOURCE, LAST, part=part)
    where = (slice(None), head) if part in patching.OF_PATTERN else (slice(None), slice(None), head)
    theirs = run.cache(SOURCE)[name][where]
    close(every[layer, head], LAST(run.run_with_cache(TOKENS, {name: lambda x: x.at[where].set(theirs)})[0]))


def test_any_axes_of_any_activation():
    neurons = patching.patch(RUN, TOKENS, SOURCE, LAST, "blocks.0.mlp.post", axis=2)
    theirs = RUN.cache(SOURCE)["blocks.0.mlp.post"][:, :, 4]
    edit = {"blocks.0.mlp.post": lambda x: x.at[:, :, 4].set(theirs)}
    close(neurons[4], RUN.run_with_cache(TOKENS, edit)[0][:, -1])
    close(patching.patch(RUN, TOKENS, SOURCE, LAST, "embed", axis=()), ON(SOURCE)[:, -1])
    with pytest.raises(ValueError, match=r"axis=0: embed has the axes 1 to 2"):
        patching.patch(RUN, TOKENS, SOURCE, LAST, "embed", axis=0)
    with pytest.raises(ValueError, match="no activation is named nothing; there are"):
        patching.positions(RUN, TOKENS, SOURCE, LAST, name="nothing")


def test_the_effect_is_a_share_of_the_way():
    assert patching.effect(jnp.array([2.0, 3.0]), jnp.array(2.0), jnp.array(4.0)).tolist() == [0, 0.5]


def test_attributions_are_what_patching_finds_where_the_score_is_linear():
    """The logits are linear in resid_post and in what the last MLP adds; elsewhere only close by."""
    score = lambda logits: logits[:, -1, 1].mean()
    found = patching.attributions(RUN, TOKENS, SOURCE, score)
    for name in ("blocks.0.resid_post", "blocks.0.mlp.post", "blocks.0.mlp_out"):
        copied = patching.positions(RUN, TOKENS, SOURCE, score, name=name) - score(ON(TOKENS))
        close(found[name].sum((0, 2)), copied)
    scores = found["blocks.0.attn.attn_scores"]
    assert np.isfinite(scores).all() and jnp.abs(scores).sum() > 1e-3
    assert set(found) == set(RUN.cache(TOKENS))


@pytest.mark.parametrize(
    "name", ["embed", "blocks.0.resid_mid", "blocks.0.attn.pattern", "blocks.0.attn.attn_scores"]
)
def test_integrated_gradients_are_complete(name):
    """They sum to what the copy of the whole activation does; the gradient alone does not."""
    run = made(activation="gelu")
    whole = patching.patch(run, TOKENS, SOURCE, SCORE, name, axis=()) - SCORE(run.forward(TOKENS))
    found = patching.integrated_gradients(run, TOKENS, SOURCE, SCORE, name, steps=64)
    assert found.shape == run.cache(TOKENS)[name].shape
    np.testing.assert_allclose(found.sum(), whole, atol=1e-3)
    first = patching.attributions(run, TOKENS, SOURCE, SCORE, at=[name])[name].sum()
    assert abs(found.sum() - whole) < abs(first - whole) / 10


PATHS = gj.Addition(num_digits=2, batch_size=200)
OWN, OTHERS = (PATHS.batch(random.key(k)).tokens for k in (0, 1))
ALL = jnp.ones((3, 8), bool)
cut = jax.jit(patching.path_ablation)


@pytest.mark.parametrize("mlp", [True, False])
def test_all_paths_give_the_run_itself(mlp):
    run = made(PATHS, mlp=mlp)
    whole = run.logits(OWN)
    close(cut(run, OWN, OTHERS, ALL, jnp.ones(3, bool)), whole)
    close(cut(run, OWN, OWN, ~ALL, jnp.zeros(3, bool)), whole)
    # the digit before is another one
    assert jnp.abs(cut(run, OWN, OTHERS, ALL, jnp.zeros(3, bool)) - whole)[:, 1:].max() > 1e-3
    if not mlp:
        # the pattern does not know the tokens: values are all there is
        uniform = run.replace(config=dataclasses.replace(run.config, attention="uniform"))
        close(cut(uniform, OWN, OTHERS, ~ALL, jnp.zeros(3, bool)), uniform.logits(OTHERS))


def test_the_hand_wired_adder_needs_what_it_is_made_of():
    """It reads operands and visible digits, not `+`, and its own token only through attention."""
    run, labels = hand_wired.adder(PATHS), PATHS.batch(random.key(0)).labels
    right = lambda kept: (cut(run, OWN, OTHERS, kept, jnp.zeros(3, bool)).argmax(-1) == labels).mean(0)
    places = jnp.asarray(looks.places(PATHS))
    assert (right(places != looks.PLACES.index("digit pair"))[1:] < 0.3).all()
    assert (right(ALL.at[:, 2].set(False)) == 1).all()
    assert (right(ALL.at[:, 6:].set(False))[1:] < 0.6).all()


def test_paths_of_deeper_models_are_refused():
    with pytest.raises(ValueError, match="num_layers=2"):
        patching.path_ablation(made(PATHS, num_layers=2), OWN, OTHERS, ALL, ALL[:, 0])
