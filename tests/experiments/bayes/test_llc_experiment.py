"""Learning coefficients of a sweep's directory: measured, stopped, gone on with, drawn, calibrated."""

import json

import numpy as np
import pytest

import grokjax as gj
from experiments.bayes import calibrate, llc, measured


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Two tiny runs of arithmetic modulo 5, saved at two epochs."""
    task = gj.ModularArithmetic(modulus=5)
    config, recipe, hyper = gj.presets.pizza(task, d_model=4, num_heads=2, d_mlp=8)
    found = tmp_path_factory.mktemp("sweep") / "runs"
    hypers = gj.grid(hyper, seed=range(3))
    for _ in gj.run_sweep(found, task, config, recipe, hypers, steps=8, epoch_steps=4, save="all"):
        pass
    return found


FLAGS = ["--epsilon=1e-5", "--gamma=10", "--draws=6", "--burn_in=2", "--chains=2", "--block=2"]


def run(directory, *flags):
    return llc.main([str(directory), *FLAGS, *flags])


def test_results_have_names_axes_and_units_and_go_on_where_they_stopped(directory, capsys):
    assert run(directory, "--epochs=0,2") == 0
    found = measured.read(directory / "bayes" / "llc.npz")
    axes, mean, unit = found["mean"]
    assert axes == ("epoch", "run") and mean.shape == (2, 3) and unit == {"unit": ""}
    assert found["trace"][0] == ("epoch", "run", "chain", "draw") and found["trace"][1].shape == (2, 3, 2, 6)
    assert found["step"][1].tolist() == [0, 8] and found["baseline"][2] == {"unit": "nats"}
    assert "of 6 estimates" in capsys.readouterr().out
    assert (directory / "bayes" / "llc.png").stat().st_size > 1000

    lost = directory / "bayes" / "llc" / "epoch0000002_run000002.npz"
    kept = directory / "bayes" / "llc" / "epoch0000000_run000000.npz"
    lost.unlink()
    before = kept.stat().st_mtime_ns
    assert run(directory, "--epochs=0,2") == 0
    again = measured.read(directory / "bayes" / "llc.npz")
    assert kept.stat().st_mtime_ns == before and lost.exists()
    for name, (_, values, _) in found.items():
        np.testing.assert_array_equal(again[name][1], values, err_msg=name)


def test_how_runs_are_cut_into_blocks_changes_no_bit(directory):
    """Three runs of two epochs go through the devices together, or two runs and one alone."""
    assert run(directory, "--epochs=0,2") == run(directory, "--epochs=0,2", "--name=whole", "--block=4") == 0
    cut, whole = (measured.read(directory / "bayes" / f"{name}.npz") for name in ("llc", "whole"))
    for name, (_, values, _) in cut.items():
        np.testing.assert_array_equal(whole[name][1], values, err_msg=name)


def test_other_settings_are_refused_where_results_lie(directory, capsys):
    assert run(directory, "--epochs=0", "--name=other") == 0
    assert run(directory, "--epochs=0", "--name=other", "--gamma=20") == 1
    assert "made with gamma=10.0, not 20.0: give another --name" in capsys.readouterr().err


def test_parts_of_the_model_and_several_runs_at_once(directory):
    assert run(directory, "--epochs=2", "--components", "--at_once=2", "--weight_decay=balancing") == 0
    axes, mean, _ = measured.read(directory / "bayes" / "llc_components.npz")["mean"]
    assert axes == ("epoch", "run", "part") and mean.shape == (1, 3, 6) and np.isfinite(mean).all()


def test_calibration_says_what_it_found(directory, capsys):
    flags = ["--epsilon=1e-5,1e-4,1e-3", "--gamma=10,100", "--draws=6", "--burn_in=2", "--lanczos=5"]
    assert calibrate.main([str(directory), *flags]) == 0
    out = capsys.readouterr().out
    assert "quadratic" in out and "along γ" in out
    for name in ("calibration", "calibration_traces"):
        assert (directory / "bayes" / f"{name}.png").stat().st_size > 1000


def test_a_mistake_is_one_sentence(directory, capsys):
    assert run(directory, "--block=3", "--at_once=2", "--name=x") == 1
    assert capsys.readouterr().err == "llc: --block=3 must be a multiple of --at_once=2\n"
    assert json.loads((directory / "bayes" / "llc" / "settings.json").read_text())["gamma"] == 10
