"""One call from Python: the bits of the command, going on, leaving the loop, and what is refused."""

import json

import jax
import numpy as np
import optax
import pytest

import grokjax as gj
from experiments import seed_sweep
from grokjax.checkpoints import spec as specs

TASK = gj.Addition(num_digits=1, batch_size=8)
FLAGS = ["--digits=1", "--d_model=8", "--heads=2", "--batch=8", "--epoch_steps=5", "--weight_decay=0,1"]
EVALUATION = dict(evaluation_size=16, evaluate_every=5)


def run(directory, *, steps=20, seeds=2, decays=(0.0, 1.0), **options):
    config, _, hyper = gj.presets.nanda_addition(TASK, d_model=8, num_heads=2)
    hypers = gj.grid(hyper, seed=range(seeds), weight_decay=decays)
    return gj.run_sweep(
        directory, TASK, config, gj.Recipe(**EVALUATION), hypers, steps=steps, epoch_steps=5, **options
    )


def assert_same_bits(one, two):
    assert one.epochs == two.epochs
    for epoch in one.epochs:
        jax.tree.map(np.testing.assert_array_equal, one.params(epoch), two.params(epoch))
    for name in one.metrics:
        np.testing.assert_array_equal(one.metrics[name], two.metrics[name], err_msg=name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The sweep as the command trains it."""
    folder = tmp_path_factory.mktemp("command") / "sweep"
    more = [f"--{name}={value}" for name, value in EVALUATION.items()]
    assert seed_sweep.main([*FLAGS, *more, f"--output={folder}", "--seeds=2", "--steps=20"]) == 0
    return gj.open_sweep(folder)


def test_python_trains_the_bits_of_the_command_and_reports(whole, tmp_path):
    session = run(tmp_path)
    epochs = list(session)
    assert [epoch.step for epoch in epochs] == [0, 5, 10, 15, 20]
    assert session.finished and session.trained == 80
    assert_same_bits(session.sweep, whole)
    jax.tree.map(np.testing.assert_array_equal, epochs[-1].runs.params, whole.params(4))
    assert json.loads((tmp_path / "summary.json").read_text())["runs"] == 4
    for name in ("shelves.csv", "runs.csv", "figures/losses_log.png"):
        assert (tmp_path / name).stat().st_size > 0


def test_leaving_the_loop_saves_what_is_done_and_the_same_call_goes_on(whole, tmp_path):
    for epoch in run(tmp_path):
        if epoch.number == 2:
            break
    assert gj.open_sweep(tmp_path).metrics["loss"].shape[1] == 10
    with pytest.raises(RuntimeError, match="mine"):
        for epoch in run(tmp_path):
            assert epoch.number == 3
            raise RuntimeError("mine")
    assert [epoch.number for epoch in run(tmp_path)] == [4]
    assert_same_bits(gj.open_sweep(tmp_path), whole)
    assert list(run(tmp_path)) == []


def test_more_steps_and_more_seeds_extend_it(whole, tmp_path):
    for options in (dict(steps=10, seeds=1), dict(seeds=1), {}):
        list(run(tmp_path, **options))
    assert_same_bits(gj.open_sweep(tmp_path), whole)


def test_a_new_value_of_a_knob_adds_runs_and_keeps_those_that_are_there(whole, tmp_path):
    list(run(tmp_path, decays=[1.0]))
    before = gj.open_sweep(tmp_path).metrics["loss"]
    list(run(tmp_path))  # 0 stands before 1 in the grid
    found = gj.open_sweep(tmp_path)
    assert np.asarray(found.hypers.weight_decay).tolist() == [1, 1, 0, 0]
    np.testing.assert_array_equal(found.metrics["loss"][:2], before)
    order = [1, 3, 0, 2]  # the runs of `whole`, whose bits they have
    for epoch in whole.epochs:
        own = jax.tree.map(lambda leaf: leaf[np.array(order)], whole.params(epoch))
        jax.tree.map(np.testing.assert_array_equal, found.params(epoch), own)
    assert list(run(tmp_path)) == []


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(decays=[0.1, 1.0]), ["recorded 0.0, asked for 0.1", "to add values", "weight_decay=0,0.1,1"]),
        (dict(steps=10), ["steps", "20", "10"]),
        (dict(seeds=1), ["runs", "4", "2"]),
        (dict(block=2), ["block", "1", "2"]),
        (dict(resume=False), ["already holds a sweep", "resume=True"]),
    ],
)
def test_another_sweep_is_refused_at_the_call(whole, options, words):
    files = lambda: {path: path.stat().st_mtime_ns for path in whole.directory.rglob("*")}
    before = files()
    with pytest.raises(ValueError) as error:
        run(whole.directory, **options)
    assert all(word in str(error.value) for word in words), str(error.value)
    assert files() == before


def test_only_the_knob_that_lacks_a_value_is_named():
    """With one value more in a grid every later run stands elsewhere, so every knob differs somewhere."""
    columns = lambda rates: specs.columns(
        gj.grid(gj.Hyper(), seed=[0, 1], learning_rate=rates, weight_decay=[0, 1])
    )
    assert specs.hyper_differences(columns([0.001]), columns([0.01, 0.1])) == [
        "learning_rate of run 0: recorded 0.001, asked for 0.01"
    ]


def test_nothing_is_written_before_the_loop(tmp_path):
    run(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TypeError, match="steps"):
        gj.run_sweep(tmp_path, TASK, None, None, None)


def lion(hyper):
    return optax.lion(hyper.learning_rate)


def test_an_optimiser_of_ones_own_trains_and_reports(tmp_path):
    config, _, hyper = gj.presets.notes(TASK, d_model=8, num_heads=2)
    recipe = gj.Recipe(optimizer=lion, **EVALUATION)
    hypers = gj.grid(hyper, seed=range(2))
    session = gj.run_sweep(tmp_path, TASK, config, recipe, hypers, steps=5, epoch_steps=5)
    list(session)
    assert session.finished and (tmp_path / "summary.json").exists()
    assert gj.open_sweep(tmp_path, trusted=[lion]).recipe.optimizer is lion
