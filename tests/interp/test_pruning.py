"""A sum over neurons is the tapped edit; neurons that do nothing go first; what only one answer needs is kept
for it.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import pruning

TASK = gj.Addition(num_digits=1, base=4, batch_size=32)
CONFIG = gj.ModelConfig.of(TASK, d_model=8, num_heads=2, d_mlp=6)
RUN = gj.Run.init(TASK, CONFIG, gj.Recipe(), gj.Hyper(init_scale=2.0, attention_rate=0.7))
PARAMS = RUN.params
BATCH = TASK.batch(random.key(1))


def test_a_set_of_neurons_is_the_tapped_edit():
    kept = jnp.array([True, False, True, True, False, False])
    edit = lambda x: jnp.where(kept, x, x.mean(0))
    logits = RUN.logits(BATCH.tokens, {"blocks.0.mlp.post": edit})
    found = pruning.scores(RUN, BATCH, jnp.stack([kept, jnp.ones(6, bool)]))
    np.testing.assert_allclose(
        found.loss[0], gj.objective.cross_entropy(logits, BATCH.labels).mean(0), rtol=1e-4
    )
    right = logits.argmax(-1) == BATCH.labels
    np.testing.assert_allclose(found.accuracy[0], right.mean(0))
    np.testing.assert_allclose(found.exact[0], right.all(1).mean())
    np.testing.assert_allclose(found.loss[1], RUN.scores(BATCH).loss.mean(0), rtol=1e-4)


def test_neurons_that_write_nothing_go_first_and_little_is_lost_with_them():
    block = PARAMS["blocks"][0]
    idle = {**PARAMS, "blocks": [{**block, "W_out": block["W_out"].at[jnp.array([1, 4])].set(0)}]}
    loss = lambda W_U: RUN.replace(params={**idle, "W_U": W_U}).loss(BATCH)
    # so that the others are of some use
    run = RUN.replace(params={**idle, "W_U": idle["W_U"] - 0.3 * jax.grad(loss)(idle["W_U"])})
    when = pruning.greedy(run, BATCH)
    masks = pruning.ranked(when, (5, 4, 2))
    assert (
        sorted(when.tolist()) == list(range(6))
        and masks.sum(1).tolist() == [5, 4, 2]
        and (masks[1:] <= masks[:-1]).all()
    )
    any_two = pruning.ranked(-jnp.arange(6.0), (5, 4, 2))
    found, other = (pruning.scores(run, BATCH, kept).loss.mean(1) for kept in (masks, any_two))
    assert found[1] <= other[1] + 1e-6


def test_the_most_damaging_stay():
    np.testing.assert_array_equal(
        pruning.ranked(jnp.array([0.1, 3, -1, 2]), (3, 1)), [[1, 1, 0, 1], [0, 1, 0, 0]]
    )


def test_the_planted_neuron_is_kept_for_the_answer_that_needs_it():
    assert pruning.greedy(planted(), BATCH, places=(0,)).argmax() == 2


def test_a_short_list_finds_what_the_full_one_finds():
    """The first to go is the one whose removal costs least, tried one by one."""
    alone = pruning.scores(RUN, BATCH, ~jnp.eye(6, dtype=bool)).loss.mean(1)
    for shortlist in (2, 6):
        assert pruning.greedy(RUN, BATCH, shortlist=shortlist).argmin() == alone.argmin()


def planted():
    """Neuron 2 alone tells whether the first answer is 0 or 1, the leading digit; the others write next to
    nothing.
    """
    mid = RUN.cache(BATCH.tokens)["blocks.0.resid_mid"][:, TASK.read[0]]
    fit = jnp.linalg.lstsq(jnp.concatenate([mid, jnp.ones((len(mid), 1))], 1), BATCH.labels[:, 0] * 2.0 - 1)[
        0
    ]
    block = PARAMS["blocks"][0]
    W_in, b_in = block["W_in"].at[:, 2].set(fit[:-1]), block["b_in"].at[2].set(fit[-1])
    W_U = jnp.zeros((8, 4)).at[0, 1].set(9.0).at[0, 0].set(-9.0)
    noise = 0.01 * random.normal(random.key(5), (6, 8))
    block = {**block, "W_in": W_in, "b_in": b_in, "W_out": noise.at[2, 0].set(1.0)}
    return RUN.replace(params={**PARAMS, "W_U": W_U, "blocks": [block]})


def test_layer_norm_is_refused():
    config = dataclasses.replace(CONFIG, layer_norm=True)
    with pytest.raises(ValueError, match="mlp=True, layer_norm=True: pruning needs"):
        pruning.greedy(RUN.replace(config=config), BATCH)
