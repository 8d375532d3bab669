"""Tables of a sweep: planted runs give known rows; the documented columns are those that there are."""

import pathlib
import re
import sys

import numpy as np
import planted_sweep
import pytest

import grokjax as gj
from grokjax import checkpoints
from grokjax.checkpoints import tables
from grokjax.curves import shelves

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "data.md").read_text()
TASK = gj.ModularArithmetic(modulus=5)
HYPERS = gj.grid(gj.Hyper(), seed=[3, 4], weight_decay=[0.1, 1.0])


def planted():
    """Metrics of four runs that memorise at step 20; two of them generalise, at 60 and 80."""
    at, first = np.arange(0, 101, 20), np.arange(100)
    reached = lambda step, times: np.where(step >= times, 1.0, 0.5)
    tests = np.stack([reached(at, time) for time in (60, np.inf, 80, np.inf)])
    trained = np.stack([reached(first, 20)] * 4)
    return dict(
        loss=np.full((4, 100, 1), 0.25),
        accuracy=trained[..., None],
        exact_match=trained,
        test_loss=1 - tests[..., None],
        test_accuracy=tests[..., None],
        test_exact_match=tests,
        test_step=at,
    )


def test_planted_runs_give_known_rows():
    rows = tables.rows(TASK, HYPERS, planted())
    assert [row["weight_decay"] for row in rows] == [0.1, 1.0, 0.1, 1.0]
    assert rows[0] == dict(
        run=0,
        seed=3,
        weight_decay=0.1,
        loss=0.25,
        accuracy=1.0,
        test_loss=0.0,
        test_accuracy=1.0,
        memorised_step=20,
        generalised_step=60,
        generalised=True,
        delay=40,
    )
    never = {name: rows[1][name] for name in ("generalised_step", "generalised", "delay", "memorised_step")}
    assert never == dict(generalised_step=None, generalised=False, delay=None, memorised_step=20)
    assert rows[2]["delay"] == 60


def test_an_untrained_sweep_and_frozen_tensors_have_rows_too():
    hypers = gj.grid(gj.Hyper(), seed=[0], frozen=[0, gj.freeze("W_E", "W_U")])
    rows = tables.rows(TASK, hypers, {})
    assert rows == [dict(run=0, seed=0, frozen="none"), dict(run=1, seed=0, frozen="W_E+W_U")]


def test_a_task_of_several_digits_has_the_loss_of_each():
    task = gj.Addition(num_digits=2)
    loss = np.broadcast_to(np.array([1.0, 2.0, 3.0]), (4, 60, 3))
    [row, *_] = tables.rows(task, HYPERS, dict(loss=loss))
    assert [row[f"loss_digit_{digit}"] for digit in range(3)] == [1.0, 2.0, 3.0] and row["loss"] == 2.0
    assert "generalised" not in row


def test_which_runs_ended_is_read_without_the_rest_of_the_state(tmp_path):
    spec = planted_sweep.spec(num_runs=3, steps=100)
    with checkpoints.create(tmp_path / "sweep", spec) as writer:
        [part] = writer.parts
        for epoch in planted_sweep.epochs(part, None):
            part.record(epoch)
        part.finish()
    ended = gj.open_sweep(tmp_path / "sweep").ended()
    assert ended["stopped"].tolist() == [True] * 3 and ended["diverged"].tolist() == [False] * 3


@pytest.mark.parametrize("name, call", [("pandas", "table"), ("xarray", "to_xarray")])
def test_a_missing_extra_is_one_sentence(tmp_path, monkeypatch, name, call):
    with checkpoints.create(tmp_path / "sweep", planted_sweep.spec()):
        pass
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"^{name} is not installed.*pip install 'grokjax\[data\]'$"):
        getattr(gj.open_sweep(tmp_path / "sweep"), call)()


def documented(title):
    """The names in the first column of the table under a heading of docs/data.md."""
    section = PAGE.split(f"## {title}")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.M)
    return {name for row in rows for name in re.findall("`([A-Za-z_.]+)`", row)}


def test_the_documented_columns_are_those_that_there_are():
    row = set(tables.rows(TASK, HYPERS, planted())[0]) - {"weight_decay"}
    assert documented("runs.csv") == row | {"diverged", "stopped", "Hyper", "loss_digit_K"}
    assert documented("shelves.csv") == set(shelves.Row._fields)
    program = gj.training.Program(TASK, gj.ModelConfig.of(TASK, d_model=8), gj.Recipe())
    measured = {name for sizes in gj.training.metrics.layout(program) for name in sizes}
    named = {name for name in measured if "." not in name} | {"gradient_norm.NAME", "test_step"}
    assert documented("Metrics") == named
