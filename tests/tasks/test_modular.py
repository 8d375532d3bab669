"""Modular arithmetic: every pair once, in row order, with the right answer."""

import jax
import numpy as np
import pytest

from grokjax import tasks
from grokjax.tasks import ModularArithmetic, modular

ANSWERS = {
    "add": lambda a, b, p: a + b,
    "subtract": lambda a, b, p: a - b,
    "multiply": lambda a, b, p: a * b,
    "squares": lambda a, b, p: a**2 + b**2,
    "quadratic": lambda a, b, p: a**2 + a * b + b**2,
    "quadratic_linear": lambda a, b, p: a**2 + a * b + b**2 + a,
    "cubic": lambda a, b, p: a**3 + a * b,
    "cubic_mixed": lambda a, b, p: a**3 + a * b**2 + b,
}


@pytest.mark.parametrize("operation", ANSWERS)
@pytest.mark.parametrize("modulus", [2, 7, 12])
def test_the_table_has_every_pair_in_row_order(operation, modulus):
    rows = [(a, b) for a in range(modulus) for b in range(modulus)]
    for given in (operation, modular.FORMULAS[operation]):
        batch = ModularArithmetic(modulus, given).table()
        assert batch.tokens.tolist() == [[a, b, modulus] for a, b in rows]
        assert batch.labels.tolist() == [[ANSWERS[operation](a, b, modulus) % modulus] for a, b in rows]
        assert batch.tokens.dtype == batch.labels.dtype == np.int32


def test_a_large_cube_does_not_overflow():
    task = ModularArithmetic(997, "cubic_mixed")
    a, b, answer = 996, 995, task.table().labels[996 * 997 + 995, 0]
    assert answer == (a**3 + a * b**2 + b) % 997


@pytest.mark.parametrize("modulus, divisors", [(2, [1]), (7, [1, 2, 3, 4, 5, 6]), (12, [1, 5, 7, 11])])
def test_division_takes_the_divisors_that_have_an_inverse(modulus, divisors):
    tokens, labels = ModularArithmetic(modulus, "a/b").table()
    assert tokens[:, :2].tolist() == [[a, b] for a in range(modulus) for b in divisors]
    assert (labels[:, 0] * tokens[:, 1] % modulus == tokens[:, 0]).all()


@pytest.mark.parametrize("modulus, seconds", [(7, range(7)), (9, [0, 1, 2, 4, 5, 6, 7, 8])])
def test_the_parity_operation_divides_by_odd_numbers_and_subtracts_even_ones(modulus, seconds):
    tokens, labels = ModularArithmetic(modulus, "a/b if b odd else a-b").table()
    assert tokens[:, :2].tolist() == [[a, b] for a in range(modulus) for b in seconds]
    a, b, odd = tokens[:, 0], tokens[:, 1], tokens[:, 1] % 2 == 1
    assert (labels[odd, 0] * b[odd] % modulus == a[odd]).all()
    assert (labels[~odd, 0] == (a - b)[~odd] % modulus).all()


def cube_of_the_sum(a, b):
    return (a + b) ** 3


def test_a_function_of_the_users_is_an_operation():
    task = ModularArithmetic(11, cube_of_the_sum)
    tokens, labels = task.table()
    assert (labels[:, 0] == (tokens[:, 0] + tokens[:, 1]) ** 3 % 11).all()
    assert task.formula == "cube_of_the_sum" and task == ModularArithmetic(11, cube_of_the_sum)
    with pytest.raises(ValueError, match=r"gave float64\[121\]; it must give integers"):
        ModularArithmetic(11, lambda a, b: a / 2).table()


def test_an_operation_is_recorded_by_its_name_however_it_was_given():
    assert ModularArithmetic(7, "a^2+ab+b^2") == ModularArithmetic(7, "quadratic")
    assert ModularArithmetic(7, "a^2+ab+b^2").operation == "quadratic"


def test_a_batch_is_drawn_from_the_table():
    task = ModularArithmetic(5, "divide")
    batch = jax.tree.map(np.asarray, task.batch(jax.random.key(0), 400))
    rows = {tuple(row) for row in np.concatenate(task.table(), 1).tolist()}
    assert {tuple(row) for row in np.concatenate(batch, 1).tolist()} == rows
    with pytest.raises(ValueError, match="size=None"):
        task.batch(jax.random.key(0))


def test_levels_are_the_entropies_of_the_table():
    assert tasks.exact_levels(ModularArithmetic(23)) == {0: [("nothing", pytest.approx(np.log(23)))]}
    found = dict(tasks.exact_levels(ModularArithmetic(7, "multiply"))[0])
    # 0 has 13 of 49 pairs, every other answer 6; given a nonzero operand the answer is uniform
    share = np.array([13, *[6] * 6]) / 49
    assert found["nothing"] == pytest.approx(-(share * np.log(share)).sum())
    assert found["first_operand"] == found["second_operand"] == pytest.approx(6 / 7 * np.log(7))


def test_a_random_table_is_fixed_by_its_seed():
    labels = [ModularArithmetic(11, "random", table_seed=seed).table().labels for seed in (0, 0, 1)]
    assert (
        (labels[0] == labels[1]).all()
        and (labels[0] != labels[2]).any()
        and set(labels[0].ravel()) == set(range(11))
    )


@pytest.mark.parametrize(
    "options, vocabulary, positions, outputs",
    [
        (dict(), 114, 3, 114),
        (dict(outputs="digits"), 114, 3, 113),
        (dict(equals=False), 113, 2, 113),
        (dict(two_vocabularies=True), 227, 3, 227),
        (dict(two_vocabularies=True, equals=False, outputs="digits"), 226, 2, 113),
    ],
)
def test_formats(options, vocabulary, positions, outputs):
    task = ModularArithmetic(**options)
    batch = task.table()
    assert tasks.shape(task) == dict(
        vocabulary=vocabulary, num_positions=positions, num_outputs=outputs, base=0, order="msb"
    )
    assert task.read == (positions - 1,) and task.columns == (0,) and task.finite
    assert batch.tokens.shape == (113**2, positions) and len(np.unique(batch.tokens)) == vocabulary
    assert [sorted(set(column)) for column in batch.tokens.T.tolist()] == [
        list(ids) for ids in task.tokens_at
    ]
    assert task.show(batch.tokens[57 * 113 + 80], batch.labels[57 * 113 + 80]) == "57 + 80 = 24"


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(modulus=1), "modulus=1 must be an integer of at least 2"),
        (dict(operation="times"), "operation='times' must be one of add, "),
        (dict(batch_size=0), "batch_size=0 "),
        (dict(outputs="all"), "outputs='all' "),
        (dict(table_seed=-2), "table_seed=-2 "),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        ModularArithmetic(**options)
