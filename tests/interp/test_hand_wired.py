"""Hand-made weights do what they are made for, and the tools find in them what is there and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax import objective
from grokjax.interp import attention, attribution, circuits, composition, hand_wired
from grokjax.interp.addition import evaluation_sets


def margins(run, batch):
    """How far the right answer's logit is above all others (nats)."""
    logits = jax.jit(gj.Run.logits)(run, batch.tokens)
    return -np.asarray(objective.against(logits, batch.labels).max(-1))


@pytest.mark.parametrize(("digits", "base"), [(4, 2), (2, 10), (1, 36)])
def test_every_problem_is_added(digits, base):
    task = gj.Addition(num_digits=digits, base=base)
    found = evaluation_sets.every(task)
    assert margins(hand_wired.adder(task), task.encode(found.a, found.b)).min() > 9.9


@pytest.mark.parametrize(("digits", "base"), [(5, 10), (18, 2), (3, 21)])
def test_every_carry_class_is_added_at_the_limit_of_float32(digits, base):
    task = gj.Addition(num_digits=digits, base=base)
    batch, _ = gj.tasks.stratified(task, random.key(0), 12_000 // digits)
    assert margins(hand_wired.adder(task), batch).min() > 5


def test_the_longest_cascades_are_added_and_decoded_without_being_shown():
    task = gj.Addition()
    run = hand_wired.adder(task)
    digits = lambda numbers: np.array(gj.tasks.digits(numbers, 10, 5), np.int32)
    a, b = [99999, 99999, 0, 50000, 44445, 12345, 90909, 1], [1, 99999, 0, 50000, 55555, 87654, 9091, 99998]
    batch = task.encode(digits(a), digits(b))
    decoded = gj.tasks.decode(jax.jit(lambda tokens: run.forward(tokens, read=task.read)), task, batch)
    assert decoded.exact.all() and np.array_equal(decoded.answers @ 10 ** np.arange(5, -1, -1), np.add(a, b))


def test_it_is_as_small_as_it_says():
    run = hand_wired.adder(gj.Addition())
    leaves = jax.tree.leaves(run.params)
    size, not_0 = sum(leaf.size for leaf in leaves), sum(int((leaf != 0).sum()) for leaf in leaves)
    assert (run.config.mlp_width, size, not_0) == (18, 846, 160)
    shapes = jax.tree.map(lambda leaf: leaf.shape, gj.model.shapes(run.config))
    assert jax.tree.map(jnp.shape, run.params) == shapes


def test_a_wider_stream_in_a_random_basis_computes_the_same():
    task = gj.Addition(num_digits=2, batch_size=64)
    run = hand_wired.adder(task)
    wide = hand_wired.widened(run, random.key(0), 16)
    batch = task.batch(random.key(1))
    np.testing.assert_allclose(margins(wide, batch), margins(run, batch), atol=0.2)
    assert wide.params["W_U"].shape == (16, 10) and (jnp.abs(wide.params["W_E"][1:10]) > 1e-3).all()
    np.testing.assert_allclose(circuits.ov_to_neurons(wide), circuits.ov_to_neurons(run), atol=0.05)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(order="lsb"), "has another format"),
        (dict(num_digits=6), "must be at most 1000000"),
        (dict(mode="single", digit=1), "has another format"),
    ],
)
def test_another_format_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        hand_wired.adder(gj.Addition(**options))
    with pytest.raises(ValueError, match="d_model=3"):
        hand_wired.widened(hand_wired.adder(gj.Addition(num_digits=1)), random.key(0), 3)


def test_the_tools_see_what_the_adder_does():
    """Head 0 weighs the operands by their columns, head 1 the visible digits; the answer is in the neurons
    alone, in steps.
    """
    task = gj.Addition(num_digits=3, batch_size=200)
    run = hand_wired.adder(task)
    batch = task.batch(random.key(0))
    pattern = attention.patterns(run, batch.tokens)[0]
    np.testing.assert_allclose(pattern[0, -1, [0, 1, 2, 4, 5, 6]], np.tile([100, 10, 1], 2) / 222, rtol=1e-4)
    np.testing.assert_allclose(pattern[1, -1, 7:], np.array([10 / 9, 1000, 100, 10]) * 9 / 10_000, rtol=1e-4)
    digits = np.arange(10)
    np.testing.assert_allclose(
        circuits.ov_to_neurons(run)[:, :10, 0], [222 * digits, -10_000 / 9 * digits], rtol=1e-4
    )
    effect = circuits.mlp_out(run)
    rising = np.asarray(run.params["blocks"][0]["b_in"]) > 0
    np.testing.assert_allclose(
        effect[rising] - effect[0, 0], np.broadcast_to(20 * digits, (9, 10)), atol=1e-3
    )
    parts = dict(zip(attribution.full_labels(run), attribution.components(run, batch), strict=False))
    assert not np.any([parts["L0H0"], parts["L0H1"], parts["embed"]])
    constant = -10 * (batch.labels**2 - (digits**2).mean())
    np.testing.assert_allclose(parts["pos_embed"], constant, atol=1e-3)
    np.testing.assert_allclose(parts["0_mlp_out"], 20 * batch.labels * (batch.labels - 4.5), atol=0.5)


TASK = gj.tasks.Induction(vocabulary=8, length=16, piece_length=4, num_repeats=2, batch_size=50)


@pytest.mark.parametrize(("previous", "inducing"), [(0, 2), (1, 0)])
def test_the_induction_pair_stands_where_it_was_planted(previous, inducing):
    run = hand_wired.induction(TASK, random.key(0), previous=previous, inducing=inducing, num_heads=3)
    scores = jax.jit(composition.heads, static_argnums=1)
    pairs, z = jax.jit(composition.pairs_by_k_composition)(run)
    assert pairs[0].tolist() == [0, previous, 1, inducing] and z[0] > 10 and (z[1:] < 5).all()
    assert scores(run, "Q").z.max() < 5 and scores(run, "V").z.max() < 5
    once = jnp.stack([1 + random.permutation(key, 7) for key in random.split(random.key(1), 20)])
    tokens = jnp.pad(jnp.tile(once, 2), ((0, 0), (1, 0)))
    found = jax.jit(attention.head_scores)(run, tokens)
    back, inducers = found.previous_token, found.induction
    assert back[0, previous] > 0.99 and jnp.delete(back.ravel(), previous).max() < 0.5
    assert inducers[1, inducing] > 0.99 and jnp.delete(inducers.ravel(), 3 + inducing).max() < 0.5
    pattern = jax.jit(attention.patterns)(run, tokens)
    np.testing.assert_allclose(attention.at_distance(pattern, 1, 1), back, rtol=1e-5)
    np.testing.assert_allclose(attention.at_distance(pattern, 6, 8), inducers, rtol=1e-5)
    logits = run.forward(tokens)
    assert (logits[:, 8:-1].argmax(-1) == tokens[:, 9:]).all() and objective.cross_entropy(
        logits[:, 8:-1], tokens[:, 9:]
    ).max() < 1e-3
