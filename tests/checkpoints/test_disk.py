import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import planted_sweep
import pytest

from grokjax import checkpoints
from grokjax.checkpoints import chunks, disk, snapshots

# A write that failed leaves threads of the storage library behind, which complain, whenever they end, that
# nobody listens any more.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
COMMAND = [sys.executable, planted_sweep.__file__]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "sub" / "file"
    disk.write(path, lambda file: file.write(b"old"))

    def fail(file):
        file.write(b"half")
        raise OSError(28, os.strerror(28))

    with (
        pytest.raises(
            OSError,
            match=r"^the disk is full: x could not be written to .* MB are free.* go on with --resume$",
        ),
        disk.explained("x", tmp_path),
    ):
        disk.write(path, fail)
    assert path.read_bytes() == b"old" and list(path.parent.iterdir()) == [path]


def test_what_is_discarded_is_gone_at_once(tmp_path):
    for _ in range(2):
        (tmp_path / "part-0" / "3").mkdir(parents=True)
        disk.discard(tmp_path / "part-0" / "3", tmp_path / "trash")
        assert not (tmp_path / "part-0" / "3").exists() and not (tmp_path / "trash").exists()


def test_a_sweep_killed_again_and_again_is_the_uninterrupted_one(tmp_path):
    """SIGKILL early, in the middle of saves, and while it goes on."""
    directory, steps = tmp_path / "sweep", 300
    folder, draw = directory / "checkpoints" / "part-0", random.Random(0)
    newest = -1
    for wanted in (0, 5):
        with subprocess.Popen(
            [*COMMAND, str(directory), str(steps)], stdout=subprocess.PIPE, text=True
        ) as sweep:
            assert sweep.stdout.readline().strip() == "begun"
            wait_for(folder.parents[1], folder, wanted, sweep)
            time.sleep(draw.uniform(0, 0.2))
            sweep.send_signal(signal.SIGKILL)
        saved = snapshots.epochs(folder)
        assert saved == list(range(len(saved))) and len(saved) - 1 >= newest
        newest = len(saved) - 1
        for epoch in saved[-2:]:
            found = snapshots.arrays(folder, epoch)["params.W_E"]
            np.testing.assert_array_equal(found, planted_sweep.runs(range(4), 10 * epoch).params["W_E"])
    assert newest < 30, "the kills came too late to test anything"
    spec = planted_sweep.spec(steps=steps, save="every:1")
    (begun,) = planted_sweep.write(directory, spec)
    assert begun is not None and begun in (newest, newest - 1)
    assert planted_sweep.check(directory, spec).full_epochs() == [29, 30]
    assert {path.name for path in folder.iterdir()} == {str(epoch) for epoch in range(31)}
    assert not list(directory.rglob("*.tmp*")) and not (folder.parent / "trash").exists()


def wait_for(directory, folder, wanted, process):
    """Until so many epochs are saved; the process must still run."""
    end = time.monotonic() + 60
    while not (directory.exists() and len(snapshots.epochs(folder)) >= wanted):
        assert process.poll() is None, "the sweep ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1.5 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_sentence_and_what_was_saved_is_intact(small_disk, capfd):
    spec = planted_sweep.spec(steps=400, save="all")
    begin = time.monotonic()
    with pytest.raises(
        OSError,
        match=r"^the disk is full: (epoch|the metrics of steps) \d[^\n]* could not be written to [^\n]*$",
    ):
        planted_sweep.write(small_disk / "sweep", spec)
    assert time.monotonic() - begin < 60
    capfd.readouterr()
    sweep = checkpoints.open_sweep(small_disk / "sweep")
    assert 1 < len(sweep.epochs) < 40
    for epoch in sweep.epochs:
        np.testing.assert_array_equal(
            sweep.params(epoch)["W_E"], planted_sweep.runs(range(4), 10 * epoch).params["W_E"]
        )
    subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
    newest = max(sweep.epochs)
    assert planted_sweep.write(small_disk / "sweep", spec) == [newest]
    planted_sweep.check(small_disk / "sweep", spec)


def test_a_disk_that_is_full_of_metrics(tmp_path, monkeypatch):
    """The same sentence, where no small file system can be mounted."""

    def full(file, **_):
        raise OSError(28, os.strerror(28))

    with checkpoints.create(tmp_path / "sweep", planted_sweep.spec()) as writer:
        part = writer.parts[0]
        epochs = planted_sweep.epochs(part, part.restore(planted_sweep.target()))
        for _ in range(3):
            part.record(next(epochs))
        part.wait()
        with (
            monkeypatch.context() as patch,
            pytest.raises(OSError, match="the disk is full: the metrics of steps 20 to 30"),
        ):
            patch.setattr(np, "savez", full)
            part.record(next(epochs))
    assert chunks.chunks(writer.parts[0].metrics)[-1].last >= 20
    assert checkpoints.open_sweep(tmp_path / "sweep").epochs == [0, 1, 2]
    assert planted_sweep.write(tmp_path / "sweep", planted_sweep.spec()) == [2]
    planted_sweep.check(tmp_path / "sweep", planted_sweep.spec())


def test_a_process_whose_save_failed_ends_at_once(tmp_path):
    """No thread of the storage library waits, minutes long, for a folder that could not be made."""
    command = [*COMMAND, str(tmp_path / "sweep"), "60", "readonly"]
    if os.geteuid() == 0:  # who may write everywhere must be kept from it
        if not shutil.which("setpriv"):
            pytest.skip("setpriv is not there, and the superuser may write into a read-only folder")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    begin = time.monotonic()
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 1 and time.monotonic() - begin < 60
    last = ended.stderr.strip().splitlines()[-1]
    assert "epoch 1 could not be written to" in last and "Permission denied" in last, ended.stderr
    with checkpoints.resume(tmp_path / "sweep", planted_sweep.spec()):
        pass
    (tmp_path / "sweep" / "checkpoints" / "part-0").chmod(0o755)
    assert planted_sweep.write(tmp_path / "sweep", planted_sweep.spec()) == [0]


def test_a_path_that_is_too_long_is_one_sentence_and_nothing_waits(tmp_path):
    """The folder can be made, but not all files of a snapshot in it."""
    directory = tmp_path
    while len(str(directory)) < 3800:
        directory = directory / ("a" * 120)
    directory = directory / ("b" * (3990 - len(str(directory))))
    begin = time.monotonic()
    ended = subprocess.run(
        [*COMMAND, str(directory), "20"], capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 1 and time.monotonic() - begin < 60
    # the storage library's own threads may write after our sentence
    said = [line for line in ended.stderr.splitlines() if line.startswith("OSError: ")]
    assert len(said) == 1 and "could not be written to" in said[0], ended.stderr
