"""Products of weights in readable bases, held to what the model computes."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import circuits

TASK = gj.Addition(num_digits=1, base=4, batch_size=5)
CONFIG = gj.ModelConfig.of(TASK, d_model=8, num_heads=2, d_mlp=6)
RUN = gj.Run(TASK, CONFIG, gj.model.init(CONFIG, random.key(0), gj.Hyper(init_scale=2.0)))
TOKENS = TASK.batch(random.key(1)).tokens
caching = jax.jit(lambda run, tokens: run.run_with_cache(tokens))
BASES = ("token", "position")
ROWS = dict(token=TOKENS, position=jnp.broadcast_to(jnp.arange(TASK.num_positions), TOKENS.shape))


def with_norms(config, key):
    """A run with layer norms whose gains and biases are not trivial."""
    config = dataclasses.replace(config, layer_norm=True)
    noise = lambda leaf: leaf + 0.3 * random.normal(random.fold_in(key, leaf.size), leaf.shape)
    return gj.Run(TASK, config, jax.tree.map(noise, gj.model.init(config, key)))


@pytest.mark.parametrize("norm", [False, True])
def test_the_scores_of_a_first_layer_are_sums_over_the_bases(norm):
    """With a layer norm this holds up to the scale that each place is divided by."""
    config = dataclasses.replace(CONFIG, layer_norm=norm)
    params = gj.model.init(config, random.key(0))
    if norm:
        params["blocks"][0]["ln1"]["w"] = random.normal(random.key(4), (8,))
    run = gj.Run(TASK, config, params)
    cache = caching(run, TOKENS)[1]
    scale = jnp.sqrt(cache["blocks.0.resid_pre"].var(-1) + 1e-5) if norm else jnp.ones(TOKENS.shape)
    found = sum(
        circuits.qk(run, query_of=query, key_of=key)[:, ROWS[query][:, :, None], ROWS[key][:, None, :]]
        for query, key in itertools.product(BASES, BASES)
    )
    scores = jnp.moveaxis(cache["blocks.0.attn.attn_scores"], 1, 0) * scale[:, :, None] * scale[:, None, :]
    np.testing.assert_allclose(np.where(np.isfinite(scores), found, -np.inf), scores, atol=2e-5)


@pytest.mark.parametrize("rate", [0.3, 1.0])
def test_the_neurons_of_a_first_layer_are_sums_over_the_bases(rate):
    run = RUN.replace(hyper=gj.Hyper(attention_rate=rate))
    cache = caching(run, TOKENS)[1]
    attended = sum(circuits.ov_to_neurons(run, of=of)[:, ROWS[of]] for of in BASES)
    own = sum(circuits.mlp_in(run, of=of)[ROWS[of]] for of in BASES)
    pattern, bias = cache["blocks.0.attn.pattern"], run.params["blocks"][0]["b_in"]
    found = jnp.einsum("bhqp,hbpm->bqm", pattern, attended) + own + bias
    np.testing.assert_allclose(found, cache["blocks.0.mlp.pre"], atol=2e-5)


def test_scores_by_position_alone_are_found_to_be_so():
    without = lambda name: RUN.replace(params={**RUN.params, name: 0 * RUN.params[name]})
    scored = jax.jit(circuits.score_shares)
    found = scored(RUN, TOKENS)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    assert found.shape == (2, 4) and (found > 0.01).all()
    for name, shares in (("W_E", [1, 0, 0, 0]), ("W_pos", [0, 0, 0, 1])):
        expected = np.broadcast_to(shares, (2, 4))
        np.testing.assert_allclose(scored(without(name), TOKENS), expected, atol=1e-6)


def test_direct_paths_and_heads_sum_to_the_logits_without_an_mlp():
    config = dataclasses.replace(CONFIG, mlp=False)
    run = gj.Run(TASK, config, gj.model.init(config, random.key(2), gj.Hyper()))
    logits, cache = caching(run, TOKENS)
    pattern = cache["blocks.0.attn.pattern"]
    values = circuits.ov(run)[:, TOKENS] + circuits.ov(run, of="position")[:, None]
    found = jnp.einsum("bhqp,hbpv->bqv", pattern, values) + circuits.direct(run)[TOKENS]
    np.testing.assert_allclose(found + circuits.direct(run, of="position"), logits, atol=1e-5)
    written = circuits.ov_to_stream(run)[:, TOKENS] + circuits.ov_to_stream(run, of="position")[:, None]
    result = jnp.moveaxis(cache["blocks.0.attn.result"], 2, 0)
    np.testing.assert_allclose(jnp.einsum("bhqp,hbpd->hbqd", pattern, written), result, atol=1e-5)


def test_a_neuron_speaks_through_its_output_weights():
    logits = caching(RUN, TOKENS)[0]
    edit = {"blocks.0.mlp.post": lambda post: post.at[..., 3].add(1)}
    moved = RUN.run_with_cache(TOKENS, edit)[0] - logits
    expected = jnp.broadcast_to(circuits.mlp_out(RUN)[3], moved.shape)
    np.testing.assert_allclose(moved, expected, atol=1e-5)


def planted():
    """Head 1 copies: it moves each token's one-hot row to its own logit. Head 0 is empty."""
    task = gj.ModularArithmetic(modulus=3)
    config = gj.ModelConfig.of(task, d_model=8, num_heads=2, d_head=4, mlp=False)
    params = jax.tree.map(jnp.zeros_like, gj.model.init(config, random.key(0)))
    params |= dict(W_E=jnp.eye(4, 8), W_U=jnp.eye(8, 4, k=-4))
    params["blocks"][0] |= dict(
        W_V=params["blocks"][0]["W_V"].at[:4, 1].set(jnp.eye(4)),
        W_O=params["blocks"][0]["W_O"].at[1, :, 4:].set(jnp.eye(4)),
    )
    return gj.Run(task, config, params)


