"""A signal before and after training ends the process in a sentence; what is printed keeps its brackets."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

import grokjax
from grokjax.cli import running

WAITS = """
import time
from grokjax.cli.main import end
end(lambda argv: print("begun", flush=True) or time.sleep(60), [])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_outside_of_training_ends_in_a_sentence(number):
    environment = dict(os.environ, PYTHONPATH=str(pathlib.Path(grokjax.__file__).parents[1]))
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip() == "stopped: go on with the same command and --resume"


def test_brackets_of_a_path_are_printed(capsys):
    running.console().print("in runs/[bold]lr[/bold] [x] :smile:")
    assert capsys.readouterr().out == "in runs/[bold]lr[/bold] [x] :smile:\n"
