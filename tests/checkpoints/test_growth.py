"""Runs that are added anywhere in a grid: the recorded ones stay first, and refusals are in typed numbers."""

import numpy as np

import grokjax as gj
from grokjax.checkpoints import growth
from grokjax.checkpoints import spec as specs


def columns(**lists):
    return specs.columns(gj.grid(gj.Hyper(), **lists))


def test_recorded_runs_stay_first_and_new_ones_follow_in_the_order_asked():
    recorded, asked = columns(seed=[0, 1], weight_decay=[0.1]), columns(seed=[0, 1, 2], weight_decay=[0.1, 1])
    order = growth.order(recorded, asked)
    assert sorted(order) == list(range(6))
    found = {name: column[order] for name, column in asked.items()}
    for name, column in recorded.items():
        np.testing.assert_array_equal(found[name][:2], column)
    new = list(zip(found["seed"][2:].tolist(), found["weight_decay"][2:].tolist(), strict=True))
    assert new == [(0, 1.0), (1, 1.0), (2, float(np.float32(0.1))), (2, 1.0)]


def test_a_recorded_run_that_is_not_asked_for_has_no_order():
    assert (
        growth.order(columns(seed=[0, 1], weight_decay=[0.1]), columns(seed=[0, 1], weight_decay=[1])) is None
    )
    assert growth.order(columns(seed=[0, 1]), columns(seed=[0])) is None


def test_the_advice_names_all_values_as_they_were_typed():
    recorded = columns(seed=[0], weight_decay=[0.1, 0.3], learning_rate=[1e-3])
    asked = columns(seed=[0], weight_decay=[1], learning_rate=[1e-3, 3e-3])
    assert growth.advice(recorded, asked).endswith("the recorded ones too: weight_decay=0.1,0.3,1")
    assert growth.advice(recorded, recorded) == ""
