"""Fourier analysis, on planted waves and on the released modular adder."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import fourier


@pytest.mark.parametrize("modulus", [1, 2, 3, 10, 113])
def test_the_basis_is_orthonormal_and_complete(modulus):
    rows = fourier.basis(modulus)
    np.testing.assert_allclose(rows @ rows.T, np.eye(modulus), atol=2e-6)
    assert fourier.frequencies(modulus)[-1] == modulus // 2


def waves(modulus, frequency, width=24, noise=0.05):
    """An embedding on one circle, with noise."""
    random_ = np.random.default_rng(0)
    angle = 2 * np.pi * frequency * np.arange(modulus)[:, None] / modulus
    circle = np.cos(angle) * random_.normal(size=width) + np.sin(angle) * random_.normal(size=width)
    return jnp.asarray(3 + circle + noise * random_.normal(size=(modulus, width)), jnp.float32)


@pytest.mark.parametrize(("modulus", "frequency"), [(10, 3), (10, 5), (23, 11)])
def test_a_cosine_embedding_is_found_at_its_frequency(modulus, frequency):
    weight = waves(modulus, frequency)
    power = fourier.power(weight, modulus)
    assert (
        power.argmax() + 1 == frequency
        and power.max() > 0.95
        and float(power.sum()) == pytest.approx(1, abs=1e-5)
    )
    found = fourier.stands_out(random.key(0), weight.T, modulus, axis=1, draws=199)
    assert found.deviation.argmax() + 1 == frequency and found.p_any == pytest.approx(1 / 200, abs=0.011)
    assert fourier.gini(fourier.norms(weight, modulus)) > 0.6


def test_of_random_embeddings_the_p_values_are_uniform():
    weights = random.normal(random.key(1), (300, 10, 6))
    keys = random.split(random.key(2), 300)
    p_values = jax.vmap(lambda key, weight: fourier.stands_out(key, weight, 10, draws=99).p_any)(
        keys, weights
    )
    shares = [float((p_values <= level).mean()) for level in (0.1, 0.25, 0.5, 0.75)]
    np.testing.assert_allclose(shares, (0.1, 0.25, 0.5, 0.75), atol=0.1)  # 4 standard errors at one half


def test_norms_keep_the_norm_and_leave_the_constant_to_the_rows():
    weight = waves(10, 2)
    assert float((fourier.row_norms(weight, 10) ** 2).sum()) == pytest.approx(
        float((weight**2).sum()), rel=1e-5
    )
    centred = weight - weight.mean(0)
    assert float((fourier.norms(weight, 10) ** 2).sum()) == pytest.approx(float((centred**2).sum()), rel=1e-4)


@pytest.mark.parametrize(("modulus", "frequency"), [(10, 3), (10, 5), (7, 2)])
def test_a_table_of_one_frequency_is_explained_by_it_and_its_sum_is_told_from_its_difference(
    modulus, frequency
):
    a, b = np.indices((modulus, modulus)) * 2 * np.pi * frequency / modulus
    tables = (
        jnp.stack(
            [jnp.cos(a + b + 0.3), jnp.cos(a - b + 0.3), jnp.cos(a), jnp.cos(a) * jnp.cos(b) + jnp.sin(b)], -1
        )
        + 5
    )
    explained = fourier.explained(tables)
    assert explained.shape == (modulus // 2, 4) and (explained.argmax(0) + 1 == frequency).all()
    np.testing.assert_allclose(explained.max(0), 1, atol=1e-4)
    along = fourier.along_sum(tables)[frequency - 1]
    assert along[0] == pytest.approx(1, abs=1e-4) and along[2] == pytest.approx(0, abs=1e-4)
    assert 2 * frequency == modulus or along[1] == pytest.approx(0, abs=1e-4)


def test_a_random_table_is_explained_by_none():
    tables = random.normal(random.key(3), (10, 10, 400))
    shares = fourier.explained(tables)
    np.testing.assert_allclose(
        shares.mean(1), [8 / 99] * 4 + [3 / 99], atol=0.01
    )  # the last frequency of an even n has 3 terms
    assert float(fourier.along_sum(tables).sum(0).mean()) == pytest.approx(9 / 99, abs=0.01)


def test_a_function_of_the_digit_sum_is_found_along_it():
    values = random.normal(random.key(4), (10,))
    table = values[np.add(*np.indices((10, 10))) % 10]
    along = fourier.along_sum(table)
    np.testing.assert_allclose(along, fourier.power(values, 10), atol=1e-5)
    assert float(along.sum()) == pytest.approx(1, abs=1e-4)


def test_nothing_has_no_shares():
    zeros = jnp.zeros((6, 6))
    for shares in (
        fourier.power(zeros, 6),
        fourier.explained(zeros),
        fourier.along_sum(zeros),
        fourier.gini(zeros[0]),
    ):
        assert (shares == 0).all()
    assert fourier.stands_out(random.key(0), zeros, 6, draws=9).p_any == 1


def test_gini():
    assert fourier.gini(jnp.ones(7)) == pytest.approx(0, abs=1e-6)
    assert fourier.gini(jnp.zeros(8).at[3].set(2.0)) == pytest.approx(7 / 8)


def test_the_spectra_of_the_released_modular_adder(reference):
    arrays = np.load(reference / "modadd_wd0p1.npz")
    expected = json.loads((reference / "modadd_wd0p1.json").read_text())["expected"]
    W_E = jnp.asarray(arrays["param.embed.W_E"][:, :113])
    np.testing.assert_allclose(
        fourier.row_norms(W_E, 113, axis=1), arrays["metric.W_E_fourier_norm"], rtol=1e-4, atol=1e-5
    )
    norms = fourier.norms(W_E, 113, axis=1)
    assert (jnp.argsort(-norms)[:8] + 1).tolist() == expected["top8_freqs_W_E"]
    assert fourier.gini(norms) == pytest.approx(expected["gini_W_E_56_freq_norms"], abs=1e-5)
    W_L = arrays["param.unembed.W_U"][:, :113].T @ arrays["param.blocks.0.mlp.W_out"]
    np.testing.assert_allclose(
        fourier.row_norms(jnp.asarray(W_L), 113), arrays["metric.W_L_fourier_norm"], rtol=1e-4, atol=1e-4
    )
    assert fourier.gini(fourier.norms(jnp.asarray(W_L), 113)) == pytest.approx(
        expected["gini_W_L_56_freq_norms"], abs=1e-5
    )


@pytest.mark.parametrize(
    "task",
    [gj.ModularArithmetic(modulus=10), gj.Addition(num_digits=1, relabel=3)],
    ids=["modular", "digits"],
)
def test_of_an_embedding_only_the_symbols_are_read_in_the_order_of_their_values(task):
    """A wave over the values is found whole, although `=` stands far off and ids are in any order."""
    config = gj.ModelConfig.of(task, d_model=8, num_heads=2)
    params = gj.model.init(config, random.key(0))
    ids = np.arange(10) if task.base == 0 else gj.tasks.layout.permutation(task)
    circle = jnp.stack([wave(2 * np.pi * 3 * np.arange(10) / 10) for wave in (jnp.cos, jnp.sin)], 1)
    W_E = jnp.full(params["W_E"].shape, 50.0).at[ids].set(jnp.pad(circle, ((0, 0), (0, 6))))
    run = gj.Run(task, config, params | dict(W_E=W_E))
    np.testing.assert_allclose(fourier.of_embedding(run), [0, 0, 1, 0, 0], atol=1e-5)
    assert len(W_E) > 10
    with pytest.raises(ValueError, match=f"axis 0 has {len(W_E)} entries, but modulus=10"):
        fourier.power(W_E, 10)
