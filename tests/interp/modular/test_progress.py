"""Progress measures: on models that others trained, and on a planted clock."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import grokjax as gj
from grokjax import interop
from grokjax.interp.modular import components, grid, progress
from grokjax.tasks import ModularArithmetic


def released(reference, name, read, file):
    with open(reference / f"{name}.json") as text:
        return read(reference / "raw" / file), json.load(text)["expected"]


def test_nandas_model_has_its_published_measures(reference):
    file = "wd_10-1_mod_addition_loss_curve.pth"
    run, expected = released(reference, "modadd_wd0p1", interop.nanda, file)
    found = jax.jit(progress.measures)(run, grid.training_rows(run))
    near = lambda value, name, rtol=1e-4: np.testing.assert_allclose(value, expected[name], rtol=rtol)
    near(found.loss, "loss_113way_all", 2e-3)
    near(found.loss_train, "loss_113way_train", 2e-3)
    near(found.loss_test, "loss_113way_test", 2e-3)
    near(found.restricted_loss, "restricted_loss_all", 2e-3)
    near(found.excluded_loss, "excluded_loss_2D_full_train")
    near(found.excluded_character_loss, "excluded_loss_3D_full_train")
    near(found.explained, "logit_FVE_2D_key")
    near(found.explained_by_neurons, "mlp_variance_explained_overall")
    near(found.clusters.share.mean(), "neuron_frac_explained_mean")
    near(found.sum_of_squares, "sum_sq_weights_total")
    near(progress.gini_of_embedding(run), "gini_W_E_112_nonconst_component_norms")
    near(progress.gini_of_logit_weights(run), "gini_W_L_112_nonconst_component_norms")
    keys = np.flatnonzero(found.keys)
    assert (keys + 1).tolist() == [3, 6, 12, 23, 31, 37, 39, 41, 46, 54]
    assert np.asarray(found.clusters.counts)[keys].tolist() == [10, 117, 1, 84, 1, 127, 54, 105, 6, 7]
    assert np.asarray(found.clusters.counts_above).sum() == 185


@pytest.mark.parametrize(
    ("name", "keys", "counts", "restricted", "explained"),
    [
        ("C118_T_seed1", [10, 16, 19, 37, 59], [118, 126, 175, 74, 19], 5.796907e-08, None),
        ("S5_T_seed1", ["sign", "standard_sign"], [27, 485], 1.768198e-09, 0.628772),
    ],
)
def test_group_models_use_the_representations_that_were_published(
    reference, name, keys, counts, restricted, explained
):
    run = interop.group(reference / "raw" / f"reptheory_{name}.model.pt")
    found = jax.jit(progress.measures)(run, np.ones(run.task.num_symbols**2, bool))
    chosen = np.flatnonzero(found.keys)
    names = components.of_task(run.task).names
    expected = [names[key - 1] if isinstance(key, int) else key for key in keys]
    assert [names[i] for i in chosen] == expected
    assert np.asarray(found.clusters.counts)[chosen].tolist() == counts
    np.testing.assert_allclose(found.restricted_loss, restricted, rtol=2e-3)
    if explained is not None:
        np.testing.assert_allclose(found.explained, explained, rtol=1e-4)


@pytest.mark.parametrize("name", ["C7", "C8", "S3", "A4", "D5"])
def test_components_are_orthogonal_projections_that_sum_to_all_but_the_constant(name):
    found = components.of_group(name)
    n = found.projections.shape[1]
    np.testing.assert_allclose(found.projections.sum(0), np.eye(n) - 1 / n, atol=1e-9)
    products = np.einsum("fij,gjk->fgik", found.projections, found.projections)
    for f, g in np.ndindex(products.shape[:2]):
        np.testing.assert_allclose(products[f, g], found.projections[f] * (f == g), atol=1e-9)
    np.testing.assert_allclose(np.trace(found.projections, axis1=1, axis2=2), found.ranks, atol=1e-9)
    np.testing.assert_allclose(found.basis @ found.basis.T, np.eye(n - 1), atol=1e-9)


class Clock:
    """Logits cos w(a + b − c), of one frequency, as a run without weights to look at would give them."""

    def __init__(self, modulus, frequency):
        self.task = ModularArithmetic(modulus=modulus, equals=False)
        a, b, c = np.ogrid[:modulus, :modulus, :modulus]
        self.grid = grid.Grid(
            jnp.asarray(20 * np.cos(2 * np.pi * frequency * (a + b - c) / modulus), jnp.float32),
            jnp.asarray(np.cos(2 * np.pi * frequency * (a + b) / modulus) * np.ones(3), jnp.float32),
        )
        self.params = {"W": jnp.ones(2)}


@pytest.mark.parametrize(("modulus", "frequency"), [(11, 3), (12, 5), (12, 6)])
def test_a_clock_of_one_frequency_is_nothing_but_that_frequency(monkeypatch, modulus, frequency):
    run = Clock(modulus, frequency)
    monkeypatch.setattr(grid, "of", lambda run: run.grid)
    found = progress.measures(run, np.ones(modulus**2, bool))
    assert np.flatnonzero(found.keys).tolist() == [frequency - 1]
    np.testing.assert_allclose(found.clusters.share, 1, atol=1e-5)
    np.testing.assert_allclose(found.explained, 1, atol=1e-5)
    np.testing.assert_allclose(found.restricted_loss, found.loss, rtol=1e-4)
    np.testing.assert_allclose(found.excluded_loss, np.log(modulus), rtol=1e-4)
    np.testing.assert_allclose(found.excluded_character_loss, np.log(modulus), rtol=1e-4)
    others = np.delete(np.asarray(found.excluded_by_component), frequency - 1)
    np.testing.assert_allclose(others, found.loss, rtol=1e-3)
    unit = 20 * np.sqrt(modulus**3 * (0.5 if 2 * frequency != modulus else 1))
    np.testing.assert_allclose(found.coefficients[frequency - 1], unit, rtol=1e-4)


def test_what_has_no_components_is_refused():
    for task in (ModularArithmetic(modulus=7, operation="multiply"), gj.Addition(num_digits=2)):
        with pytest.raises(ValueError, match="has no components"):
            components.of_task(task)
    with pytest.raises(ValueError, match="of the 49 pairs"):
        grid.every(ModularArithmetic(modulus=7, operation="divide"))


def test_training_rows_are_those_of_the_split():
    task = ModularArithmetic(modulus=7)
    config, recipe, hyper = gj.presets.nanda(task, d_model=8, num_heads=2)
    runs = gj.Run.init(task, config, recipe, gj.grid(hyper, seed=[0, 1], train_fraction=[0.3, 0.6]))
    masks = grid.training_rows(runs)
    assert masks.sum(1).tolist() == [14, 29, 14, 29]
    assert (masks[2] == grid.training_rows(runs[2])).all() and (masks[0] != masks[2]).any()
    train = gj.tasks.split(49, 0.6, 1)[0]
    assert set(np.flatnonzero(masks[3])) == set(train.tolist())


def test_measures_of_stacked_runs_are_those_of_each():
    task = ModularArithmetic(modulus=7)
    config, recipe, hyper = gj.presets.nanda(task, d_model=8, num_heads=2)
    runs = gj.Run.init(task, config, recipe, gj.grid(hyper, seed=[0, 1], attention_rate=[0.5]))
    masks = grid.training_rows(runs)
    found = gj.map_runs(progress.measures)(runs, masks)
    one = progress.measures(runs[1], masks[1])
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x[1], y, rtol=2e-4, atol=1e-5), found, one)
    batch = task.table()
    np.testing.assert_allclose(
        found.loss_train[1], runs[1].logits(batch.tokens).shape[0] * 0 + one.loss_train
    )
