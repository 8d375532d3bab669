"""Exact match by the lengths of the operands."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import grokjax as gj
from grokjax.interp.addition import length_generalization

TASK = gj.Addition(num_digits=3, lengths=(1, 2), base=4)


def test_each_set_has_operands_of_its_lengths():
    found = length_generalization.problems(TASK, 5)
    assert found.tokens.shape == (3, 3, 5, TASK.num_positions) and found.labels.shape == (3, 3, 5, 4)
    for first in range(3):
        for second in range(3):
            for tokens in found.tokens[first, second]:
                a, b = TASK.show(tokens).strip("_").split("=")[0].split("+")
                assert (len(a), len(b)) == (first + 1, second + 1)
    with pytest.raises(ValueError, match="lengths=None"):
        length_generalization.problems(gj.Addition(num_digits=2), 5)


def test_a_problem_counts_where_every_answer_is_right():
    config, recipe, hyper = gj.presets.nanda_addition(TASK, d_model=8, num_heads=2)
    run = gj.Run.init(TASK, config, recipe, hyper.replace(attention_rate=0.6))
    batch = length_generalization.problems(TASK, 5)
    flat = jax.tree.map(lambda leaf: jnp.asarray(leaf).reshape(-1, leaf.shape[-1]), batch)
    said = run.logits(flat.tokens).argmax(-1)
    # labels that the run gives itself, spoilt in one digit of some problems
    spoilt = np.random.default_rng(0).random(len(said)) < 0.4
    labels = said.at[:, 1].add(spoilt) % 4
    found = length_generalization.exact_match(run, batch._replace(labels=labels.reshape(batch.labels.shape)))
    np.testing.assert_allclose(found, 1 - spoilt.reshape(3, 3, 5).mean(-1), atol=1e-6)
    assert length_generalization.exact_match(run, flat).shape == ()
