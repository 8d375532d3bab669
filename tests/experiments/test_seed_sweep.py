"""The command line from outside: what it writes, that it can be stopped, resumed and enlarged, and that it
refuses before it writes.
"""

import csv
import json
import os
import pathlib
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

import grokjax as gj
from experiments import seed_sweep
from grokjax.cli.progress import Progress

TINY = [
    "--digits=1",
    "--d_model=8",
    "--heads=2",
    "--batch=8",
    "--epoch_steps=5",
    "--evaluation_size=16",
    "--evaluate_every=5",
]


def sweep(folder, *more):
    assert seed_sweep.main([*TINY, f"--output={folder}", "--seeds=2", "--steps=20", *more]) == 0
    return gj.open_sweep(folder)


def assert_same_bits(one, two):
    assert one.epochs == two.epochs
    for epoch in one.epochs:
        jax.tree.map(np.testing.assert_array_equal, one.params(epoch), two.params(epoch))
    for name in one.metrics:
        np.testing.assert_array_equal(one.metrics[name], two.metrics[name], err_msg=name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("whole") / "sweep")


def test_a_sweep_has_every_run_step_and_saved_epoch(whole):
    assert whole.metrics["loss"].shape == (2, 20, 2)
    assert whole.epochs == [0, 1, 2, 3, 4]
    assert whole.params(4)["W_E"].shape == (2, 12, 8)
    assert np.isfinite(whole.metrics["gradient_norm"]).all()


def test_more_steps_and_more_seeds_are_the_longer_and_larger_sweep(whole, tmp_path):
    sweep(tmp_path, "--steps=8", "--seeds=1")
    sweep(tmp_path, "--resume", "--seeds=1")
    assert_same_bits(sweep(tmp_path, "--resume"), whole)