def test_a_planted_head_is_read_off_and_the_other_is_empty():
    run = planted()
    found = circuits.ov(run)
    np.testing.assert_array_equal(found[1], np.eye(4))
    np.testing.assert_array_equal(circuits.ov(run, of="symbol"), found[:, :3])
    assert not found[0].any() and not circuits.qk(run).any() and not circuits.direct(run).any()


def test_a_copying_head_has_the_score_1_and_its_negative_minus_1():
    run = planted()
    W_O = run.params["blocks"][0]["W_O"]
    negative = {**run.params["blocks"][0], "W_O": W_O.at[0].set(-W_O[1])}
    negative["W_V"] = negative["W_V"].at[:, 0].set(negative["W_V"][:, 1])
    score = jax.jit(circuits.copying_score)
    np.testing.assert_allclose(score(run), [0, 1], atol=1e-6)
    both = run.replace(params=run.params | dict(blocks=[negative]))
    np.testing.assert_allclose(score(both), [-1, 1], atol=1e-6)


@pytest.mark.parametrize("norm", [False, True])
def test_singular_values_and_eigenvalues_are_those_of_the_whole_matrices(norm):
    run = with_norms(CONFIG, random.key(5)) if norm else RUN
    block = {name: np.asarray(circuits.reading(run, 0, name), float) for name in ("W_Q", "W_K", "W_V")}
    W_O, W_E = np.asarray(run.params["blocks"][0]["W_O"], float), np.asarray(run.params["W_E"], float)[:4]
    out = np.asarray(circuits.unembedding(run), float)
    sorted_ = lambda x: np.sort_complex(np.round(x, 4))
    for head in range(2):
        ov = block["W_V"][:, head] @ W_O[head]
        qk = block["W_Q"][:, head] @ block["W_K"][:, head].T / 2
        for whole, found in ((ov, circuits.ov_svd(run)), (qk, circuits.qk_svd(run))):
            U, S, V = (np.asarray(x[head]) for x in found)
            np.testing.assert_allclose(U * S @ V.T, whole, atol=1e-5)
            np.testing.assert_allclose(S, np.linalg.svd(whole, compute_uv=False)[:4], rtol=1e-4)
            for basis in (U, V):
                np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-5)
        for whole, found in (
            (W_E @ ov @ out, circuits.ov_eigenvalues(run)),
            (ov, circuits.ov_eigenvalues(run, of="stream")),
            (W_E @ qk @ W_E.T, circuits.qk_eigenvalues(run, of="symbol")),
        ):
            expected = np.linalg.eigvals(whole)
            expected = expected[np.argsort(-abs(expected))[:4]]
            np.testing.assert_allclose(sorted_(found[head]), sorted_(expected), atol=2e-4)


def test_bases_and_what_is_not_there_is_refused():
    relabelled = gj.Addition(num_digits=1, base=4, relabel=3)
    run = gj.Run(relabelled, CONFIG, RUN.params)
    tokens = relabelled.encode(np.arange(4)[:, None], np.zeros((4, 1), int)).tokens
    np.testing.assert_array_equal(circuits.basis(run, "symbol"), RUN.params["W_E"][tokens[:, 0]])
    with pytest.raises(ValueError, match="'position' with positions='none'"):
        none = dataclasses.replace(CONFIG, positions="none")
        circuits.direct(gj.Run(TASK, none, RUN.params), of="position")
    with pytest.raises(ValueError, match="attention='uniform' has no queries"):
        circuits.qk(gj.Run(TASK, dataclasses.replace(CONFIG, attention="uniform"), RUN.params))
    induction = gj.tasks.Induction(vocabulary=7, length=16, piece_length=4, num_repeats=2)
    with pytest.raises(ValueError, match="Induction has no symbols with a value"):
        circuits.symbols(gj.Run(induction, gj.ModelConfig.of(induction, d_model=8, num_heads=2), {}))
    parallel = gj.Addition(num_digits=1, base=4, mode="parallel")
    config = gj.ModelConfig.of(parallel, d_model=8, num_heads=2)
    with pytest.raises(ValueError, match="2 answers at 1 positions"):
        circuits.copying_score(gj.Run(parallel, config, gj.model.init(config, random.key(0))))
