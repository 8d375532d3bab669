"""Pytrees of runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokjax import trees
from grokjax.mapping import map_runs

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


def test_a_function_of_one_run_is_lifted_over_all_on_every_device():
    """Also over a number of runs that the devices do not divide, compiled once; with several arguments."""
    traced = []

    def norm(run, factor):
        traced.append(1)
        return {"norm": factor * jnp.linalg.norm(run["w"])}

    lifted = map_runs(norm)
    for seed in range(2):
        w, factor = (
            np.random.default_rng(seed).normal(size=(5, 3)).astype(np.float32),
            np.arange(5, dtype=np.float32),
        )
        found = lifted({"w": w}, factor)["norm"]
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, factor * np.linalg.norm(w, axis=1), rtol=1e-6)
    assert len(traced) == 2  # to see what it does, and to compile it


@pytest.mark.parametrize(
    ("function", "waits"),
    [
        (lambda x: jnp.linalg.svd(x)[1], True),
        (lambda x: jax.lax.map(lambda m: jnp.linalg.svd(m)[1], x), False),
        (lambda x: jax.jit(jax.vmap(jnp.linalg.cholesky))(x @ x.swapaxes(1, 2)), True),
        (lambda x: jnp.linalg.norm(x), False),
        (lambda x: jnp.linalg.svd(x[0])[1] + jnp.linalg.svd(x[1])[1], True),
    ],
)
def test_several_matrices_at_once_are_factorised_on_one_device(function, waits):
    """On two CPU devices jaxlib's batched kernels can wait for each other for ever."""
    assert trees._waits(function, jax.ShapeDtypeStruct((3, 4, 4), jnp.float32)) is waits
    assert (
        map_runs(function)(np.random.default_rng(0).normal(size=(4, 3, 4, 4)).astype(np.float32)).shape[0]
        == 4
    )
