"""How many runs have left a shelf, as the progress says it."""

import numpy as np

import grokjax as gj
from grokjax.cli import passed


def words(losses, task):
    return passed.words(np.asarray(losses, float)[:, None], passed.levels(task), task)


def test_each_digit_tells_its_highest_level_that_some_runs_have_left():
    task = gj.Addition(num_digits=1)  # columns: digit 0 = units, digit 1 leads
    on_it, left, ended = [2.30, 0.69], [0.1, 0.69], [np.nan, np.nan]
    assert words([on_it, on_it], task) == ""
    assert words([on_it, left, left, ended], task) == "  runs past a level: digit 0 2.3 2/3"
    assert "digit 1" in words([[0.1, 0.69], [0.1, 0.001]], task)
    assert words([[0.001, 0.001]] * 2, task) == ""


def test_a_task_without_levels_says_nothing_and_one_answer_needs_no_digit():
    task = gj.ModularArithmetic(modulus=7)
    assert words([[1.94], [0.1]], task) == "  runs past a level: 1.9 1/2"
    assert passed.words(np.ones((2, 1, 1)), {}, task) == ""
