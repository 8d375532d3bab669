"""A flag that changes nothing says so: where the runs really have the same bits."""

import jax
import numpy as np
import pytest

import grokjax as gj
from grokjax.cli import request

TINY = ["--d_model=8", "--heads=2", "--seeds=1", "--steps=2", "--epoch_steps=2"]
ADDITION = ["--digits=1", "--batch=4", "--evaluation_size=4"]
MODULAR = ["--task=modular", "--modulus=5"]
IDLE = [
    ([*ADDITION, "--nomlp"], "--d_mlp=16", "mlp=False has no MLP"),
    ([*ADDITION, "--nomlp"], "--activation=gelu", "mlp=False has no MLP"),
    (ADDITION, "--max_offset=3", "positions='learned' has no offset"),
    (ADDITION, "--frozen=b_U", "the model has no b_U"),
    (ADDITION, "--frozen=attn_logits+ln", "the model has no attn_logits, ln"),
    (ADDITION, "--table_seed=3", "no table is drawn without num_examples"),
    (MODULAR, "--table_seed=3", "only operation='random' is drawn"),
    (MODULAR, "--evaluation_size=7", "a finite table is evaluated whole"),
]


def asked(argv):
    return request.read([*TINY, *argv])


def bits(argv):
    made = asked(argv).request
    *_, last = gj.train(made.task, made.config, made.recipe, made.hypers, steps=2, epoch_steps=2)
    return jax.tree.leaves((last.on_host().params, last.metrics))


@pytest.mark.parametrize("argv, flag, reason", IDLE)
def test_a_flag_that_changes_nothing_is_said(argv, flag, reason):
    notes = asked([*argv, flag]).notes
    assert [note for note in notes if reason in note] and notes[0].startswith(f"{flag} changes nothing: ")


@pytest.mark.parametrize("argv, flag", [(IDLE[1][0], IDLE[1][1]), (MODULAR, "--evaluation_size=7")])
def test_it_is_so(argv, flag):
    for one, other in zip(bits(argv), bits([*argv, flag]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "argv",
    [
        [*ADDITION, "--unembed_bias", "--frozen=b_U"],
        [*ADDITION, "--layer_norm", "--frozen=ln"],
        [*ADDITION, "--activation=gelu", "--d_mlp=16"],
        [*MODULAR, "--operation=random", "--table_seed=3"],
        ["--digits=1", "--num_examples=9", "--table_seed=3"],
    ],
)
def test_a_flag_that_changes_something_is_not(argv):
    assert asked(argv).notes == []
