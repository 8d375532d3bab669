"""Composition scores against the matrices written out, and the baseline against draws from it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import composition

TASK = gj.ModularArithmetic(modulus=4)
CONFIG = gj.ModelConfig.of(TASK, num_layers=2, d_model=12, num_heads=2, d_head=3, d_mlp=7)
PARAMS = jax.tree.map(np.asarray, gj.model.init(CONFIG, random.key(0)))
RUN = gj.Run(TASK, CONFIG, PARAMS)
FIRST, SECOND = PARAMS["blocks"]
scores = jax.jit(composition.heads, static_argnums=1)


def ov(p, head):
    return p["W_V"][:, head] @ p["W_O"][head]


def qk(p, head):
    return p["W_Q"][:, head] @ p["W_K"][:, head].T


def score(left, right):
    return np.linalg.norm(left @ right) / np.linalg.norm(left) / np.linalg.norm(right)


@pytest.mark.parametrize(("into", "right"), [("Q", qk), ("K", lambda p, head: qk(p, head).T), ("V", ov)])
def test_a_score_is_that_of_the_whole_matrices(into, right):
    found = scores(RUN, into).score
    for head in range(2):
        for later in range(2):
            np.testing.assert_allclose(
                found[0, head, 1, later], score(ov(FIRST, head), right(SECOND, later)), rtol=1e-5
            )
    assert not found[1].any() and not found[:, :, 0].any() and not scores(RUN, into).z[1].any()


def test_neurons_and_the_unembedding():
    to_neurons = composition.heads_to_neurons(RUN).score
    assert to_neurons.shape == (2, 2, 2, 7) and not to_neurons[1, :, 0].any()
    np.testing.assert_allclose(to_neurons[0, 1, 0, 3], score(ov(FIRST, 1), FIRST["W_in"][:, 3:4]), rtol=1e-5)
    np.testing.assert_allclose(to_neurons[0, 1, 1, 2], score(ov(FIRST, 1), SECOND["W_in"][:, 2:3]), rtol=1e-5)
    centred = PARAMS["W_U"] - PARAMS["W_U"].mean(1, keepdims=True)
    neurons, heads = (
        outward(RUN).score
        for outward in (composition.neurons_to_unembedding, composition.heads_to_unembedding)
    )
    np.testing.assert_allclose(neurons[1, 4], score(SECOND["W_out"][4:5], centred), rtol=1e-5)
    np.testing.assert_allclose(heads[1, 0], score(ov(SECOND, 0), centred), rtol=1e-5)
    back = composition.neurons_to_heads(RUN, "V").score
    np.testing.assert_allclose(back[0, 2, 1, 1], score(FIRST["W_out"][2:3], ov(SECOND, 1)), rtol=1e-5)
    assert back.shape == (2, 7, 2, 2) and not back[1].any()


def turned(key):
    """The same run, the second layer seen in a random basis of the stream."""
    rotation = jnp.linalg.qr(random.normal(key, (12, 12)))[0] * random.rademacher(key, (12,), float)
    second = {
        **SECOND,
        **{name: jnp.tensordot(rotation, SECOND[name], 1) for name in ("W_Q", "W_K", "W_V")},
    }
    return RUN.replace(params={**PARAMS, "blocks": [FIRST, second]})


@pytest.mark.parametrize("into", ["Q", "V"])
def test_the_baseline_is_that_of_random_bases_with_the_same_spectra(into):
    draws = jax.jit(jax.vmap(lambda key: composition.heads(turned(key), into)))(
        random.split(random.key(1), 4000)
    )
    squared, z = draws.score[:, 0, :, 1] ** 2, draws.z[:, 0, :, 1]
    np.testing.assert_allclose(squared.mean(0), 1 / 12, rtol=0.05)
    np.testing.assert_allclose(z.mean(0), 0, atol=0.08)
    np.testing.assert_allclose(z.std(0), 1, atol=0.08)


def test_a_dead_head_composes_with_nothing():
    dead = {**PARAMS, "blocks": [{**FIRST, "W_O": FIRST["W_O"] * np.array([0, 1])[:, None, None]}, SECOND]}
    found = scores(RUN.replace(params=dead), "K")
    assert (
        not found.score[0, 0].any()
        and not found.z[0, 0].any()
        and np.isfinite(found.z).all()
        and found.score[0, 1, 1].all()
    )


def test_a_planted_pair_comes_first_and_by_far():
    """The keys of head 1.0 read the three directions that head 0.1 writes; no query and no value does."""
    writes = FIRST["W_O"][1].T
    planted = {**PARAMS, "blocks": [FIRST, {**SECOND, "W_K": SECOND["W_K"].copy()}]}
    planted["blocks"][1]["W_K"][:, 0] = writes
    pairs, z = jax.jit(composition.pairs_by_k_composition)(RUN.replace(params=planted))
    assert (
        pairs.shape == (4, 4)
        and pairs[0].tolist() == [0, 1, 1, 0]
        and z[0] > 4
        and z[1] < 3
        and (jnp.diff(z) <= 0).all()
    )
    for into in "QV":
        assert abs(scores(RUN.replace(params=planted), into).z).max() < 3


def test_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match="into='O' must be one of Q, K, V"):
        composition.heads(RUN, "O")
    config = dataclasses.replace(CONFIG, attention="uniform")
    frozen = gj.Run(TASK, config, gj.model.init(config, random.key(0)))
    with pytest.raises(ValueError, match="attention='uniform' has no queries and keys; only 'live'"):
        composition.heads(frozen, "Q")
    assert composition.heads(frozen, "V").score[0, :, 1].all()
