"""`Run`: one model with all that belongs to it, a stack of them, and what it refuses."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax import model, objective

TASK = gj.Addition(num_digits=2, batch_size=4)
CONFIG = gj.ModelConfig.of(TASK, d_model=8, num_heads=2, num_layers=2)
RECIPE = gj.Recipe()
HYPERS = gj.grid(gj.Hyper(), seed=range(2), attention_rate=[0.0, 0.3, 1.0])
RUNS = gj.Run.init(TASK, CONFIG, RECIPE, HYPERS)
BATCH = TASK.batch(random.key(0))


def test_a_stack_is_picked_from_like_an_array():
    assert RUNS.is_stack and RUNS.num_runs == len(RUNS) == 6
    one = RUNS[4]
    assert not one.is_stack and float(one.hyper.attention_rate) == float(HYPERS.attention_rate[4])
    assert (one.task, one.config, one.recipe) == (TASK, CONFIG, RECIPE)
    same = lambda found, expected: jax.tree.map(np.testing.assert_array_equal, found, expected)
    same(RUNS[-2].params, one.params)
    same(RUNS[2:5][2], one)
    same(RUNS[np.asarray(RUNS.hyper.attention_rate) == one.hyper.attention_rate][1], one)
    same(RUNS[[4, 0]][0], one)
    assert [int(run.hyper.seed) for run in RUNS] == np.asarray(HYPERS.seed).tolist()


def test_a_seed_gives_the_same_run_alone_and_in_a_stack():
    alone = gj.Run.init(TASK, CONFIG, RECIPE, RUNS[3].hyper)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-6)
    jax.tree.map(close, alone.params, RUNS[3].params)
    assert not np.array_equal(alone.params["W_E"], RUNS[0].params["W_E"])


@pytest.mark.parametrize("place", range(3))
def test_what_a_run_computes_has_its_own_attention_rate(place):
    run = RUNS[place]
    rate = float(run.hyper.attention_rate)
    whole = model.forward(CONFIG, run.params, BATCH.tokens, attention_rate=rate)
    close = lambda found, expected: np.testing.assert_allclose(found, expected, atol=1e-5)
    close(run.forward(BATCH.tokens), whole)
    logits, cache = run.run_with_cache(BATCH.tokens)
    close(logits, whole)
    close(run.logits(BATCH.tokens), whole[:, np.asarray(TASK.read)])
    close(run.logits(BATCH.tokens, {}), whole[:, np.asarray(TASK.read)])
    expected = objective.scores(CONFIG, TASK, RECIPE, run.params, run.hyper, BATCH)
    jax.tree.map(close, run.scores(BATCH), expected)
    close(run.loss(BATCH), expected.loss.mean())
    seen = np.tril(np.ones((TASK.num_positions, TASK.num_positions)))
    softmax = jax.nn.softmax(cache["blocks.0.attn.attn_scores"])
    close(cache["blocks.0.attn.pattern"], rate * softmax + (1 - rate) * seen)


def test_edits_act_and_names_say_what_the_cache_keeps():
    run, edits = RUNS[1], {"blocks.1.attn_out": jnp.zeros_like}
    silent = {name: 0 * leaf if name == "W_O" else leaf for name, leaf in run.params["blocks"][1].items()}
    without = run.replace(params={**run.params, "blocks": [run.params["blocks"][0], silent]})
    np.testing.assert_allclose(run.logits(BATCH.tokens, edits), without.logits(BATCH.tokens), atol=1e-5)
    np.testing.assert_allclose(run.loss(BATCH, edits), without.loss(BATCH), atol=1e-5)
    assert not np.allclose(run.loss(BATCH), without.loss(BATCH), atol=1e-4)
    kept = run.cache(BATCH.tokens, edits, names=lambda name: name.endswith("attn_out"))
    assert list(kept) == ["blocks.0.attn_out", "blocks.1.attn_out"] and not kept["blocks.1.attn_out"].any()
    assert list(run.cache(BATCH.tokens, names=["embed"])) == ["embed"]
    with pytest.raises(ValueError, match="no activation is named nothing; there are"):
        run.cache(BATCH.tokens, names=["nothing"])


def test_a_function_of_one_run_is_lifted_over_a_stack():
    found = gj.map_runs(lambda run: run.loss(BATCH))(RUNS)
    np.testing.assert_allclose(found, [run.loss(BATCH) for run in RUNS], rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(lambda run: run.loss(BATCH))(RUNS), found, rtol=1e-5)


def test_a_run_that_was_read_from_disk_is_one_like_another():
    """numpy arrays, which a traced index cannot pick from."""
    host = jax.tree.map(np.asarray, RUNS[2])
    np.testing.assert_array_equal(jax.jit(host.logits)(BATCH.tokens), jax.jit(RUNS[2].logits)(BATCH.tokens))
    picked = jax.tree.map(np.asarray, RUNS)[2]
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(picked))


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        (RUNS, "6 runs of Addition(num_digits=2, batch_size=4): 2 layers, width 8, 2 heads"),
        (RUNS[3:4], "1 runs of Addition(num_digits=2, batch_size=4): 2 layers, width 8, 2 heads"),
        (RUNS[3], "run of seed 1 of Addition(num_digits=2, batch_size=4): 2 layers, width 8, 2 heads"),
    ],
)
def test_it_says_what_it_is_in_a_line(runs, text):
    assert repr(runs) == text


def test_what_it_refuses():
    with pytest.raises(ValueError, match=r"6 runs of .*: a stack computes nothing by itself"):
        RUNS.logits(BATCH.tokens)
    with pytest.raises(IndexError, match="run 6 of 6 runs: it must be from -6 to 5"):
        RUNS[6]
    with pytest.raises(TypeError, match="is one run, not a stack"):
        len(RUNS[0])
    with pytest.raises(ValueError, match=r"the config has vocabulary=12, but Addition has vocabulary=6"):
        gj.Run(gj.Addition(num_digits=2, base=4), CONFIG, RUNS[0].params)
    with pytest.raises(ValueError, match="num_outputs=10"):
        RUNS.replace(task=dataclasses.replace(TASK, outputs="tokens"))
