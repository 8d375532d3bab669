"""What a running sweep shows: whole losses in 80 columns, no frames where nothing redraws them."""

import io
import types

import numpy as np
import pytest
import rich.console

import grokjax as gj
from grokjax.cli import progress

SESSION = types.SimpleNamespace(
    request=types.SimpleNamespace(steps=100_000, num_runs=128, task=gj.Addition(num_digits=9)),
    part=object(),
    resumed=0,
    done=0,
    trained=1,
    finished=True,
)


def epoch(step, runs=128, columns=10):
    loss = np.full((runs, 50, columns), 0.00123, np.float32)
    flags = np.ones(runs, bool)
    return types.SimpleNamespace(
        step=step, metrics=dict(loss=loss, test_loss=loss[:, :1]), active=flags, diverged=~flags
    )


def shown(session, steps, **options):
    file = io.StringIO()
    console = rich.console.Console(file=file, width=80, **options)
    with progress.Progress(console, session) as bar:
        for step in steps:
            session.done = step * session.request.num_runs
            bar.update(epoch(step))
    return file.getvalue()


@pytest.fixture
def session(monkeypatch):
    monkeypatch.setattr(progress, "in_notebook", lambda: False)
    return types.SimpleNamespace(**vars(SESSION))


def test_a_terminal_of_80_columns_shows_every_loss(session):
    text = shown(session, [50, 100, 100_000], force_terminal=True, color_system=None)
    last = text[text.rindex("100%") :]
    assert last.count("0.0012") == 11 and "…" not in text
    assert "step 100,000 of 100,000" in last and "digits 9 to 0" in last


def test_a_pipe_gets_a_line_now_and_then(session):
    lines = shown(session, range(50, 10_000, 50)).splitlines()
    assert len(lines) <= 2  # all came within ten seconds: only the expected time
    assert shown(session, [50, 100_000]).splitlines()[-1].startswith("100%")


def test_a_notebook_gets_no_frames(session, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    assert progress.in_notebook()
    text = shown(session, [50, 100, 150], force_terminal=True, color_system=None)
    assert "\x1b[" not in text and "━" not in text


def test_a_finished_sweep_says_that_there_is_nothing_to_train(session):
    session.trained = 0
    assert shown(session, []) == "nothing to train: every run has all its steps\n"


def test_a_finite_task_shows_its_test_set():
    one = epoch(50, columns=1)
    one.metrics["test_exact_match"] = np.full((128, 1), 0.25)
    assert progress.losses(one, gj.ModularArithmetic(5)).endswith("nats, test 0.0012 (25% right)")
    assert progress.losses(epoch(50), gj.Addition(num_digits=9)).endswith(", evaluation 0.0012")
