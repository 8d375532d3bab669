"""p-values of planted statistics: of one, of several together, under the null."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

from grokjax.interp import permutation

ROWS = jnp.arange(9.0)


def order(rows):
    """Large where the rows rise; the second statistic has a long tail, and is nothing here."""
    places = jnp.arange(len(rows))
    rising = -((rows - places) ** 2).sum()
    return jnp.stack([rising, jnp.where(rows[0] == 5, 1e3, rows[1])])


def test_a_statistic_that_only_one_order_maximises_has_the_smallest_p_value():
    found = permutation.compared(order, random.key(0), ROWS, draws=499)
    assert found.value[0] == 0 and found.p_value[0] == pytest.approx(1 / 500)
    assert found.p_value[1] > 0.5


def test_together_min_p_finds_it_and_max_t_loses_it_beside_a_longer_tail():
    found = {
        together: permutation.compared(order, random.key(0), ROWS, draws=499, together=together).p_any
        for together in (permutation.min_p, permutation.max_t)
    }
    assert found[permutation.min_p] <= 2 / 500 + 1e-6 and found[permutation.max_t] > 0.05


@pytest.mark.parametrize("together", [permutation.min_p, permutation.max_t])
def test_of_nothing_the_p_value_is_uniform(together):
    statistics = lambda rows: jnp.stack([rows[0], rows[1] ** 3, rows[2] * rows[3]])
    one = lambda key, rows: permutation.compared(statistics, key, rows, draws=99, together=together).p_any
    rows = random.normal(random.key(1), (400, 8))
    p_values = jax.jit(jax.vmap(one))(random.split(random.key(2), 400), rows)
    shares = [float((p_values <= level).mean()) for level in (0.1, 0.25, 0.5, 0.75)]
    np.testing.assert_allclose(shares, (0.1, 0.25, 0.5, 0.75), atol=0.1)  # 4 standard errors at one half


def test_min_p_is_that_of_a_slow_count():
    deviations = np.asarray(random.normal(random.key(3), (60, 4)))
    p = np.array([[(deviations[:, f] >= deviations[d, f]).mean() for f in range(4)] for d in range(60)])
    expected = (p.min(1) <= p[0].min()).mean()
    assert permutation.min_p(jnp.asarray(deviations)) == pytest.approx(expected, abs=1e-6)


def test_orders_that_a_statistic_cannot_tell_apart_count_as_equal():
    found = permutation.compared(lambda rows: (rows**2).sum()[None], random.key(4), ROWS, draws=19)
    assert found.p_value[0] == 1 and found.p_any == 1
