"""Two processes never write one sweep: the lock does not go with its file, nor stay with a dead process's."""

import pathlib
import subprocess
import sys

import planted_sweep
import pytest

from grokjax import checkpoints
from grokjax.checkpoints import disk


def test_a_lock_outlives_its_file_and_not_its_holder(tmp_path):
    held = disk.Lock(tmp_path)
    (tmp_path / ".lock").unlink()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"is being written by another process: wait until it ends"):
            disk.Lock(tmp_path)
    held.release()
    disk.Lock(tmp_path).release()
    (tmp_path / ".lock").write_text("of a dead process")
    disk.Lock(tmp_path).release()


def test_another_process_is_refused_though_the_file_of_the_lock_is_gone(tmp_path):
    directory = tmp_path / "sweep"
    command = [sys.executable, planted_sweep.__file__, str(directory), "60", "hold"]
    environment = {"PYTHONPATH": str(pathlib.Path(checkpoints.__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert [holder.stdout.readline().strip() for _ in range(2)] == ["begun", "held"]
        (directory / ".lock").unlink()
        with pytest.raises(ValueError, match="is being written by another process"):
            checkpoints.resume(directory, planted_sweep.spec())
        holder.kill()
    with checkpoints.resume(directory, planted_sweep.spec()):
        pass
