"""A sweep that is asked for in Python: what it is, and one sentence for what cannot be meant."""

import dataclasses

import numpy as np
import pytest

import grokjax as gj
from grokjax.runner.request import Request, made

TASK = gj.Addition(num_digits=1, batch_size=8)


def asked(hypers, **options):
    config, recipe, _ = gj.presets.notes(TASK, d_model=8, num_heads=2)
    return Request(TASK, config, dataclasses.replace(recipe, **options), hypers, steps=10)


def test_knobs_by_name_are_the_objects():
    found = made(digits=3, d_model=16, heads=2, optimizer="sgd", momentum=[0.0, 0.5], seeds=[4, 9], steps=7)
    assert found.task == gj.Addition(num_digits=3)
    assert found.config == gj.ModelConfig.of(found.task, d_model=16, num_heads=2)
    assert (found.recipe, found.steps) == (gj.Recipe(optimizer="sgd"), 7)
    np.testing.assert_array_equal(found.hypers.seed, [4, 4, 9, 9])
    np.testing.assert_array_equal(found.hypers.momentum, [0, 0.5, 0, 0.5])


def test_one_run_twice_is_refused():
    hypers = gj.grid(gj.Hyper(), seed=[1, 2])
    with pytest.raises(ValueError, match="runs 1 and 3 are one run twice"):
        asked(gj.concatenate([hypers, gj.grid(gj.Hyper(), seed=[3, 2])]))


def test_a_grid_over_a_knob_that_does_nothing_is_refused():
    hypers = gj.grid(gj.Hyper(), momentum=[0.0, 0.9])
    with pytest.raises(ValueError, match=r"momentum=.*only sgd and muon have momentum"):
        asked(hypers)
    assert asked(hypers, optimizer="sgd").num_runs == 2


@pytest.mark.parametrize(
    "knobs, words",
    [
        (dict(d_modle=8), ["d_modle=8", "d_model"]),
        (dict(modulus=7), ["modulus=7", "addition", "num_digits"]),
        (dict(task="subtraction"), ["subtraction", "addition"]),
        (dict(steps=0), ["steps=0", "at least 1"]),
        (dict(save="sometimes"), ["save='sometimes'", "every:K"]),
        (dict(num_outputs=12), ["num_outputs=12", "10"]),
        (dict(schedule="cosine"), ["cosine", "decay_steps"]),
        (dict(seeds=2_000_000), ["2000000", "at most"]),
        (dict(seed=3), ["seeds"]),
    ],
)
def test_a_mistake_names_the_value_and_what_is_allowed(knobs, words):
    with pytest.raises(ValueError) as error:
        made(**knobs)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("seeds", ["full", [], ()])
def test_seeds_that_are_none_are_refused_by_their_name(seeds):
    with pytest.raises(ValueError, match=r"^seeds=.* must be how many, or a list of at least one$"):
        made("modular", modulus=5, seeds=seeds, steps=2, epoch_steps=2)
