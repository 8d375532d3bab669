"""What a newcomer types first does what it says: each test is one guess, written as it was guessed.

Tables need pandas and xarray, the extra `data`.
"""

import jax
import numpy as np
import optax
import pandas
import pytest

import grokjax as gj
from grokjax import interp

TASK = gj.ModularArithmetic(modulus=5)
CONFIG, RECIPE, HYPER = gj.presets.nanda(TASK, d_model=8, num_heads=2)
HYPERS = gj.grid(HYPER.replace(train_fraction=0.7), seed=range(2), weight_decay=[0.1, 1.0])


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A sweep of four runs, trained as a newcomer would: one call."""
    directory = tmp_path_factory.mktemp("guesses") / "modular"
    return gj.run_sweep(directory, TASK, CONFIG, RECIPE, HYPERS, steps=40, epoch_steps=20).run()


def test_train_from_python_and_draw_the_epochs():
    epochs = list(gj.train(TASK, CONFIG, RECIPE, HYPERS, steps=40, epoch_steps=20))
    assert [epoch.step for epoch in epochs] == [0, 20, 40]
    assert sum(epoch.metrics["loss"].shape[1] for epoch in epochs) == 40
    plot = gj.figures.train_test(epochs)
    assert plot.data["step"][plot.data["set"] == "train"].max() == 39
    assert gj.figures.losses(epochs).data["step"].max() == 39


def test_the_train_test_picture_of_a_sweep(sweep, tmp_path):
    assert gj.figures.train_test(sweep).axes[0].get_ylabel() == "loss (nats)"
    accuracy = gj.figures.train_test(sweep, metric="accuracy")
    assert accuracy.axes[0].get_ylabel() == "accuracy" and accuracy.axes[0].get_yscale() == "linear"
    last = accuracy.data["run_3"][accuracy.data["set"] == "test"][-1]
    assert last == sweep.metrics["test_accuracy"][3, -1].mean()
    assert accuracy.save(tmp_path / "curves.png") == [tmp_path / "curves.png"]
    assert [path.suffix for path in accuracy.save(tmp_path / "all")] == [".png", ".svg", ".csv"]


def test_save_reopen_go_on_and_add_seeds(tmp_path):
    directory = tmp_path / "runs" / "a"
    sweep = gj.run_sweep(directory, TASK, CONFIG, RECIPE, HYPERS, steps=20, epoch_steps=20).run()
    again = gj.open_sweep(directory)
    assert len(again) == len(sweep) == 4 and again.num_steps == 20
    same = (again.task, again.config, again.recipe)
    further = gj.run_sweep(directory, *same, again.hypers, steps=40, epoch_steps=20).run()
    assert further.num_steps == 40 and further.metrics["loss"].shape == (4, 40, 1)
    assert np.array_equal(further.metrics["loss"][:, :20], sweep.metrics["loss"][:, :20])
    more = gj.concatenate([again.hypers, gj.grid(HYPER.replace(train_fraction=0.7), seed=[2])])
    grown = gj.run_sweep(directory, *same, more, steps=40, epoch_steps=20).run()
    assert len(grown) == 5 and np.isfinite(grown.metrics["loss"]).all()


def test_a_sweep_as_pandas_and_as_xarray(sweep):
    table = sweep.table()
    assert len(table) == len(sweep) == 4 and table.weight_decay.tolist() == [0.1, 1.0, 0.1, 1.0]
    assert table.groupby("weight_decay").test_loss.median().shape == (2,)
    written = pandas.read_csv(sweep.directory / "runs.csv")
    assert list(written.columns) == ["run", *table.columns]
    np.testing.assert_allclose(written.test_loss, table.test_loss, rtol=1e-5)
    data = sweep.to_xarray()
    assert data.loss.dims == ("run", "step", "digit") and data.loss.attrs["units"] == "nats"
    assert data.test_accuracy.sel(test_step=0).shape == (4, 1)
    by_decay = data.loss.mean("digit").groupby("weight_decay").median()
    assert by_decay.sizes == {"weight_decay": 2, "step": 40}
    assert set(sweep.to_xarray(["gradient_norm.W_E"])) == {"gradient_norm.W_E"}


def test_which_runs_grokked(sweep):
    table = sweep.table()
    assert table[table.generalised].shape[0] == table.generalised.sum()
    assert sweep.where(weight_decay=1).tolist() == [1, 3]
    assert sweep.where(weight_decay=[0.1, 1], seed=1).tolist() == [2, 3]
    assert len(sweep.runs()[sweep.where(weight_decay=0.1)]) == 2
    with pytest.raises(ValueError, match="decay is no field of Hyper; there are seed, learning_rate"):
        sweep.where(decay=1)


def test_a_probe_over_epochs(sweep):
    batch, key = TASK.table(), jax.random.key(0)

    def accuracy(run):
        resid = run.cache(batch.tokens)["resid_post", 0][:, -1]
        return interp.probes.held_out(5, resid, batch.labels[:, 0], key)[1].accuracy

    found = gj.map_epochs(sweep, accuracy)
    assert found.shape == (len(sweep.epochs), 4) and ((found >= 0) & (found <= 1)).all()


def lion(hyper):
    """An optimiser of one's own."""
    return optax.lion(hyper.learning_rate, weight_decay=hyper.weight_decay)


