"""Positional encodings: the properties they are known for, and Abacus's places on sums written by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokjax import tasks
from grokjax.config import ModelConfig
from grokjax.model import init, positions


def test_sinusoids_are_different_rows_of_norm_one():
    table = positions.sinusoids(20, 16)
    np.testing.assert_allclose(np.linalg.norm(table, axis=1), 1, rtol=1e-6)
    assert (table @ table.T - 2 * np.eye(20)).max() < 1
    assert positions.sinusoids(5, 7).shape == (5, 7)


def test_rope_scores_depend_on_the_distance_alone():
    q, k = jax.random.normal(jax.random.key(0), (2, 1, 2, 8))
    place = np.arange(9)
    turned = lambda x: positions.rotate(jnp.broadcast_to(x, (9, 2, 8)), place)
    scores = jnp.einsum("qhk,phk->hqp", turned(q), turned(k))
    np.testing.assert_allclose(scores[:, 1:, 1:], scores[:, :-1, :-1], atol=1e-5)
    assert float(jnp.abs(scores[:, 1:, 0] - scores[:, :-1, 0]).max()) > 1e-2
    np.testing.assert_allclose(
        jnp.linalg.norm(turned(q), axis=-1), jnp.broadcast_to(jnp.linalg.norm(q, axis=-1), (9, 2)), rtol=1e-5
    )


def test_fire_depends_on_the_distance_alone_up_to_the_threshold():
    config = ModelConfig(positions="fire", num_heads=2, d_model=8)
    fire = init(config, jax.random.key(0))["blocks"][0]["fire"]
    place = np.arange(24)
    bias = np.asarray(positions.fire_bias(fire, place, place))
    assert bias.shape == (2, 24, 24)
    reach = 16  # threshold 1, in units of 16 positions
    near = bias[:, :reach, :reach]
    np.testing.assert_allclose(near[:, 1:, 1:], near[:, :-1, :-1], atol=1e-5)
    # beyond it distances count in parts of the query's position, so the same distance matters less
    assert np.abs(bias[:, 23, 20] - bias[:, 15, 12]).max() > 1e-4
    np.testing.assert_allclose(bias[:, 23, 23], bias[:, 0, 0], atol=1e-6)


ADDITIONS = {
    #  12+34=046, the last digit is not among the tokens
    "msb": ([1, 2, 10, 3, 4, 11, 0, 4], [2, 1, 0, 2, 1, 0, 3, 2]),
    #  12+34=640, units first
    "lsb": ([1, 2, 10, 3, 4, 11, 6, 4], [2, 1, 0, 2, 1, 0, 1, 2]),
}


@pytest.mark.parametrize("order", ADDITIONS)
def test_abacus_counts_places_within_each_number(order):
    tokens, places = ADDITIONS[order]
    assert positions.columns(jnp.asarray(tokens), base=10, order=order).tolist() == places
    batch = jnp.asarray([tokens, tokens])
    assert positions.columns(batch, base=10, order=order).tolist() == [places, places]


@pytest.mark.parametrize("mode", ("sequence", "single", "parallel"))
@pytest.mark.parametrize("order", ("msb", "lsb"))
def test_abacus_gives_digits_of_one_column_one_place(mode, order):
    task = tasks.Addition(
        num_digits=3, mode=mode, order=order, digit=0 if mode == "single" else None, batch_size=4
    )
    tokens = task.batch(jax.random.key(0)).tokens
    places = np.asarray(positions.columns(tokens, base=10, order=order))
    assert (places == places[0]).all()
    assert places[0, :8].tolist() == [3, 2, 1, 0, 3, 2, 1, 0]
    if mode == "sequence":
        columns = np.asarray(task.columns[:-1]) + 1
        np.testing.assert_array_equal(places[0, 8:], columns)


def test_abacus_offsets_shift_digits_and_nothing_else():
    config = ModelConfig(positions="abacus", order="msb")
    tokens = jnp.asarray(ADDITIONS["msb"][0])
    plain, shifted = (np.asarray(positions.index(config, tokens, offset)) for offset in (0, 5))
    np.testing.assert_array_equal(shifted, np.where(plain > 0, plain + 5, 0))


def test_the_table_holds_every_place_that_abacus_can_reach():
    task = tasks.Addition(num_digits=3, batch_size=4)
    config = ModelConfig(**tasks.shape(task), positions="abacus", d_model=8, num_heads=2)
    table = positions.table(config, init(config, jax.random.key(0)))
    assert int(positions.index(config, task.batch(jax.random.key(0)).tokens, config.max_offset).max()) < len(
        table
    )


def test_encodings_that_add_nothing_have_no_table():
    for name in ("none", "rope", "fire"):
        config = ModelConfig(positions=name, d_model=8, num_heads=2)
        assert positions.table(config, init(config, jax.random.key(0))) is None
