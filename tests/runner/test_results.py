"""Planted metrics: where runs ended, when they memorised and generalised, and how a grid is grouped."""

import numpy as np
import pytest

import grokjax as gj
from grokjax.runner import results, settings

TASK = gj.ModularArithmetic(modulus=5)


def planted(memorised, generalised, steps=1000, every=50):
    """Runs whose training set is right from one step on, and whose test set from another (None: never)."""
    at = np.arange(0, steps + 1, every)
    reached = lambda times, first: np.stack(
        [np.where(first >= (np.inf if time is None else time), 1.0, 0.5) for time in times]
    )
    return dict(
        exact_match=reached(memorised, np.arange(steps)),
        test_exact_match=reached(generalised, at),
        test_step=at,
    )


def test_runs_that_generalise_are_counted_with_their_median_step_and_delay():
    metrics = planted([100] * 5, [400, 450, 500, None, 600])
    found = results.generalisation(results.times(metrics, TASK), range(5))
    assert (found["runs"], found["memorised"]) == (4, 5)
    assert found["memorised_step"]["value"] == 100
    assert found["step"]["value"] == 500 and found["delay"]["value"] == 400


def test_a_run_that_has_not_generalised_is_not_dropped():
    """Three of five never do: the median is not reached, which the two that do would hide."""
    metrics = planted([100] * 5, [400, 450, None, None, None])
    found = results.generalisation(results.times(metrics, TASK), range(5))
    assert found["runs"] == 2 and found["step"]["value"] is None and found["delay"]["value"] is None
    part = results.generalisation(results.times(metrics, TASK), [0, 1])
    assert part["runs"] == 2 and part["step"]["value"] == pytest.approx(425)


def test_an_infinite_task_and_a_table_without_a_test_set_have_no_such_times():
    assert results.times(planted([1], [2]), gj.Addition()) is None
    metrics = planted([1], [2])
    assert results.times(metrics | dict(test_exact_match=np.full((1, 21), np.nan)), TASK) is None


def test_the_end_of_a_run_that_stopped_is_its_last_finite_steps():
    values = np.full((3, 100, 1), np.nan)
    values[0], values[1, :60] = 1.0, np.arange(60)[:, None]
    last = results.last_mean(values, 50)
    assert last[:2, 0].tolist() == [1.0, np.arange(10, 60).mean()] and np.isnan(last[2, 0])


def test_runs_are_grouped_by_what_was_swept_but_the_seed():
    hypers = gj.grid(gj.Hyper(), seed=[3, 4], weight_decay=[0.1, 1.0], frozen=[0, gj.freeze("W_E", "W_U")])
    found = settings.of(hypers)
    assert [setting.name for setting in found] == [
        "weight_decay=0.1  frozen=none",
        "weight_decay=0.1  frozen=W_E+W_U",
        "weight_decay=1  frozen=none",
        "weight_decay=1  frozen=W_E+W_U",
    ]
    assert [setting.runs for setting in found] == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert settings.by_run(found)[5] == "weight_decay=0.1  frozen=W_E+W_U"
    one = settings.of(gj.grid(gj.Hyper(), seed=range(3)))
    assert one == [settings.Setting("", [0, 1, 2])] and settings.by_run(one) is None


def test_a_random_search_is_not_cut_into_single_runs():
    hypers = gj.paired(gj.Hyper(), seed=range(40), learning_rate=np.geomspace(1e-4, 1e-2, 40))
    assert [setting.name for setting in settings.of(hypers)] == [""]
