"""The tap: names, edits, what the cache keeps, the error for a name that is not there, and edits as data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokjax.config import ModelConfig
from grokjax.model import forward, init
from grokjax.tap import edit_gradient, prefixed, run_with_cache, untouched


def toy(x, *, tap=untouched):
    inner = prefixed(tap, "inner")
    return tap("out", 2 * inner("middle", x + 1))


def test_the_cache_has_what_every_line_made():
    out, cache = run_with_cache(toy)(jnp.float32(3))
    assert (float(out), {name: float(x) for name, x in cache.items()}) == (8, {"inner.middle": 4, "out": 8})


def test_an_edit_acts_on_what_comes_after_and_is_in_the_cache():
    out, cache = run_with_cache(toy, {"inner.middle": lambda x: 10 * x})(jnp.float32(3))
    assert (float(out), float(cache["inner.middle"])) == (80, 40)


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (None, ["inner.middle", "out"]),
        (["out"], ["out"]),
        ("out", ["out"]),
        (lambda name: name.startswith("inner."), ["inner.middle"]),
        ((), []),
    ],
)
def test_the_cache_keeps_what_is_asked_for_and_edits_act_all_the_same(names, kept):
    out, cache = run_with_cache(toy, {"inner.middle": lambda x: 10 * x}, names=names)(jnp.float32(3))
    assert float(out) == 80 and list(cache) == kept


@pytest.mark.parametrize("options", [dict(edits={"middle": lambda x: x}), dict(names=["middle"])])
def test_a_misspelt_name_is_an_error_that_lists_the_real_ones(options):
    with pytest.raises(ValueError, match=r"no activation is named middle; there are inner\.middle, out"):
        run_with_cache(toy, **options)(jnp.float32(3))


def test_an_edit_of_a_gradient_leaves_the_value_and_is_data_under_vmap():
    def slope(factor, x):
        edits = {"inner.middle": edit_gradient(lambda gradient: factor * gradient)}
        return jax.value_and_grad(lambda x: run_with_cache(toy, edits)(x)[0])(x)

    values, slopes = jax.jit(jax.vmap(slope, (0, None)))(jnp.arange(3.0), jnp.float32(3))
    assert values.tolist() == [8, 8, 8] and slopes.tolist() == [0, 2, 4]


def test_without_a_tap_nothing_is_wrapped():
    assert prefixed(untouched, "blocks.0") is untouched


def test_edits_that_hold_arrays_are_data_for_every_head_of_every_run():
    config = ModelConfig(vocabulary=5, num_positions=4, num_outputs=5, d_model=8, num_heads=2)
    runs = jax.vmap(lambda seed: init(config, jax.random.key(seed)))(jnp.arange(3))
    tokens = jnp.asarray([[0, 1, 2, 3], [4, 4, 1, 0]])

    def ablated(params, head):
        return run_with_cache(forward, {"blocks.0.attn.z": lambda z: z.at[:, :, head].set(0)})(
            config, params, tokens
        )[0]

    every = jax.vmap(jax.vmap(ablated, (None, 0)), (0, None))(runs, jnp.arange(2))
    assert every.shape == (3, 2, 2, 4, 5)
    np.testing.assert_allclose(every[2, 1], ablated(jax.tree.map(lambda x: x[2], runs), 1), atol=1e-5)
    assert float(jnp.abs(every[2, 1] - every[2, 0]).max()) > 1e-3
