"""A function of one run, lifted over all runs and devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokjax import mapping
from grokjax.mapping import map_runs


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
    assert mapping._waits(function, jax.ShapeDtypeStruct((3, 4, 4), jnp.float32)) is waits
    assert (
        map_runs(function)(np.random.default_rng(0).normal(size=(4, 3, 4, 4)).astype(np.float32)).shape[0]
        == 4
    )


def test_typed_keys_are_an_argument_like_others():
    keys = jax.random.split(jax.random.key(0), 3)
    found = map_runs(lambda key, scale: scale * jax.random.uniform(key))(keys, np.arange(3.0))
    np.testing.assert_allclose(found, np.arange(3) * jax.vmap(jax.random.uniform)(keys), rtol=1e-6)


@pytest.mark.parametrize(
    ("runs", "given"), [((np.ones(3), np.ones(4)), "3, 4"), ((np.ones(()),), "a scalar"), (({},), "nothing")]
)
def test_what_is_not_stacked_alike_is_refused(runs, given):
    with pytest.raises(ValueError, match=f"it was given leaves of {given}"):
        map_runs(lambda *one: one)(*runs)
