"""Event files for TensorBoard: written by the command, read back by another reader."""

import pathlib
import sys

import numpy as np
import pytest

from experiments import seed_sweep
from grokjax import runner

TINY = ["--digits=1", "--d_model=8", "--heads=2", "--batch=8", "--epoch_steps=5", "--evaluate_every=5"]


def scalars(folder):
    """{tag: [(step, value)]} of the event files directly in a folder: records of TensorFlow's own format."""
    event = pytest.importorskip("tensorboardX.proto.event_pb2")
    found = {}
    for path in sorted(pathlib.Path(folder).glob("events.out.tfevents.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):  # length, its checksum, the event, its checksum
            length = int.from_bytes(data[at : at + 8], "little")
            record = event.Event.FromString(data[at + 12 : at + 12 + length])
            at += 16 + length
            for value in record.summary.value:
                found.setdefault(value.tag, []).append((record.step, value.simple_value))
    return found


def test_the_command_writes_event_files_that_are_read_back(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX (extra `tensorboard`) is not installed")
    import grokjax as gj

    command = [*TINY, "--evaluation_size=16", "--seeds=2", f"--output={tmp_path / 'x'}"]
    assert seed_sweep.main([*command, "--steps=10", f"--tensorboard={tmp_path / 'board'}"]) == 0
    loss, found = gj.open_sweep(tmp_path / "x").metrics["loss"], scalars(tmp_path / "board")
    expected = [(5, np.median(loss[:, :5, 0].mean(1))), (10, np.median(loss[:, 5:, 0].mean(1)))]
    np.testing.assert_allclose(found["loss/digit_0/median"], expected, rtol=1e-6)
    assert [step for step, _ in found["test_loss/largest"]] == [5, 10]
    assert found["runs/active"] == [(5, 2.0), (10, 2.0)]
    own = scalars(tmp_path / "board" / "run-1")["loss"]
    np.testing.assert_allclose(own[-1], (10, loss[1, 5:].mean()), rtol=1e-6)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    command = [*TINY, "--seeds=2", f"--output={tmp_path / 'x'}", f"--tensorboard={tmp_path / 'board'}"]
    assert seed_sweep.main(command) == 2
    assert "grokjax[tensorboard]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(runner.UsageError, match="not installed"):
        runner.TensorBoard(tmp_path, None)
