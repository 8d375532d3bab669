"""Initial parameters: their scales, what a knob changes, and that shapes are known without drawing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokjax.config import TENSORS, Hyper, ModelConfig
from grokjax.model import init, shapes
from grokjax.trees import named_leaves

CONFIG = ModelConfig(
    vocabulary=50, num_positions=40, num_outputs=60, d_model=64, num_layers=2, unembed_bias=True
)
KEY = jax.random.key(0)
EVERY = (
    dict(),
    dict(layer_norm=True),
    dict(positions="abacus"),
    dict(positions="fire"),
    dict(attention="positional"),
    dict(mlp=False),
    dict(positions="rope", d_head=6),
    dict(unembed_bias=True, num_layers=3),
)


def weights(config=CONFIG, key=KEY, **hyper):
    return {name: np.asarray(x) for name, x in named_leaves(init(config, key, Hyper(**hyper))).items()}


@pytest.mark.parametrize("distribution", ("normal", "uniform"))
def test_weights_have_the_width_of_what_they_read(distribution):
    config = ModelConfig(**{**vars(CONFIG), "init": distribution})
    for name, x in weights(config).items():
        if name.split(".")[-1].startswith("b_"):
            assert (x == 0).all()
            continue
        width = 60 if name == "W_U" else 64
        np.testing.assert_allclose(x.std() * np.sqrt(width), 1, atol=6 / np.sqrt(x.size))
        assert abs(x.mean()) * np.sqrt(width * x.size) < 5
        if distribution == "uniform":
            assert np.abs(x).max() <= np.sqrt(3 / width) * 1.0001


def test_a_scale_changes_its_own_tensor_and_no_other():
    usual = weights()
    for tensor in TENSORS:
        for name, x in weights(**{f"scale_{tensor}": 3.0}).items():
            factor = 3.0 if name.split(".")[-1] == tensor else 1.0
            np.testing.assert_allclose(x, factor * usual[name], rtol=1e-6, err_msg=name)


def test_the_init_scale_multiplies_every_weight():
    usual = weights()
    for name, x in weights(init_scale=0.5).items():
        np.testing.assert_allclose(x, 0.5 * usual[name], rtol=1e-6)


def test_a_key_gives_the_same_draws_and_another_gives_others():
    first, again, other = weights(), weights(), weights(key=jax.random.key(1))
    for name, x in first.items():
        np.testing.assert_array_equal(x, again[name])
        assert x.std() == 0 or not np.isclose(x, other[name]).all()
    assert not np.isclose(first["blocks.0.W_Q"], first["blocks.1.W_Q"]).any(axis=(1, 2)).all()


@pytest.mark.parametrize("options", EVERY, ids=str)
def test_shapes_are_those_of_the_parameters(options):
    config = ModelConfig(**options)
    drawn = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), jax.eval_shape(lambda: init(config, KEY))
    )
    assert named_leaves(shapes(config)).keys() == named_leaves(drawn).keys()
    assert shapes(config) == drawn


def test_runs_of_a_sweep_differ_in_seed_and_scale():
    hypers = Hyper(scale_W_E=jnp.asarray([1.0, 2.0, 1.0]))
    axes = jax.tree.map(lambda x: 0 if jnp.ndim(x) else None, hypers)
    runs = jax.vmap(lambda key, hyper: init(CONFIG, key, hyper), (0, axes))(
        jnp.stack([KEY, KEY, jax.random.key(7)]), hypers
    )
    np.testing.assert_allclose(runs["W_E"][1], 2 * runs["W_E"][0], rtol=1e-6)
    np.testing.assert_array_equal(runs["W_U"][1], runs["W_U"][0])
    assert not np.isclose(runs["W_U"][2], runs["W_U"][0]).all()
