import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import confusion
from grokjax.interp.addition import carry_free, evaluation_sets


def found(base, num_digits):
    return evaluation_sets.every(gj.Addition(num_digits=num_digits, base=base))


@pytest.mark.parametrize("base, num_digits", [(2, 3), (3, 2), (5, 2)])
def test_the_deepest_carries_give_the_sum_and_none_the_carry_free_sums(base, num_digits):
    every = found(base, num_digits)
    powers = base ** np.arange(num_digits + 1)
    np.testing.assert_array_equal(
        carry_free.digits(every, base, num_digits) @ powers, (every.a + every.b) @ powers[:-1]
    )
    np.testing.assert_array_equal(carry_free.digits(every, base, 0)[:, :-1], (every.a + every.b) % base)


def test_depths_are_those_of_known_sums():
    a, b = (
        np.array([[9, 9, 0], [9, 0, 0], [1, 1, 0], [5, 9, 9]]),
        np.array([[1, 0, 0], [1, 9, 0], [1, 1, 0], [5, 0, 0]]),
    )
    some = evaluation_sets.Problems(np.zeros((4, 0)), a, b, np.ones(4))
    np.testing.assert_array_equal(carry_free.depths(some, 10, 2), [2, 2, 0, 2])
    np.testing.assert_array_equal(carry_free.depths(some, 10, 3), [0, 0, 0, 3])
    np.testing.assert_array_equal(carry_free.depths(some, 10, 1), [1, 1, 0, 1])


def test_a_run_of_a_known_depth_has_its_share_there_and_the_exact_ones_elsewhere():
    base, digit = 4, 2
    every = found(base, 2)
    answer = carry_free.digits(every, base, 1)[:, digit]
    log_probs = jnp.log(jnp.where(jnp.arange(base) == answer[:, None], 0.91, 0.03))
    shares = carry_free.shares(log_probs, every, digit)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(shares[1], [0.91, 0.03, 0.03, 0.03], atol=1e-5)
    carried = float(carry_free.carries(every, base, 1)[:, digit].mean())
    np.testing.assert_allclose(
        shares[0], [0.03 + 0.88 * (1 - carried), 0.03 + 0.88 * carried, 0.03, 0.03], atol=1e-5
    )
    apart = carry_free.shares_by_depth(log_probs, every, digit)
    own = np.asarray(carry_free.depths(every, base, digit))
    np.testing.assert_allclose(sum(apart[d] * (own == d).mean() for d in range(3)), shares, atol=1e-5)
    np.testing.assert_allclose(
        apart[2, 2, :], [0.03, 0.03, 0.03, 0.91], atol=1e-5
    )  # a carry of depth 2 is missed: one too little


def test_a_confusion_matrix_is_the_mean_row_of_each_answer_and_its_errors_are_those_of_new_samples():
    rows = jax.nn.softmax(2 * random.normal(random.key(0), (3, 5, 3)))

    def sample(key):
        answers, kind = (
            random.randint(key, (400,), 0, 3),
            random.randint(random.fold_in(key, 1), (400,), 0, 5),
        )
        return jnp.log(rows[answers, kind]), answers

    keys = random.split(random.key(1), 200)
    matrices = jax.vmap(lambda key: confusion.matrix(*sample(key)))(keys)
    np.testing.assert_allclose(matrices.mean(0), rows.mean(1), atol=0.01)
    np.testing.assert_allclose(matrices.sum(-1), 1, atol=1e-5)
    errors = confusion.standard_errors(*sample(keys[0]))
    np.testing.assert_allclose(errors, matrices.std(0), rtol=0.25)
    weighted = confusion.matrix(jnp.log(rows[0]), jnp.array([0, 0, 0, 1, 2]), jnp.array([1.0, 0, 0, 1, 1]))
    np.testing.assert_allclose(weighted[0], rows[0, 0], rtol=1e-5)
