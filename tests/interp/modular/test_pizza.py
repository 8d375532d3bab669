"""Clock and pizza metrics: on released models, and on models whose values are known."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import grokjax as gj
from grokjax import interop
from grokjax.interp.modular import grid, pizza
from grokjax.tasks import ModularArithmetic


def released(reference, name):
    with open(reference / f"pizza_{name}.json") as text:
        expected = json.load(text)["expected"]
    raw = reference / "raw"
    return interop.pizza(raw / f"model_{name}.pt", raw / f"config_{name}.json"), expected


@pytest.mark.parametrize("name", ["l8k1hzciux", "4asyr7ht1p", "p71frej8t7"])
def test_released_models_have_their_published_values(reference, name):
    run, expected = released(reference, name)
    sample = jax.jit(pizza.gradient_symmetricity_sample)(run).mean
    np.testing.assert_allclose(sample, expected["gradient_symmetricity_100_triples"], atol=2e-4)
    np.testing.assert_allclose(
        pizza.distance_irrelevance(run), expected["distance_irrelevance_correct_logit"], rtol=1e-4
    )
    wrong = pizza.distance_irrelevance_of_wrong_logit(run)
    np.testing.assert_allclose(wrong, expected["distance_irrelevance_top_wrong_logit"], rtol=1e-4)
    np.testing.assert_allclose(pizza.circularity(run), expected["circularity"], atol=2e-3)


def test_a_model_with_neurons_near_zero_has_its_value_in_float64(reference):
    run, expected = released(reference, "7r4zst7evs")
    with jax.enable_x64(True):
        run = run.replace(params=jax.tree.map(lambda x: jnp.asarray(np.asarray(x, float)), run.params))
        found = pizza.gradient_symmetricity_sample(run).mean
        assert found == pytest.approx(expected["gradient_symmetricity_100_triples"], abs=1e-9)
        irrelevance = pizza.distance_irrelevance(run)
        assert irrelevance == pytest.approx(expected["distance_irrelevance_correct_logit"], abs=1e-9)


def test_all_triples_of_a_released_model(reference):
    run, expected = released(reference, "p99zdpze5l")
    found = jax.jit(pizza.gradient_symmetricity)(run)
    published = expected["gradient_symmetricity_all_205379_triples"]
    np.testing.assert_allclose(found.mean, published["mean"], atol=2e-4)
    np.testing.assert_allclose(found.deviation, published["std"], atol=2e-4)


def test_an_isolated_circle_of_a_released_pizza_is_fitted_by_its_formula(reference):
    run, expected = released(reference, "p99zdpze5l")
    circle = expected["logit_FVE_isolated_circles"][0]
    found = jax.jit(pizza.circle_fits, static_argnums=1)(run, circle["circle"] - 1)
    assert found.frequency * circle["delta"] % 59 in (1, 58)
    np.testing.assert_allclose([found.clock, found.pizza], [circle["Qclock"], circle["Qpizza"]], atol=2e-3)


class Formula:
    """A model without weights, whose logits a formula gives."""

    def __init__(self, modulus, formula):
        self.task, self.formula = ModularArithmetic(modulus=modulus, equals=False), formula

    def logits(self, tokens):
        a, b = tokens[:, :1], tokens[:, 1:2]
        return self.formula(a, b, jnp.arange(self.task.modulus))[:, None]


def waves(modulus, frequency):
    w = 2 * np.pi * frequency / modulus
    clock = lambda a, b, c: jnp.cos(w * (a + b - c))
    pie = lambda a, b, c: jnp.abs(jnp.cos(w * (a - b) / 2)) * clock(a, b, c)
    return clock, pie


@pytest.mark.parametrize("frequency", [1, 4])
def test_the_two_formulas_are_told_apart(frequency):
    clock, pie = waves(13, frequency)
    fits = pizza.logit_fits(Formula(13, clock))
    assert fits.clock == pytest.approx(1, abs=1e-4) and fits.frequency == frequency
    # the correct logit of a pizza depends on a − b alone
    assert pizza.distance_irrelevance(Formula(13, pie)) == pytest.approx(0, abs=1e-4)
    by_sum = Formula(13, lambda a, b, c: jnp.cos((a + b) % 13.0) * (c + 1.0))
    assert pizza.distance_irrelevance(by_sum) == pytest.approx(1, abs=0.2)


def test_a_sum_of_embeddings_has_symmetric_gradients():
    task = ModularArithmetic(modulus=5, equals=False)
    config, recipe, hyper = gj.presets.pizza(task, d_model=8, num_heads=2)
    runs = gj.Run.init(task, config, recipe, gj.grid(hyper, attention_rate=[0.0, 1.0]))
    found = gj.map_runs(pizza.gradient_symmetricity)(runs)
    # with constant attention only the skip connection of the last token, b, tells the two apart
    assert found.mean[0] > found.mean[1] and found.largest.max() <= 1 + 1e-5
    sample = gj.map_runs(pizza.gradient_symmetricity_sample)(runs)
    assert np.abs(sample.mean - found.mean).max() < 0.2


def test_the_published_triples_are_those_of_the_published_code():
    triples = pizza.published_triples(59)
    assert triples.shape == (100, 3) and len({tuple(row) for row in triples.tolist()}) == 100


def test_an_even_modulus_has_no_distance_irrelevance():
    task = ModularArithmetic(modulus=6, equals=False)
    config, recipe, hyper = gj.presets.pizza(task, d_model=8, num_heads=2)
    run = gj.Run.init(task, config, recipe, hyper)
    with pytest.raises(ValueError, match="modulus=6 is even"):
        pizza.distance_irrelevance(run)
    assert grid.logits(run).shape == (6, 6, 6)
