"""What each representation does: on models that others trained, against the numbers of the published code."""

import json

import jax
import numpy as np
import pytest

import grokjax as gj
from grokjax import interop
from grokjax.interp.modular import components, grid, progress, representations

PUBLISHED = dict(
    similarity="logit_{}_trace_similarity",
    restricted_loss="logit_restricted_loss_{}",
    excluded_loss="logit_excluded_loss_{}",
    embedding_x="percent_x_embed_{}",
    embedding_y="percent_y_embed_{}",
    unembedding="percent_unembed_{}",
    neurons_x="percent_hidden_x_{}",
    neurons_y="percent_hidden_y_{}",
    neurons_xy="percent_hidden_xy_{}",
)
"""The names of the released table, with the name of a representation."""


def trained_on(run, expected):
    rows = gj.tasks.torch_split(run.task.num_symbols**2, expected["n_train"] / expected["n_all"], 1)[0]
    assert len(rows) == expected["n_train"]
    return np.isin(np.arange(run.task.num_symbols**2), rows)


@pytest.mark.parametrize("name", ["S5_T_seed1", "C118_T_seed1"])
def test_each_representation_has_its_published_numbers(reference, name):
    run = interop.group(reference / "raw" / f"reptheory_{name}.model.pt")
    expected = json.loads((reference / f"reptheory_{name}.json").read_text())["expected"]
    found = jax.jit(representations.measures)(run, trained_on(run, expected))
    names, want = components.of_task(run.task).names, expected["published_definitions_recomputed"]
    compared = 0
    for field, pattern in PUBLISHED.items():
        for i, one in enumerate(names):
            if (value := want.get(pattern.format(f"{one}_rep"))) is not None:
                near = dict(rtol=2e-3, atol=2e-7) if "loss" in field else dict(rtol=1e-4, atol=1e-6)
                np.testing.assert_allclose(getattr(found, field)[i], value, **near, err_msg=f"{field} {one}")
                compared += 1
    assert compared >= 2 * len(PUBLISHED)


def test_what_a_run_uses_is_chosen_by_itself_or_given():
    task = gj.GroupComposition("S3")
    run = gj.Run.init(task, *gj.presets.nanda(task, d_model=8, num_heads=2))
    train, chosen = np.arange(36) < 20, np.array([True, False])
    given = progress.measures(run, train, keys=chosen)
    assert (np.asarray(given.keys) == chosen).all()
    np.testing.assert_allclose(given.excluded_loss, given.excluded_by_component[0], rtol=1e-5)
    each = representations.measures(run, train)
    np.testing.assert_allclose(each.excluded_loss, given.excluded_character_by_component, rtol=1e-5)


@pytest.mark.parametrize("modulus", [3, 7, 23])
def test_powers_of_a_generator_turn_products_into_sums(modulus):
    powers = components.generator_powers(modulus)
    assert sorted(powers) == list(range(1, modulus))
    i, j = np.indices((modulus - 1, modulus - 1))
    assert (powers[i] * powers[j] % modulus == powers[(i + j) % (modulus - 1)]).all()


@pytest.mark.parametrize("modulus", [2, 8, 9, 15])
def test_only_an_odd_prime_has_them_here(modulus):
    with pytest.raises(ValueError, match=f"modulus={modulus} must be an odd prime"):
        components.generator_powers(modulus)


def test_of_the_grid_nothing_is_left_over():
    """Of a table of a sum the parts along the characters and the constant are the whole."""
    known = components.of_group("C7")
    a, b = np.indices((7, 7))
    labels = ((a + b) % 7).ravel()
    table = np.random.default_rng(0).normal(size=7)
    logits = np.asarray(
        table[(labels[:, None] - np.arange(7)) % 7] + table[(np.arange(7) - labels[:, None]) % 7]
    )
    parts, along, characters = components.of_logits(known, logits.astype(np.float32), labels)
    np.testing.assert_allclose(parts, characters, atol=1e-4)
    np.testing.assert_allclose(parts.sum(0)[labels], logits - logits.mean(1, keepdims=True), atol=1e-4)
    assert grid.every(gj.ModularArithmetic(modulus=7)).labels[:, 0].tolist() == labels.tolist()
    assert along.shape == (3,)
