"""The table of released models: every number is that of the authors' own code."""

import json
import pathlib
import shutil

import numpy as np
import pytest

from experiments.modular import released_models

PIZZA = pathlib.Path(__file__).parents[2] / "data" / "pizza"
PUBLISHED = dict(
    loss=1.6196837833204158e-07,
    accuracy=1.0,
    gradient_symmetricity_sample=0.7813162217055297,
    distance_irrelevance=0.7201227717625729,
    distance_irrelevance_top_wrong_logit=0.8195583033160619,
)
"""Of the model in the repository, by its authors' code in float64."""


def expected(reference, name):
    return json.loads((reference / f"{name}.json").read_text())["expected"]


def test_a_directory_becomes_a_table_a_page_and_a_json(tmp_path, capsys):
    models = tmp_path / "models"
    models.mkdir()
    for name in ("model_2k4ohj6bhd.pt", "config_2k4ohj6bhd.json"):
        shutil.copy(PIZZA / name, models)
    (models / "other.pth").write_bytes(b"hello")
    out = tmp_path / "found.json"
    assert (
        released_models.main([str(models), "--json", str(out), "--train_fraction", ".8", "--split_seed", "1"])
        == 0
    )
    row, other = json.loads(out.read_text())["rows"]
    assert row["file"] == "model_2k4ohj6bhd.pt" and row["kind"] == "pizza"
    assert set(row) == {"file", "kind", *released_models.FIELDS}
    assert {name: row[name] for name in PUBLISHED} == pytest.approx(PUBLISHED, rel=1e-6)
    assert row["circularity"] == pytest.approx(0.7342162, abs=2e-3)
    assert row["gradient_symmetricity"] == pytest.approx(0.773144, abs=1e-6)
    assert row["loss"] == pytest.approx(0.8 * row["loss_train"] + 0.2 * row["loss_test"], rel=1e-3)
    assert row["key_frequencies"] == sorted(row["key_frequencies"]) and len(row["neuron_counts"]) > 0
    assert row["excluded_loss_2D"] > 1 and row["key_representations"] is None
    assert other["kind"] is None and "is not a checkpoint" in other["error"] and other["loss"] is None
    assert out.with_suffix(".png").stat().st_size > 1000 and "2k4ohj6bhd" in capsys.readouterr().out


def test_a_linear_model_has_its_published_numbers(reference):
    row = released_models.row(reference / "raw" / "model_7r4zst7evs.pt")
    want = expected(reference, "pizza_7r4zst7evs")
    assert row["loss"] == pytest.approx(want["loss_full_grid"], rel=1e-6)
    sample = want["gradient_symmetricity_100_triples"]
    assert row["gradient_symmetricity_sample"] == pytest.approx(sample, abs=1e-6)
    published = want["gradient_symmetricity_all_205379_triples"]["mean"]
    assert row["gradient_symmetricity"] == pytest.approx(published, abs=1e-6)
    irrelevance = want["distance_irrelevance_correct_logit"]
    assert row["distance_irrelevance"] == pytest.approx(irrelevance, abs=1e-6)
    assert row["circularity"] == pytest.approx(want["circularity"], abs=2e-3)
    assert row["excluded_loss_2D"] is None and row["loss_train"] is None


def test_a_group_has_representations_and_its_own_split(reference):
    row, want = (
        released_models.row(reference / "raw" / "reptheory_S5_T_seed1.model.pt"),
        expected(reference, "reptheory_S5_T_seed1"),
    )
    published = (reference / "raw" / "reptheory_S5_T_seed1.key_reps.txt").read_text().split()
    assert row["kind"] == "group" and row["key_representations"] == published
    assert row["neuron_counts"] == list(want["neuron_irrep_counts_frac_explained_ge_0.85"].values())
    assert row["loss_train"] == pytest.approx(want["loss_120way_train"], rel=1e-6)
    assert row["loss_test"] == pytest.approx(want["loss_120way_test"], rel=1e-6)
    assert row["restricted_loss"] == pytest.approx(want["restricted_loss_isotypic_all"], rel=1e-6)
    assert row["excluded_loss_isotypic"] == pytest.approx(want["excluded_loss_isotypic_full_train"], rel=1e-6)
    assert row["excluded_loss_2D"] is None and row["gini_W_E"] is None


@pytest.mark.parametrize(
    "name, file, modulus",
    [
        ("modadd_wd0p1", "wd_10-1_mod_addition_loss_curve.pth", 113),
        ("reptheory_C118_T_seed1", "reptheory_C118_T_seed1.model.pt", 118),
    ],
)
def test_modular_models_have_their_published_measures(reference, name, file, modulus):
    kind, run = released_models.read(reference / "raw" / file)
    want, train = expected(reference, name), released_models.training_rows(kind, run, None, None)
    assert np.array_equal(train, np.load(reference / f"{name}.npz")["grid.is_train"])
    found = released_models.in_float64(run, train, released_models.losses, released_models.of_components)
    outputs = run.config.num_outputs
    assert found["loss"] == pytest.approx(want[f"loss_{outputs}way_all"], rel=1e-6)
    assert found["loss_train"] == pytest.approx(want[f"loss_{outputs}way_train"], rel=1e-6)
    assert found["key_frequencies"] == want["key_freqs_frac_explained_ge_0.85"]
    assert found["neuron_counts"] == want["counts_frac_explained_ge_0.85"]
    assert found["restricted_loss"] == pytest.approx(want["restricted_loss_all"], rel=1e-6)
    assert found["excluded_loss_2D"] == pytest.approx(want["excluded_loss_2D_full_train"], rel=1e-6)
    assert found["excluded_loss_3D"] == pytest.approx(want["excluded_loss_3D_full_train"], rel=1e-6)
    for weights in ("W_E", "W_L"):
        gini = want[f"gini_{weights}_{modulus - 1}_nonconst_component_norms"]
        assert found[f"gini_{weights}"] == pytest.approx(gini, rel=1e-6)


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--json", "x.json", "--split_seed", "1"], "belong together"),
        (["--json", "x.json", "--split_seed", "1", "--train_fraction", "2"], "must be above 0 and at most 1"),
        (["--json", "x.json"], "has no file that ends in .pt or .pth"),
    ],
)
def test_mistakes_are_said(tmp_path, capsys, flags, words):
    with pytest.raises(SystemExit):
        released_models.main([str(tmp_path), *flags])
    assert words in capsys.readouterr().err
