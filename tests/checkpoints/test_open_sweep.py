import dataclasses
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import planted_sweep
import pytest

import grokjax
from grokjax import checkpoints, training
from grokjax.checkpoints import snapshots

SPEC = planted_sweep.spec(num_runs=3, part_runs=2, steps=20)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("finished") / "sweep"
    planted_sweep.write(directory, SPEC)
    return directory


def test_it_reads_nothing_before_it_is_asked(finished, tmp_path):
    """Only the description: a sweep without its metrics and snapshots still tells its settings."""
    for name in ("config.json", "hypers.npz"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    sweep = grokjax.open_sweep(tmp_path)
    assert (
        sweep.task == SPEC.task
        and sweep.epochs == []
        and list(sweep.metrics) == []
        and re.fullmatch(
            r"sweep of 3 runs, 20 steps of ModularArithmetic\(modulus=5\), 0 epochs saved, in /.*",
            repr(sweep),
        )
    )
    with pytest.raises(ValueError, match=r"epoch=0 is not saved in .*; saved are none yet"):
        sweep.params(0)


@pytest.mark.parametrize("run", [-1, 3, True])
def test_a_run_that_does_not_exist(finished, run):
    with pytest.raises(ValueError, match=rf"run={run} must be one of 0 … 2"):
        grokjax.open_sweep(finished).params(1, run=run)


def test_an_epoch_that_is_not_there(finished):
    sweep = grokjax.open_sweep(finished)
    with pytest.raises(ValueError, match=r"epoch=7 is not saved in .*; saved are 0, 1, 2$"):
        sweep.params(7)
    with pytest.raises(
        ValueError, match=r"keeps only the parameters of epoch 0; full states are there of epochs \[1, 2\]"
    ):
        sweep.state(0)


def test_an_epoch_counts_when_all_parts_have_it(finished, tmp_path):
    with checkpoints.create(tmp_path / "sweep", SPEC) as writer:
        for part, stop in zip(writer.parts, (2, 1), strict=True):
            for epoch in planted_sweep.epochs(part, part.restore(planted_sweep.target())):
                part.record(epoch)
                if epoch.number == stop:
                    break
            part.finish()
    sweep = grokjax.open_sweep(tmp_path / "sweep")
    assert sweep.epochs == [0, 1] and sweep.params(1)["W_E"].shape == (3, 5, 4)
    assert np.isnan(sweep.metrics["loss"][2, 10:]).all() and not np.isnan(sweep.metrics["loss"][:2]).any()


def test_directories_that_are_no_sweep(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone is not a directory"):
        grokjax.open_sweep(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match=r"holds no sweep: it has no config.json"):
        grokjax.open_sweep(tmp_path)
    for content in ("", "{", "[]", '{"a": 1}', "null"):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(ValueError, match=r"config.json is damaged"):
            grokjax.open_sweep(tmp_path)
    (tmp_path / "config.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="has format 99, this version of grokjax reads formats 1 and 2"):
        grokjax.open_sweep(tmp_path)


def test_damaged_hypers_are_named(finished, tmp_path):
    (tmp_path / "config.json").write_bytes((finished / "config.json").read_bytes())
    for content in (None, b"", (finished / "hypers.npz").read_bytes()[:300]):
        if content is not None:
            (tmp_path / "hypers.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"hypers.npz is missing or damaged"):
            print(grokjax.open_sweep(tmp_path).hypers)


def test_map_epochs_applies_a_function_of_one_run_to_all(finished):
    """The planted parameters are no transformer's, so what they hold is looked at, not computed with."""
    found = checkpoints.map_epochs(
        finished,
        lambda run: dict(
            norm=jnp.sum(run.params["W_E"] ** 2), bias=run.params["blocks"][0]["b_in"], seed=run.hyper.seed
        ),
    )
    assert found["norm"].shape == (3, 3) and found["bias"].shape == (3, 3, 2)
    assert (found["seed"] == [0, 1, 2]).all()
    sweep = grokjax.open_sweep(finished)
    for e, epoch in enumerate(sweep.epochs):
        np.testing.assert_array_equal(found["bias"][e], sweep.params(epoch)["blocks"][0]["b_in"])
        np.testing.assert_allclose(found["norm"][e], (sweep.params(epoch)["W_E"] ** 2).sum((1, 2)), rtol=1e-5)
    shifted = lambda run, number: run.params["W_U"][0, 0] + number
    numbers = np.arange(len(sweep), dtype=np.float32)
    last = checkpoints.map_epochs(sweep, lambda run: run.params["W_U"][0, 0], epochs=[-1])
    more = checkpoints.map_epochs(sweep, shifted, epochs=[-1], own=[numbers])
    np.testing.assert_allclose(more, last + numbers)
    np.testing.assert_array_equal(last, sweep.params(2)["W_U"][None, :, 0, 0])
    with pytest.raises(ValueError, match="is asked for"):
        checkpoints.map_epochs(sweep, lambda run: run.params, epochs=[])


def test_runs_of_an_epoch_are_a_stack_and_one_run_is_one_of_it(finished):
    sweep = grokjax.open_sweep(finished)
    runs = sweep.runs()
    assert len(runs) == len(sweep) == 3 and (runs.task, runs.config, runs.recipe) == (
        SPEC.task,
        SPEC.config,
        SPEC.recipe,
    )
    same = lambda a, b: jax.tree.map(np.testing.assert_array_equal, a, b)
    same(runs, sweep.runs(2))
    for given in (dict(epoch=-1), dict(epoch=2), dict(step=20)):
        same(sweep.runs(**given), runs)
        same(sweep.run(1, **given), runs[1])
    same(sweep.runs(step=10), sweep.runs(-2))
    same(sweep.runs(0).params, planted_sweep.runs(range(3), 0).params)
    assert not sweep.run(1).is_stack and int(sweep.run(1).hyper.seed) == 1


def test_one_run_is_read_without_the_rest(finished, monkeypatch):
    rows, arrays = [], snapshots.arrays

    def seen(folder, epoch, items, which, *more):
        rows.append((folder.name, which))
        return arrays(folder, epoch, items, which, *more)

    monkeypatch.setattr(snapshots, "arrays", seen)
    grokjax.open_sweep(finished).run(2)
    assert rows == [("part-1", slice(0, 1))]


@pytest.mark.parametrize(
    "given, words",
    [
        (dict(epoch="last"), r"epoch=last is not saved in .*; saved are 0, 1, 2$"),
        (dict(epoch=-4), r"epoch=-4 is not saved in .*; saved are 0, 1, 2$"),
        (dict(step=15), r"step=15 is not saved in .*; saved are the steps 0, 10, 20$"),
        (dict(epoch=1, step=10), r"epoch=1 and step=10 exclude each other"),
    ],
)
def test_a_moment_that_is_not_there(finished, given, words):
    for read in (grokjax.open_sweep(finished).runs, lambda **at: grokjax.open_sweep(finished).run(0, **at)):
        with pytest.raises(ValueError, match=words):
            read(**given)


def test_runs_are_found_by_what_was_swept(tmp_path):
    hypers = grokjax.grid(grokjax.Hyper(), seed=[4, 5], weight_decay=[0.1, 1.0])
    with checkpoints.create(tmp_path / "sweep", planted_sweep.spec(hypers=hypers)):
        pass
    sweep = grokjax.open_sweep(tmp_path / "sweep")
    assert sweep.where(weight_decay=0.1).tolist() == [0, 2] and sweep.where(seed=5).tolist() == [2, 3]
    assert sweep.where(seed=5, weight_decay=1).tolist() == [3] and sweep.where(seed=7).tolist() == []
    with pytest.raises(ValueError, match="decay is no field of Hyper"):
        sweep.where(decay=1)


def test_a_trained_sweep_comes_back_whole_and_goes_on_to_the_same_bits(tmp_path):
    """The real state of a real program, restored without being told its shape."""
    task = grokjax.ModularArithmetic(modulus=5)
    config, recipe, hyper = grokjax.presets.nanda(task)
    config = dataclasses.replace(config, d_model=8, num_heads=2, d_mlp=8)
    hypers = grokjax.grid(hyper, seed=range(3))
    spec = checkpoints.Spec(task, config, recipe, hypers, steps=12, epoch_steps=4, block=1)

    def train(directory):
        with checkpoints.resume(directory, spec) as writer:
            (part,) = writer.parts
            first = epoch = part.restore()
            lengths = dict(steps=12, epoch_steps=4, block=1, devices=jax.devices()[:1])
            for epoch in training.train(task, config, recipe, part.hypers, resume_from=first, **lengths):
                part.record(epoch)
                if epoch.number == 2 and first is None:
                    part.wait()
                    shutil.copytree(directory, tmp_path / "halves")  # what a kill would leave
            part.finish()
            return first and first.number, epoch.state

    (_, whole), (begun, halves) = train(tmp_path / "whole"), train(tmp_path / "halves")
    assert begun == 2
    jax.tree.map(np.testing.assert_array_equal, halves, whole)
    sweeps = [grokjax.open_sweep(tmp_path / name) for name in ("halves", "whole")]
    for name in sweeps[1].metrics:
        np.testing.assert_array_equal(sweeps[0].metrics[name], sweeps[1].metrics[name])
    assert sweeps[0].metrics["loss"].shape == (3, 12, 1)
    for sweep in sweeps:
        jax.tree.map(np.testing.assert_array_equal, sweep.state(3), whole)
        assert jax.tree.structure(sweep.state(3)) == jax.tree.structure(whole)
        jax.tree.map(
            np.testing.assert_array_equal, sweep.state(3, run=1), jax.tree.map(lambda leaf: leaf[1], whole)
        )
