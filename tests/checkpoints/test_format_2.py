"""A sweep in format 2, as it was first written: read and gone on with for ever.

tests/data/sweep_format_2: modulo 5, decay 0.5 and 1, 8 steps; seed 0 first, seed 1 added as a part of its own
tests/data/sweep_format_2_expected.npz: what it had then, and after 16 steps
"""

import pathlib
import shutil

import numpy as np
import pytest

import grokjax as gj
from grokjax.runner import Request, Session
from grokjax.trees import named_leaves

DATA = pathlib.Path(__file__).parents[1] / "data"


@pytest.fixture
def own(tmp_path):
    """A copy that may be written to."""
    return pathlib.Path(shutil.copytree(DATA / "sweep_format_2", tmp_path / "sweep"))


@pytest.fixture(scope="module")
def expected():
    with np.load(DATA / "sweep_format_2_expected.npz") as archive:
        return dict(archive)


def trained(directory, steps):
    """Go on with the sweep, or begin it; what the user is told."""
    sweep, told = gj.open_sweep(DATA / "sweep_format_2"), []
    hypers = gj.grid(gj.presets.nanda(sweep.task)[2], seed=[0, 1], weight_decay=[0.5, 1.0])
    asked = Request(sweep.task, sweep.config, sweep.recipe, hypers, steps, 4, "0", 1)
    for _ in Session(directory, asked, tell=told.append):
        pass
    return told


def test_it_opens_and_its_runs_are_read(own, expected):
    sweep = gj.open_sweep(own)
    assert sweep.task == gj.ModularArithmetic(modulus=5) and sweep.config.d_model == 8
    assert sweep.record["format"] == 2 and sweep.epochs == [0, 2] and sweep.missing == []
    assert sweep.hypers.seed.tolist() == [0, 0, 1, 1] and sweep.state(2).step.tolist() == [8] * 4
    for epoch in sweep.epochs:
        for name, leaf in named_leaves(sweep.params(epoch)).items():
            np.testing.assert_array_equal(leaf, expected[f"params.{epoch}.{name}"])
            np.testing.assert_array_equal(named_leaves(sweep.run(3, epoch).params)[name], leaf[3])
    for name in ("loss", "gradient_norm"):
        np.testing.assert_array_equal(sweep.metrics[name], expected[f"metrics.{name}"][:, :8])
    np.testing.assert_array_equal(sweep.metrics["test_step"], expected["metrics.test_step"][:1])


def test_it_goes_on_to_the_bits_that_it_had_then(own, expected, tmp_path):
    """To the last bit on a machine that repeats the bits of its first steps; to rounding on any other."""
    told = trained(own, 16)
    assert all("may have other bits" in note for note in told)
    trained(tmp_path / "again", 8)
    first = gj.open_sweep(tmp_path / "again").metrics["loss"]
    same_kind = np.array_equal(first, expected["metrics.loss"][:, :8])
    near = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    same = np.testing.assert_array_equal if same_kind else near
    sweep = gj.open_sweep(own)
    assert sweep.epochs == [0, 2, 4]
    for name in ("loss", "gradient_norm", "test_loss", "test_step"):
        same(sweep.metrics[name], expected[f"metrics.{name}"])
    for name, leaf in named_leaves(sweep.params(4)).items():
        same(leaf, expected[f"params.4.{name}"])
