"""Classes of problems, against Python's own arithmetic."""

import numpy as np
import pytest

import grokjax as gj
from grokjax.interp.addition import evaluation_sets, features

BASE, DIGITS = 4, 3
TASK = gj.Addition(num_digits=DIGITS, base=BASE)
EVERY = evaluation_sets.every(TASK)
PLACE = BASE ** np.arange(DIGITS)
A, B = EVERY.a @ PLACE, EVERY.b @ PLACE


@pytest.mark.parametrize("digit", range(DIGITS + 1))
def test_carries_and_answers_are_those_of_the_numbers(digit):
    below = BASE**digit
    np.testing.assert_array_equal(features.carry(EVERY, BASE, digit), A % below + B % below >= below)
    np.testing.assert_array_equal(features.answer_digit(EVERY, BASE, digit), (A + B) // below % BASE)


@pytest.mark.parametrize("digit", range(DIGITS))
def test_a_column_is_described_by_its_pair(digit):
    a, b = EVERY.a[:, digit], EVERY.b[:, digit]
    np.testing.assert_array_equal(features.operands(EVERY, digit), [a, b])
    np.testing.assert_array_equal(features.pair(EVERY, BASE, digit), a * BASE + b)
    np.testing.assert_array_equal(features.carry_free_digit(EVERY, BASE, digit), (a + b) % BASE)
    np.testing.assert_array_equal(features.kind(EVERY, BASE, digit), np.sign(a + b - (BASE - 1)) + 1)
    np.testing.assert_array_equal(features.propagates(EVERY, BASE, digit), a + b == BASE - 1)


def test_a_chain_ends_where_a_column_decides():
    a, b = np.array([[1, 3, 0], [2, 2, 0], [0, 3, 2]]), np.array([[2, 0, 0], [2, 1, 0], [0, 0, 1]])
    some = evaluation_sets.Problems(np.zeros((3, 0), int), a, b, np.full(3, 1 / 3))
    assert features.chain(some, BASE, 3).tolist() == [0, 0, 2]
    assert features.chain(some, BASE, 2).tolist() == [2, 1, 1]
    assert features.chain(some, BASE, 0).tolist() == [0, 0, 0]
    assert features.cascade_class(some, BASE).tolist() == [0, 2, 0]


def test_a_control_class_is_a_function_of_the_pair_alone_and_even():
    control, pair = np.asarray(features.control(EVERY, BASE, 1)), np.asarray(features.pair(EVERY, BASE, 1))
    table = [np.unique(control[pair == one]) for one in range(BASE**2)]
    assert all(len(classes) == 1 for classes in table) and np.concatenate(table).sum() == BASE**2 / 2
    assert (np.asarray(features.control(EVERY, BASE, 1, seed=1)) != control).any()
