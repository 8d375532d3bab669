"""Signals end a sweep in a sentence: after the epoch under way, at once, and without waiting."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import warnings

import pytest

import grokjax
from grokjax.cli import interruption

ROOT = pathlib.Path(grokjax.__file__).parents[1]
ENDLESS = [
    "--digits=1",
    "--d_model=8",
    "--heads=2",
    "--batch=8",
    "--seeds=1",
    "--steps=100000000",
    "--save=0",
]


def begun(folder):
    """A sweep that has trained its first epochs."""
    command = [sys.executable, "-m", "grokjax.cli", "sweep", *ENDLESS, f"--output={folder}"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in process.stdout:
        if "expected time" in line or re.search(r"step [\d,]+ of", line):
            return process
    raise AssertionError(process.stderr.read())


@pytest.mark.parametrize(
    "numbers, sentence",
    [
        ([signal.SIGTERM], "what is finished is saved"),
        ([signal.SIGINT] * 4, "--resume"),
    ],
)
def test_signals_end_in_a_sentence(tmp_path, numbers, sentence):
    process = begun(tmp_path / "sweep")
    for number in numbers:
        if process.poll() is None:
            os.kill(process.pid, number)
        time.sleep(0.02)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert sentence in out + err and "Traceback" not in out + err


def test_a_closed_terminal_saves_and_says_nothing(tmp_path):
    process = begun(tmp_path / "sweep")
    os.kill(process.pid, signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert grokjax.open_sweep(tmp_path / "sweep").metrics["loss"].shape[1] > 0


def test_an_output_that_nobody_reads_ends_it_as_a_signal_does(tmp_path):
    """As in `grokjax sweep | head`."""
    process = begun(tmp_path / "sweep")
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate(timeout=100)
    assert (
        process.returncode == 130 and "the output is closed: stopped, and what is finished is saved" in said
    )
    assert "Traceback" not in said and grokjax.open_sweep(tmp_path / "sweep").epochs


class UnclosedLoop:
    """What is left of a save in the middle of which the user stopped at once."""

    def __del__(self):
        warnings.warn("a coroutine was never awaited", RuntimeWarning, stacklevel=1)
        raise ValueError("nobody closed it")


def test_what_was_under_way_goes_without_a_word(monkeypatch):
    said = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)

    def interrupted():
        loop = UnclosedLoop()
        raise KeyboardInterrupt(id(loop))

    try:
        interrupted()
    except KeyboardInterrupt as error:
        interruption.drop(error)
    assert said == [] and sys.unraisablehook == said.append