@pytest.mark.parametrize("own", [lion, lambda hyper: optax.sgd(hyper.learning_rate)])
def test_an_optimiser_of_ones_own(own):
    first, *_, last = gj.train(TASK, CONFIG, gj.Recipe(optimizer=own), HYPERS, steps=2, epoch_steps=2)
    assert last.step == 2 and not np.array_equal(first.runs.params["W_E"], last.runs.params["W_E"])


@pytest.mark.parametrize("given", [optax.lion(1e-3), optax.lion])
def test_what_is_no_function_of_the_hyper_is_told_what_to_be(given):
    with pytest.raises(ValueError, match=r"hyper -> optax\.GradientTransformation"):
        next(gj.train(TASK, CONFIG, gj.Recipe(optimizer=given), HYPERS, steps=2))


def test_orbits_of_the_embedding(sweep):
    embeddings = gj.map_epochs(sweep, lambda run: run.params["W_E"][:5])  # [E, S, V, D]
    found = interp.pca.orbits(embeddings[:, 0])
    plot = gj.figures.orbits(found)
    assert len(plot.data["x"]) == 5 * len(sweep.epochs)


def test_activations_by_the_names_of_transformer_lens(sweep):
    run = sweep.run(0)
    tokens = TASK.table().tokens
    _, cache = run.run_with_cache(tokens)
    assert cache["pattern", 0] is cache["blocks.0.attn.pattern"]
    assert cache["post", -1] is cache["blocks.0.mlp.post"] and cache["q", 0, "attn"].shape == (25, 3, 2, 4)
    assert cache["blocks.0.hook_resid_post"] is cache["resid_post", 0]
    with pytest.raises(KeyError, match=r"no activation is named .'patern', 0.*blocks\.0\.attn\.pattern"):
        cache["patern", 0]
    stacked = jax.vmap(lambda run: run.cache(tokens))(sweep.runs())
    assert stacked["pattern", 0].shape == (4, 25, 2, 3, 3) and list(stacked) == sorted(cache)


def test_a_run_leaves_by_one_call(sweep, tmp_path):
    run = sweep.run(1)
    gj.interop.save_safetensors(run, tmp_path / "run.safetensors")
    back = gj.interop.load_safetensors(tmp_path / "run.safetensors")
    assert np.array_equal(back.params["W_E"], run.params["W_E"])
    out = gj.interop.to_transformer_lens(run)
    assert out.weights["embed.W_E"].shape == (6, 8) and out.config["d_model"] == 8


def test_a_notebook_shows_what_a_sweep_is(sweep):
    shown = sweep._repr_html_()
    assert "ModularArithmetic(modulus=5)" in shown and "0.1, 1" in shown and str(sweep.directory) in shown
