"""Log-probabilities of an answer digit in every format."""

import jax.numpy as jnp
import numpy as np
import pytest

import grokjax as gj
from grokjax.interp.addition import carry_free, evaluation_sets, predictions


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(mode="parallel"),
        dict(order="lsb", relabel=3),
        dict(outputs="tokens", scratchpad=True),
        dict(mode="single", digit=1),
    ],
)
def test_predictions_are_of_the_digit_and_give_the_loss_of_training(options):
    task = gj.Addition(num_digits=2, base=3, **options)
    config, recipe, hyper = gj.presets.nanda_addition(task, d_model=8, num_heads=2)
    run, found = (
        gj.Run.init(task, config, recipe, hyper.replace(attention_rate=0.6)),
        evaluation_sets.every(task),
    )
    log_probs = predictions.log_probabilities(run, found.tokens, 1)
    assert (jnp.exp(log_probs).sum(1) <= 1 + 1e-5).all()
    labels = task.encode(found.a, found.b).labels
    scores = run.scores(gj.tasks.Batch(found.tokens, labels))
    place = 0 if task.mode == "single" else task.columns.index(1)
    truth = carry_free.digits(found, 3, 1)[:, 1]
    np.testing.assert_allclose(-log_probs[jnp.arange(81), truth], scores.loss[:, place], atol=1e-5)
    with pytest.raises(ValueError, match="digit=7"):
        predictions.log_probabilities(run, found.tokens, 7)
