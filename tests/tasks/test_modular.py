"""Modular arithmetic: every pair once, in row order, with the right answer."""

import numpy as np
import pytest

from grokjax import tasks
from grokjax.tasks import ModularAddition


@pytest.mark.parametrize(
    "operation, answer",
    [
        ("add", lambda a, b: a + b),
        ("subtract", lambda a, b: a - b),
        ("quadratic", lambda a, b: a * a + a * b + b * b),
    ],
)
@pytest.mark.parametrize("modulus", [2, 7, 12])
def test_the_table_has_every_pair_in_row_order(operation, answer, modulus):
    batch = ModularAddition(modulus, operation).table()
    rows = [(a, b) for a in range(modulus) for b in range(modulus)]
    assert batch.tokens.tolist() == [[a, b, modulus] for a, b in rows]
    assert batch.labels.tolist() == [[answer(a, b) % modulus] for a, b in rows]
    assert batch.tokens.dtype == batch.labels.dtype == np.int32


def test_a_random_table_is_fixed_by_its_seed():
    labels = [ModularAddition(11, "random", table_seed=seed).table().labels for seed in (0, 0, 1)]
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
    task = ModularAddition(**options)
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
        ModularAddition(**options)
