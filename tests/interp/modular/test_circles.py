"""Circles: formulas written down by hand get their class, and so do released models."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import grokjax as gj
from grokjax import interop
from grokjax.interp.modular import circles

P, CIRCLES = 13, (2, 5)


@dataclasses.dataclass(frozen=True)
class ByFormula:
    """A model whose embeddings are circles; each answers by its own formula, and they are added."""

    params: dict
    clocks: tuple[float, ...]
    pizzas: tuple[float, ...]
    task = gj.ModularArithmetic(modulus=P)

    def replace(self, params):
        return dataclasses.replace(self, params=params)

    def logits(self, tokens):
        a, b = (self.params["W_E"][tokens[:, i]] for i in (0, 1))
        turns = 2 * jnp.pi * jnp.array(CIRCLES)[:, None] * jnp.arange(P) / P
        answers = jnp.exp(-1j * turns)
        a, b = (x[:, ::2] + 1j * x[:, 1::2] for x in (a, b))
        clock = (a * b)[:, :, None] * answers
        # |S cos(wc/2) + T sin(wc/2)| - |T cos(wc/2) - S sin(wc/2)|, (S, T) the sum of the two embeddings
        half = (a + b)[:, :, None] * jnp.exp(-1j * turns / 2)
        pizza = jnp.abs(half.real) - jnp.abs(half.imag)
        weight = lambda values: jnp.array(values)[:, None]
        return (weight(self.clocks) * clock.real + weight(self.pizzas) * pizza).sum(1)[:, None]


def by_formula(clocks, pizzas):
    turns = 2 * jnp.pi * jnp.arange(P)[:, None] * jnp.array(CIRCLES) / P
    table = jnp.stack([jnp.cos(turns), jnp.sin(turns)], -1).reshape(P, -1)
    return ByFormula({"W_E": table}, clocks, pizzas)


@pytest.mark.parametrize(
    ("clocks", "pizzas", "named"),
    [
        ((1.0, 1.0), (0.0, 0.0), "clock"),
        ((0.0, 0.0), (1.0, 2.0), "pizza"),
        ((1.0, 0.0), (0.0, 1.0), "both"),
        ((0.5, 0.5), (0.44, 0.44), "undecided"),
    ],
)
def test_formulas_have_their_class(clocks, pizzas, named):
    found = circles.of(by_formula(clocks, pizzas), count=4)
    assert sorted(found.frequency[:2]) == list(CIRCLES)
    np.testing.assert_allclose(found.power, [0.5, 0.5, 0, 0], atol=1e-6)
    assert circles.classes(found) == [named]
    np.testing.assert_allclose(
        np.maximum(found.clock, found.pizza)[2:], 0, atol=1e-4
    )  # what is left is rounding


def test_a_formula_fits_itself_and_has_all_of_the_logits():
    found = circles.of(by_formula((3.0, 0.0), (0.0, 2.0)), count=2)
    clock = int(np.flatnonzero(np.asarray(found.frequency) == CIRCLES[0])[0])
    assert found.clock[clock] == pytest.approx(1, abs=1e-5)
    assert found.pizza[1 - clock] == pytest.approx(1, abs=1e-5)
    pure = circles.of(by_formula((3.0, 1.0), (0.0, 0.0)), count=2)
    np.testing.assert_allclose(np.sort(pure.logits), [0.1, 0.9], atol=1e-5)


def test_random_weights_are_of_neither_kind():
    task = gj.ModularArithmetic(modulus=P)
    config, recipe, hyper = gj.presets.pizza(task, d_model=8, num_heads=2)
    runs = gj.Run.init(task, config, recipe, gj.grid(hyper, seed=range(3)))
    assert circles.classes(gj.map_runs(circles.of)(runs)) == ["neither"] * 3


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("l8k1hzciux", "clock"),  # attention rate 1
        ("p99zdpze5l", "pizza"),  # attention rate 0
        ("2k4ohj6bhd", "both"),  # attention rate .80
        ("hpv2jgskwe", "neither"),  # 3 layers, without circles
        ("p71frej8t7", "pizza"),  # of the sum of the embeddings
        ("7r4zst7evs", "clock"),  # of their concatenation
    ],
)
def test_released_models_have_their_class(reference, name, named):
    raw = reference / "raw"
    run = interop.pizza(raw / f"model_{name}.pt", raw / f"config_{name}.json")
    assert circles.classes(jax.jit(circles.of)(run)) == [named]


def test_what_has_no_circles_is_refused():
    task = gj.ModularArithmetic(modulus=6)
    config, recipe, hyper = gj.presets.pizza(task, d_model=8)
    with pytest.raises(ValueError, match="modulus=6 is even"):
        circles.of(gj.Run.init(task, config, recipe, hyper))
