import socket
import subprocess
import sys

import jax
import numpy as np
import planted_hosts
import planted_sweep
import pytest

from grokjax import checkpoints
from grokjax.checkpoints import multihost


def test_one_process_agrees_with_itself():
    assert (
        multihost.is_first()
        and not multihost.several()
        and multihost.all_say(True)
        and not multihost.first_says(False)
    )
    assert multihost.on_first(lambda: 3) == 3 and multihost.gather(np.arange(3)).shape == (1, 3)
    with pytest.raises(ZeroDivisionError):
        multihost.on_first(lambda: 1 / 0)


def test_saved_on_two_devices_is_read_on_one(tmp_path):
    """Leaves over a mesh, as training yields them."""
    assert jax.device_count() == 2
    spec = planted_sweep.spec(steps=20)
    with checkpoints.create(tmp_path / "sweep", spec) as writer:
        (part,) = writer.parts
        for epoch in planted_sweep.epochs(part, part.restore(planted_sweep.target())):
            epoch.state = planted_hosts.over_processes(epoch.state)
            assert len(epoch.state.params["W_E"].sharding.device_set) == 2
            part.record(epoch)
        part.finish()
    planted_sweep.check(tmp_path / "sweep", spec)
    with checkpoints.resume(tmp_path / "sweep", spec) as writer:
        found = writer.parts[0].restore(planted_sweep.target())
    jax.tree.map(np.testing.assert_array_equal, found.state, planted_sweep.runs(range(4), 20))


def processes(directory, *arguments):
    """What each of two processes on this machine printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begun = [
        subprocess.Popen(
            [
                sys.executable,
                planted_hosts.__file__,
                str(directory),
                str(port),
                "2",
                str(process),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for process in range(2)
    ]
    try:
        printed = [process.communicate(timeout=120)[0] for process in begun]
    finally:
        for process in begun:
            process.kill()
    assert [process.returncode for process in begun] == [0, 0], "\n".join(printed)
    return printed


def test_two_processes_go_on_with_a_sweep_of_one_and_one_with_theirs(tmp_path):
    """Three runs over two processes of two devices: the arrays end in padding."""
    spec = planted_sweep.spec(num_runs=3, steps=40)
    planted_sweep.write(tmp_path / "sweep", spec, stop=1)
    assert all("from 1" in text for text in processes(tmp_path / "sweep", "40", "3"))
    assert checkpoints.open_sweep(tmp_path / "sweep").record["num_processes"] == 2
    assert planted_sweep.write(tmp_path / "sweep", spec) == [3]
    sweep = planted_sweep.check(tmp_path / "sweep", spec)
    assert sweep.full_epochs() == [3, 4]
    np.testing.assert_array_equal(sweep.params(2, run=2)["W_E"], planted_sweep.one_run(2, 20).params["W_E"])


def test_an_error_in_the_first_process_ends_all(monkeypatch):
    monkeypatch.setattr(multihost, "is_first", lambda: False)
    monkeypatch.setattr(multihost, "gather", lambda flag: np.array([False, True]))
    with pytest.raises(ValueError, match="its message says why"):
        multihost.on_first(lambda: pytest.fail("only the first process acts"))
