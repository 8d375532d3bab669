"""Ablation of heads, neurons, positions and components; the short cuts of the last block against the tapped
edit.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax import objective
from grokjax.interp import ablation

TASK = gj.DigitwiseAddition(num_digits=1, base=4, batch_size=32)
BATCH = TASK.batch(random.key(1))


def made(task=TASK, rate=1.0, **options):
    config = gj.ModelConfig.of(task, **{"d_model": 8, "num_heads": 2, "d_mlp": 6, **options})
    hyper = gj.Hyper(init_scale=2.0, attention_rate=rate)
    return gj.Run(task, config, gj.model.init(config, random.key(0), hyper), hyper)


RUN = made()


def edited(**weights):
    block = RUN.params["blocks"][0]
    block = {**block, **{name: edit(block[name]) for name, edit in weights.items()}}
    return RUN.replace(params={**RUN.params, "blocks": [block]})


def test_a_unit_that_is_read_nowhere_can_go():
    damage = ablation.neurons(edited(W_out=lambda w: w.at[2].set(0)), BATCH)
    assert damage.log_odds.shape == (1, 6, 1, 1)
    np.testing.assert_allclose(damage.log_odds[0, 2], 0, atol=1e-6)
    assert (np.abs(damage.log_odds[0, :, 0, 0]) > 1e-5).sum() >= 4
    damage = ablation.heads(edited(W_O=lambda w: w.at[1].set(0)), BATCH)
    assert damage.loss.shape == (1, 2, 1, 1) and np.abs(damage.loss[0, 0]) > 1e-3
    np.testing.assert_allclose(damage.loss[0, 1], 0, atol=1e-6)


def test_ablation_of_the_only_head_leaves_its_mean():
    """With the MLP off and one head the logits vary with the head alone, so its ablation makes them those of
    the mean.
    """
    run = made(num_heads=1, mlp=False)
    logits = run.logits(BATCH.tokens)
    loss = lambda logits: gj.objective.cross_entropy(logits, BATCH.labels).mean()
    expected = loss(jnp.broadcast_to(logits.mean(0), logits.shape)) - loss(logits)
    np.testing.assert_allclose(ablation.heads(run, BATCH).loss[0, 0, 0, 0], expected, atol=1e-5)


@functools.partial(jax.jit, static_argnums=3)
def of_the_edit(run, batch, groups, name, unit):
    """The three rises by a tapped edit, from the definitions."""

    def scored(edits):
        logits = run.run_with_cache(batch.tokens, edits)[0][:, np.asarray(run.task.read)]
        logits = objective.by_answer(run.task, logits)
        against = objective.against(logits, batch.labels)
        return (
            jax.nn.logsumexp(against, -1),
            objective.cross_entropy(logits, batch.labels),
            (against.max(-1) >= 0).astype(float),
        )

    edit = lambda x: x.at[:, :, unit].set(x[::-1, :, unit])
    return [groups @ (after - before) for after, before in zip(scored({name: edit}), scored({}), strict=True)]


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        (dict(num_layers=2, activation="gelu"), "sequence"),
        (dict(num_layers=2, layer_norm=True), "sequence"),
        (dict(mlp=False), "sequence"),
        (dict(), "parallel"),
        (dict(mask="full", unembed_bias=True), "single"),
    ],
)
def test_short_cuts_are_the_tapped_edit(changes, mode):
    """Every head and neuron of every layer, in groups, replaced by another example's."""
    task = gj.Addition(num_digits=2, base=3, mode=mode, digit=1 if mode == "single" else None, batch_size=20)
    run, batch = made(task, 0.7, d_mlp=5, **changes), task.batch(random.key(1))
    classes = jnp.arange(20) % 3
    groups = ablation.groups(classes, 3)
    options = dict(by=lambda x: x[::-1], groups=groups)
    units = [(ablation.heads, "attn.result", 2)] + [(ablation.neurons, "mlp.post", 5)] * run.config.mlp
    for function, name, size in units:
        found = jax.jit(functools.partial(function, **options))(run, batch)
        for layer in range(run.config.num_layers):
            for unit in range(size):
                expected = of_the_edit(run, batch, groups, f"blocks.{layer}.{name}", unit)
                for rise, wanted in zip(found, expected, strict=True):
                    np.testing.assert_allclose(rise[layer, unit], wanted, atol=2e-4, rtol=2e-4)


def test_groups_average_over_their_own():
    weights = ablation.groups(jnp.array([0, 1, 1, 3]), 4)
    np.testing.assert_allclose(weights[:3], [[0.25] * 4, [1, 0, 0, 0], [0, 0.5, 0.5, 0]])
    assert np.isnan(weights[3]).all() and weights.shape == (5, 4)


def test_a_position_that_is_not_read_can_go_and_all_that_is_written_counts():
    """The units' operands do not matter to digit 1 of a digitwise sum whose attention is cut off."""
    found = ablation.positions(RUN, BATCH)
    assert found.loss.shape == (1, BATCH.tokens.shape[1], 1, 1)
    alone = ablation.positions(edited(W_V=jnp.zeros_like), BATCH).loss[0, :, 0, 0]
    read = TASK.read[0]
    np.testing.assert_allclose(np.delete(alone, read), 0, atol=1e-5)
    names = ablation.components(RUN, BATCH, by=ablation.zero)
    assert list(names) == ["embed", "pos_embed", "blocks.0.attn_out", "blocks.0.mlp_out"]
    silent = edited(W_out=jnp.zeros_like, b_out=jnp.zeros_like)
    assert np.allclose(ablation.components(silent, BATCH)["blocks.0.mlp_out"].loss, 0, atol=1e-5)


def test_replacements():
    x = jnp.arange(6.0).reshape(3, 2)
    assert (
        (ablation.zero(x) == 0).all()
        and (ablation.mean(x) == x.mean(0)).all()
        and (ablation.constant(2.0)(x) == 2).all()
    )
    assert sorted(ablation.resampled(random.key(0))(x)[:, 0].tolist()) == [0, 2, 4]


def test_no_neurons_without_an_mlp():
    with pytest.raises(ValueError, match="there are no neurons"):
        ablation.neurons(made(mlp=False), BATCH)


@pytest.mark.parametrize(
    ("damage", "units"),
    [([0.1, 8, 1, 0.9], [1, 2]), ([-5, 1, 1, 1], [1, 2, 3]), ([0, 0], []), ([-1, -1], [])],
)
def test_the_units_that_hold_most(damage, units):
    assert ablation.units_for(np.array(damage)).tolist() == units
