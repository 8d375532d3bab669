"""A report whose disk refuses, or whose files are damaged, is one sentence that names the directory."""

import pathlib
import shutil

import pytest

import grokjax as gj
from grokjax.runner import Request, Session, UsageError, html_report


def session(directory):
    task = gj.ModularArithmetic(modulus=5)
    config, recipe, hyper = gj.presets.nanda(task, d_model=8, num_heads=2)
    return Session(directory, Request(task, config, recipe, gj.grid(hyper, seed=[0]), 4, 2, "0", 1))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("report") / "sweep"
    for _ in session(directory):
        pass
    return directory


@pytest.fixture
def own(trained, tmp_path):
    return pathlib.Path(shutil.copytree(trained, tmp_path / "sweep"))


def test_a_disk_that_refuses_is_one_sentence(own):
    (own / "figures").write_text("in the way")
    with pytest.raises(
        OSError, match=rf"^the tables and pictures could not be written to {own}: [^\n]*intact$"
    ):
        html_report.at_end(session(own))


def test_hypers_that_vanished_while_it_trained_are_one_sentence(own):
    done = session(own)
    (own / "hypers.npz").unlink()
    with pytest.raises(UsageError, match=rf"^{own / 'hypers.npz'} is missing or damaged: [^\n]*$"):
        html_report.at_end(done)