def test_an_interrupted_sweep_goes_on_to_the_same_bits(whole, tmp_path, monkeypatch, capsys):
    update = Progress.update

    def interrupted(self, epoch):
        update(self, epoch)
        if epoch.number == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Progress, "update", interrupted)
    assert seed_sweep.main([*TINY, f"--output={tmp_path}", "--seeds=2", "--steps=20"]) == 130
    assert "--resume" in capsys.readouterr().out
    assert gj.open_sweep(tmp_path).metrics["loss"].shape[1] == 10
    monkeypatch.undo()
    assert_same_bits(sweep(tmp_path, "--resume"), whole)


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(tmp_path, capsys):
    assert seed_sweep.main([*TINY, f"--output={tmp_path / 'new'}", "--dry_run"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("runs", "parameters", "memory", "on disk", "time"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "more, words",
    [
        ([], ["already holds a sweep", "--resume"]),
        (["--resume", "--d_model=16"], ["config.d_model", "8", "16"]),
        (["--resume", "--weight_decay=2"], ["weight_decay", "2.0"]),
        (["--resume", "--steps=10"], ["steps", "20", "10"]),
        (["--resume", "--seeds=1"], ["runs", "2", "1"]),
        (["--resume", "--block=2"], ["block", "1", "2"]),
        (["--layers=0"], ["layers=0"]),
    ],
)
def test_a_refusal_is_one_sentence_and_changes_nothing(whole, more, words, capsys):
    files = lambda: {path: path.stat().st_mtime_ns for path in whole.directory.rglob("*")}
    before = files()
    assert seed_sweep.main([*TINY, f"--output={whole.directory}", "--seeds=2", "--steps=20", *more]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("seed_sweep: ") and said.err.count("\n") == 1
    assert all(word in said.err for word in words), said.err
    assert files() == before


def test_a_directory_with_other_files_is_refused(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert seed_sweep.main([*TINY, f"--output={tmp_path}"]) == 2
    assert "thesis.tex" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_training_set_without_examples_is_refused_before_anything_is_written(tmp_path, capsys):
    assert (
        seed_sweep.main(
            ["--task=modular", "--modulus=5", "--train_fraction=0.01", f"--output={tmp_path / 'new'}"]
        )
        == 2
    )
    assert "train_fraction=0.01" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_refused(tmp_path, capsys):
    assert seed_sweep.main([f"--output={tmp_path / 'new'}", "--seeds=900000", "--save=all"]) == 2
    assert "free" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_address_is_refused_and_a_home_is_expanded(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert seed_sweep.main([*TINY, "--output=gs://bucket/x"]) == 2
    assert "gs://bucket/x" in capsys.readouterr().err
    assert seed_sweep.main([*TINY, "--output=~/x", "--dry_run"]) == 0
    assert str(tmp_path / "home" / "x") in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_flag_that_changes_nothing_is_noted_and_a_grid_over_it_refused(tmp_path, capsys):
    assert seed_sweep.main([*TINY, f"--output={tmp_path / 'x'}", "--dry_run", "--momentum=0.9"]) == 0
    assert "note: --momentum=0.9 changes nothing: only sgd and muon have momentum" in capsys.readouterr().out
    assert seed_sweep.main([*TINY, f"--output={tmp_path / 'x'}", "--dry_run", "--momentum=0,0.9"]) == 2
    said = capsys.readouterr().err
    assert "--momentum=0.0,0.9" in said and "only sgd" in said


def test_help_and_a_mistake_from_the_shell():
    def run(flag):
        root = pathlib.Path(seed_sweep.__file__).parents[1]
        return subprocess.run(
            [sys.executable, "-m", "experiments.seed_sweep", flag], cwd=root, capture_output=True, text=True
        )

    assert run("--help").returncode == 0
    mistake = run("--weight_decay=")
    assert (mistake.returncode, mistake.stdout, mistake.stderr.count("\n")) == (2, "", 1)


def test_the_report_has_tables_and_pictures_that_agree_with_the_metrics(whole):
    summary = json.loads((whole.directory / "summary.json").read_text())
    assert (summary["runs"], summary["steps"], summary["epochs_saved"]) == (2, 20, whole.epochs)
    final = whole.metrics["loss"].mean(1)
    assert summary["final_loss"]["1"]["largest_loss"] == pytest.approx(final[:, 1].max(), rel=1e-5)
    assert (
        (whole.directory / "shelves.csv")
        .read_text()
        .startswith("run,seed,digit,level,standard_error,first_step,last_step,left,slope,slope_error\n")
    )
    for name in ("losses_log", "losses_linear", "runs"):
        assert all(
            (whole.directory / "figures" / f"{name}.{kind}").stat().st_size > 500
            for kind in ("png", "svg", "csv")
        )


def test_a_finished_sweep_keeps_its_timing_when_it_is_resumed(whole, tmp_path, capsys):
    timing = lambda: json.loads((whole.directory / "summary.json").read_text())["session"]
    before = timing()
    assert before["run_steps"] == 40
    sweep(whole.directory, "--resume")
    assert timing() == before
    assert "nothing to train" in capsys.readouterr().out


def test_a_grid_of_a_finite_task_says_which_runs_generalised(tmp_path, capsys):
    modular = ["--task=modular", "--modulus=5", "--d_model=8", "--heads=2", "--epoch_steps=10", "--seeds=2"]
    more = ["--weight_decay=0,1", "--train_fraction=0.6", f"--output={tmp_path}", "--steps=20"]
    assert seed_sweep.main([*modular, *more, "--evaluate_every=5"]) == 0
    said = capsys.readouterr().out
    assert "weight_decay=0: 2 runs" in said and said.count("0 of 2 runs generalised") == 2
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [own["setting"] for own in summary["settings"]] == ["weight_decay=0", "weight_decay=1"]
    assert summary["generalised"]["runs"] == 0 and summary["generalised"]["step"]["value"] is None
    with open(tmp_path / "runs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["seed"], row["weight_decay"]) for row in rows] == [
        ("0", "0", "0"),
        ("1", "0", "1"),
        ("2", "1", "0"),
        ("3", "1", "1"),
    ]
    found = gj.open_sweep(tmp_path)
    assert float(rows[1]["test_accuracy"]) == pytest.approx(
        found.metrics["test_accuracy"][1, -1, 0], rel=1e-5
    )
    assert (tmp_path / "figures" / "weight_decay=1" / "train_test_accuracy.png").stat().st_size > 500


def test_single_mode_names_its_one_column_by_the_digit_that_it_predicts(tmp_path):
    found = sweep(tmp_path, "--mode=single", "--digit=1", "--stop_below=9", "--epoch_steps=40", "--steps=40")
    assert found.metrics["loss"].shape == (2, 40, 1)
    assert list(json.loads((tmp_path / "summary.json").read_text())["final_loss"]) == ["1"]
    rows = (tmp_path / "shelves.csv").read_text().splitlines()[1:]
    assert {row.split(",")[2] for row in rows} <= {"1"}
