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
CONFIG = gj.ModelConfig.of(TASK, d_model=12, num_heads=1, d_mlp=8)
RUN = gj.Run(TASK, CONFIG, gj.model.init(CONFIG, random.key(0)))
BATCH = TASK.batch(random.key(1))


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_at_the_last_place_the_logit_lens_is_the_run(layer_norm, rate):
    config = dataclasses.replace(CONFIG, layer_norm=layer_norm, num_layers=2)
    run = gj.Run(TASK, config, gj.model.init(config, random.key(0)), gj.Hyper(attention_rate=rate))
    found = jax.jit(lenses.logit_lens)(run, BATCH)
    assert lenses.names(run)[1:] == (
        "blocks.0.resid_mid",
        "blocks.1.resid_pre",
        "blocks.1.resid_mid",
        "blocks.1.resid_post",
    )
    scores = run.scores(BATCH)
    np.testing.assert_allclose(found.loss[-1], scores.loss.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.accuracy[-1], scores.correct.mean(0), atol=1e-6)


def test_each_answer_of_parallel_mode_has_its_slice():
    task = gj.Addition(num_digits=2, base=4, batch_size=16, mode="parallel")
    config = gj.ModelConfig.of(task, d_model=8, num_heads=1)
    run, batch = gj.Run(task, config, gj.model.init(config, random.key(0))), task.batch(random.key(1))
    found = lenses.logits(run, lenses.streams(run, batch.tokens)[-1])
    np.testing.assert_allclose(found.swapaxes(0, 1), run.logits(batch.tokens), atol=1e-5)


@pytest.fixture
def planted(monkeypatch):
    """Streams in which the answer stands in four axes of the middle place, which W_U does not read, and in
    its own at the end.
    """
    params = {**RUN.params, "W_U": 9 * jnp.eye(12)[:, :4]}
    hot = jax.nn.one_hot(BATCH.labels.T, 4)
    noise = 0.1 * random.normal(random.key(2), (3, 2, 256, 12))
    place = lambda first: jnp.zeros((2, 256, 12)).at[..., first : first + 4].set(hot)
    monkeypatch.setattr(lenses, "streams", lambda *_: noise + jnp.stack([place(0) * 0, place(5), place(0)]))
    return RUN.replace(params=params)


def test_the_tuned_lens_finds_an_answer_that_stands_elsewhere_and_none_where_there_is_none(planted):
    key = random.key(3)
    direct, tuned, mapped = (
        lenses.logit_lens(planted, BATCH),
        lenses.tuned_lens(planted, BATCH, key),
        lenses.translated(planted, BATCH, key),
    )
    assert direct.accuracy[1].max() < 0.7 and direct.accuracy[2].min() > 0.99
    for lens in (tuned, mapped):
        assert lens.accuracy[1:].min() > 0.97 and lens.accuracy[0].max() < 0.7
    assert tuned.loss[1].max() < 0.1 < direct.loss[1].min()


def test_alignment_tells_where_an_answer_stands(planted):
    found = lenses.alignment(planted, BATCH)
    assert found.share[1].max() < 0.1 and found.share[2].min() > 0.9
    assert found.angles.shape == (3, 2, 3) and found.angles[1, 1].min() > 60 and found.angles[2, 1].max() < 20


def test_a_site_that_cannot_hold_the_answer_has_no_alignment():
    """Before attention the stream at `=` is the same for all problems: its class means differ by rounding."""
    found = jax.jit(lenses.alignment)(RUN, BATCH)
    assert lenses.names(RUN)[0] == "blocks.0.resid_pre"
    np.testing.assert_array_equal(found.angles[0, 0], 90)
    assert found.share[0, 0] == 0 and found.share[-1, 0] > 0.01
