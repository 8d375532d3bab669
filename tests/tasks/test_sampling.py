"""Carry cascades: classes against a slow definition, exact probabilities, uniform draws from one class."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import random
from scipy import stats

from grokjax import tasks
from grokjax.tasks import sampling


def slow_cascade(a, b, base):
    """By the words of the definition: over the columns that carry, the number of columns right above whose
    digits sum to base - 1.
    """
    sums = [int(x) + int(y) for x, y in zip(a, b, strict=True)]
    carrying = [k for k, total in enumerate(sums) if total >= base]
    runs = [len(list(itertools.takewhile(lambda total: total == base - 1, sums[k + 1 :]))) for k in carrying]
    return 1 + max(runs) if runs else 0


def problems(num_digits, base):
    """Every problem, [N, n] twice."""
    rows = np.array(list(itertools.product(range(base), repeat=2 * num_digits)))
    return rows[:, :num_digits], rows[:, num_digits:]


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 36), st.sampled_from([1, 7]), st.integers(0, 2**32 - 1))
def test_the_class_of_a_problem(base, num_digits, seed):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, base, (4, num_digits))
    b = np.where(
        rng.random(a.shape) < 0.6, base - 1 - a, rng.integers(0, base, a.shape)
    )  # many columns that propagate
    assert tasks.cascade(jnp.asarray(a), jnp.asarray(b), base).tolist() == [
        slow_cascade(x, y, base) for x, y in zip(a, b, strict=True)
    ]


@pytest.mark.parametrize("num_digits, base", [(1, 2), (3, 2), (2, 5), (3, 3), (2, 10)])
def test_counts_are_those_of_an_enumeration(num_digits, base):
    classes = [slow_cascade(x, y, base) for x, y in zip(*problems(num_digits, base), strict=True)]
    found = [sampling.count(wanted, num_digits, base) for wanted in range(num_digits + 1)]
    assert found == np.bincount(classes, minlength=num_digits + 1).tolist()


def test_published_probabilities():
    found = sampling.probabilities(5).tolist()
    assert found[:4] == pytest.approx([0.0503, 0.7757, 0.1604, 0.0126], abs=5.1e-5)
    assert found[4:] == pytest.approx([0.00086, 0.00005], abs=5.1e-6)
    assert sampling.probabilities(60, 36).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("wanted", range(4))
def test_draws_are_uniform_within_a_class(wanted):
    a, b = (np.asarray(x) for x in sampling.draw(random.key(wanted), wanted, 3, 3, 30_000))
    every = problems(3, 3)
    cells = [
        int(np.concatenate([x, y]) @ 3 ** np.arange(6))
        for x, y in zip(*every, strict=True)
        if slow_cascade(x, y, 3) == wanted
    ]
    counts = np.bincount(np.concatenate([a, b], 1) @ 3 ** np.arange(6), minlength=3**6)
    assert counts[cells].sum() == 30_000 and stats.chisquare(counts[cells]).pvalue > 1e-3


@pytest.mark.parametrize("num_digits, base", [(1, 2), (12, 36)])
def test_a_stratified_batch_has_every_class_alike(num_digits, base):
    task = tasks.Addition(num_digits=num_digits, base=base)
    batch, classes = tasks.stratified(task, random.key(0), 3)
    tokens = np.asarray(batch.tokens)
    a, b = tokens[:, num_digits - 1 :: -1][:, :num_digits], tokens[:, 2 * num_digits : num_digits : -1]
    assert (
        [slow_cascade(x, y, base) for x, y in zip(a, b, strict=True)]
        == classes.tolist()
        == np.repeat(range(num_digits + 1), 3).tolist()
    )


def test_a_task_of_one_class_draws_only_it():
    a, b, _ = tasks.Addition(cascade=4).problems(random.key(1), 200)
    assert set(tasks.cascade(a, b, 10).tolist()) == {4}


def test_impossible_classes_are_refused():
    with pytest.raises(ValueError, match="cascade=6 must be an integer from 0 to 5"):
        sampling.count(6, 5)
    with pytest.raises(ValueError, match="per_class=0 "):
        tasks.stratified(tasks.Addition(), random.key(0), 0)
