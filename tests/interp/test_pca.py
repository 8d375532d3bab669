"""Principal components, circularity and the alignment of frames."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

from grokjax.interp import pca


def test_the_components_are_those_of_the_covariance():
    weight = random.normal(random.key(0), (7, 5)) * jnp.arange(1, 6) + 3
    found = pca.components(weight, count=5)
    np.testing.assert_allclose(found.scores @ found.directions, weight - weight.mean(0), atol=1e-4)
    variances = np.linalg.eigvalsh(np.cov(np.asarray(weight).T))[::-1]
    np.testing.assert_allclose(found.explained, variances / variances.sum(), atol=1e-5)
    assert (found.scores[jnp.abs(found.scores).argmax(0), jnp.arange(5)] > 0).all()
    with pytest.raises(ValueError, match="count=6 must be from 1 to 5"):
        pca.components(weight, count=6)


def circles(modulus, *frequencies, width=32):
    random_ = np.random.default_rng(0)
    angles = 2 * np.pi * np.arange(modulus)[:, None] * np.array(frequencies) / modulus
    planes = np.linalg.qr(random_.normal(size=(width, 2 * len(frequencies))))[0]
    sizes = np.repeat(1 / np.arange(1, len(frequencies) + 1), 2)
    return jnp.asarray(
        np.stack([np.cos(angles), np.sin(angles)], -1).reshape(modulus, -1) * sizes @ planes.T + 2,
        jnp.float32,
    )


def test_circles_are_circular_and_random_rows_are_not():
    assert pca.circularity(circles(59, 7, 20)) == pytest.approx(1, abs=1e-4)
    assert pca.circularity(random.normal(random.key(1), (59, 32))) < 0.35
    assert pca.circularity(jnp.ones((10, 8))) == 0


def test_the_alternating_wave_of_an_even_n_counts_once():
    """A component that is half the alternating wave and half a wave of another frequency is half circular."""
    t = np.arange(10)
    alternating, wave = (-1.0) ** t / np.sqrt(10), np.cos(2 * np.pi * 2 * t / 10) / np.sqrt(5)
    for share in (0.5, 0.2, 1.0):
        rows = np.sqrt(share) * alternating + np.sqrt(1 - share) * wave
        found = pca.circularity(jnp.asarray(rows[:, None], jnp.float32), count=1)
        assert found == pytest.approx(max(share, 1 - share), abs=1e-5)


def test_a_component_without_variance_is_not_circular():
    assert pca.circularity(circles(59, 7), count=4) == pytest.approx(0.5, abs=1e-4)


def test_turned_and_mirrored_frames_are_turned_back():
    shape = random.normal(random.key(2), (9, 3)) * jnp.array([3.0, 2.0, 1.0])
    turns = np.linalg.qr(random.normal(random.key(3), (6, 3, 3)))[0]
    growing = shape * jnp.linspace(0.5, 1, 6)[:, None, None]
    np.testing.assert_allclose(
        pca.aligned(jnp.einsum("evk,ekl->evl", growing, turns)), growing @ turns[-1], atol=1e-4
    )


def test_orbits_do_not_flip_where_components_do():
    weight, drift = circles(10, 1), random.normal(random.key(4), (10, 32))
    weights = jnp.stack([weight + t * 0.02 * drift for t in range(12)])
    found = jax.jit(pca.orbits)(weights)
    steps = jnp.abs(jnp.diff(found.scores, axis=0)).max()
    alone = jax.vmap(lambda one: pca.components(one).scores)(weights)
    assert steps < 0.2 < jnp.abs(jnp.diff(alone, axis=0)).max()
    np.testing.assert_allclose(found.scores[-1], alone[-1])
    assert found.explained.shape == (12, 2) and (jnp.diff(found.explained.sum(1)) < 1e-3).all()


def test_the_circularity_of_the_released_pizza_model(reference):
    arrays = np.load(reference / "pizza_p99zdpze5l.npz")
    expected = json.loads((reference / "pizza_p99zdpze5l.json").read_text())["expected"]
    W_E = jnp.asarray(arrays["param.embed.W_E"].T)
    assert pca.circularity(W_E) == pytest.approx(expected["circularity"], abs=1e-4)
    np.testing.assert_allclose(
        pca.components(W_E, count=8).explained, expected["pca_explained_variance_ratio_first8"], atol=1e-5
    )
