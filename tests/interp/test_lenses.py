"""The last place is the model; a planted answer is read by the lens that can; what is not there is read by
none.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import lenses

TASK = gj.Addition(num_digits=1, base=4, batch_size=256)
CONFIG = gj.ModelConfig(**gj.tasks.shape(TASK), d_model=12, num_heads=1, d_mlp=8)
PARAMS = gj.model.init(CONFIG, random.key(0))
BATCH = TASK.batch(random.key(1))


@pytest.mark.parametrize("layer_norm", [False, True])
def test_at_the_last_place_the_logit_lens_is_the_model(layer_norm):
    config = dataclasses.replace(CONFIG, layer_norm=layer_norm, num_layers=2)
    params = gj.model.init(config, random.key(0))
    loss = gj.objective.cross_entropy(
        gj.objective.logits_of(config, TASK, params, BATCH.tokens), BATCH.labels
    ).mean(0)
    found = lenses.logit_lens(config, TASK, params, BATCH)
    assert lenses.names(config)[1:] == (
        "blocks.0.resid_mid",
        "blocks.1.resid_pre",
        "blocks.1.resid_mid",
        "blocks.1.resid_post",
    )
    np.testing.assert_allclose(found.loss[-1], loss, rtol=1e-5)


def test_each_answer_of_parallel_mode_has_its_slice():
    task = gj.Addition(num_digits=2, base=4, batch_size=16, mode="parallel")
    config = gj.ModelConfig(**gj.tasks.shape(task), d_model=8, num_heads=1)
    params, batch = gj.model.init(config, random.key(0)), task.batch(random.key(1))
    expected = gj.objective.logits_of(config, task, params, batch.tokens)
    found = lenses.logits(config, task, params, lenses.streams(config, task, params, batch.tokens)[-1])
    np.testing.assert_allclose(found.swapaxes(0, 1), expected, atol=1e-5)


@pytest.fixture
def planted(monkeypatch):
    """Streams in which the answer stands in four axes of the middle place, which W_U does not read, and in
    its own at the end.
    """
    params = {**PARAMS, "W_U": 9 * jnp.eye(12)[:, :4]}
    hot = jax.nn.one_hot(BATCH.labels.T, 4)
    noise = 0.1 * random.normal(random.key(2), (3, 2, 256, 12))
    place = lambda first: jnp.zeros((2, 256, 12)).at[..., first : first + 4].set(hot)
    monkeypatch.setattr(lenses, "streams", lambda *_: noise + jnp.stack([place(0) * 0, place(5), place(0)]))
    return params


def test_the_tuned_lens_finds_an_answer_that_stands_elsewhere_and_none_where_there_is_none(planted):
    key = random.key(3)
    direct, tuned, mapped = (
        lenses.logit_lens(CONFIG, TASK, planted, BATCH),
        lenses.tuned_lens(CONFIG, TASK, planted, BATCH, key),
        lenses.translated(CONFIG, TASK, planted, BATCH, key),
    )
    assert direct.accuracy[1].max() < 0.7 and direct.accuracy[2].min() > 0.99
    for lens in (tuned, mapped):
        assert lens.accuracy[1:].min() > 0.97 and lens.accuracy[0].max() < 0.7
    assert tuned.loss[1].max() < 0.1 < direct.loss[1].min()


def test_alignment_tells_where_an_answer_stands(planted):
    found = lenses.alignment(CONFIG, TASK, planted, BATCH)
    assert found.share[1].max() < 0.1 and found.share[2].min() > 0.9
    assert found.angles.shape == (3, 2, 3) and found.angles[1, 1].min() > 60 and found.angles[2, 1].max() < 20
