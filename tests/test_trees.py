"""Pytrees of runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokjax import trees

TREES = [dict(a=jnp.full((2, 3), float(i)), blocks=[dict(b=jnp.int32(i))]) for i in range(4)]


def test_a_picked_run_is_the_one_that_was_stacked():
    stacked = trees.stack(TREES)
    for i in (0, 3, -1):
        jax.tree.map(np.testing.assert_array_equal, trees.pick(stacked, i), TREES[i])
    some = trees.pick(stacked, jnp.asarray([2, 0]))
    np.testing.assert_array_equal(some["blocks"][0]["b"], [2, 0])


def test_leaves_are_named_by_their_paths():
    assert list(trees.named_leaves(TREES[1])) == ["a", "blocks.0.b"]
    assert int(trees.named_leaves(TREES[1])["blocks.0.b"]) == 1


def test_entries_and_bytes_are_counted_for_arrays_and_for_shapes():
    shapes = jax.eval_shape(lambda: TREES[0])
    assert trees.num_parameters(TREES[0]) == trees.num_parameters(shapes) == 7
    assert trees.num_bytes(TREES[0]) == trees.num_bytes(shapes) == 28


@pytest.mark.parametrize("count", (1, 3))
def test_a_typed_key_is_eight_bytes(count):
    assert trees.num_bytes(jax.random.split(jax.random.key(0), count)) == 8 * count


@pytest.mark.parametrize("index", [0, 3, slice(1, 3), np.array([2, 0]), np.array([True, False, False, True])])
def test_what_lies_on_several_devices_is_picked_without_a_program_over_them(index):
    """In such a program devices wait for each other, which ends the process where one trains meanwhile."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("runs",))
    whole = np.arange(8.0).reshape(4, 2)
    spread = jax.device_put(whole, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("runs")))
    assert trees.on_several_devices(spread)
    picked = trees.pick({"a": spread}, index)["a"]
    np.testing.assert_array_equal(picked, whole[index])
    assert len(picked.sharding.device_set) == 1
