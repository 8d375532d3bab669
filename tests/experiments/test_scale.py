"""From one device to several processes: the same bits, a sweep begun on many resumed on one, and a sweep
larger than memory.
"""

import os
import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

import grokjax as gj
from experiments import seed_sweep
from grokjax.cli import request
from grokjax.runner import memory, plan

ROOT = pathlib.Path(seed_sweep.__file__).parents[1]
TINY = [
    "--digits=1",
    "--d_model=8",
    "--heads=2",
    "--batch=8",
    "--epoch_steps=5",
    "--evaluation_size=16",
    "--evaluate_every=5",
    "--seeds=3",
]


def alone(folder, *more):
    assert seed_sweep.main([*TINY, f"--output={folder}", *more]) == 0
    return gj.open_sweep(folder)


def assert_same_bits(one, two):
    assert one.epochs == two.epochs
    for epoch in one.epochs:
        jax.tree.map(np.testing.assert_array_equal, one.params(epoch), two.params(epoch))
    assert one.metrics.keys() == two.metrics.keys()
    for name in one.metrics:
        np.testing.assert_array_equal(one.metrics[name], two.metrics[name], err_msg=name)


def in_processes(*own, environment=({}, {})):
    """What each of two processes printed: the flags that both get, then those and the variables of each."""
    command = [sys.executable, "-m", "experiments.seed_sweep", *TINY]
    begun = [
        subprocess.Popen(
            [*command, *flags],
            cwd=ROOT,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for flags, variables in zip(own, environment, strict=True)
    ]
    try:
        printed = [process.communicate(timeout=240)[0] for process in begun]
    finally:
        for process in begun:
            process.kill()
    return [process.returncode for process in begun], printed


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return alone(tmp_path_factory.mktemp("whole") / "sweep", "--steps=20")


def test_two_processes_train_the_same_bits_and_one_goes_on(whole, tmp_path):
    """Three runs over two processes of two devices each; only the first speaks."""
    address = [
        f"--coordinator=127.0.0.1:{free_port()}",
        "--num_processes=2",
        f"--output={tmp_path / 'sweep'}",
        "--steps=10",
    ]
    status, printed = in_processes([*address, "--process_id=0"], [*address, "--process_id=1"])
    assert status == [0, 0], "\n".join(printed)
    assert "shelves.csv" in printed[0] and "devices: 4" in printed[0]
    assert "runs" not in printed[1]
    assert gj.open_sweep(tmp_path / "sweep").record["num_processes"] == 2
    assert_same_bits(alone(tmp_path / "sweep", "--steps=20", "--resume"), whole)


def test_slurm_is_detected_and_a_refusal_ends_both(whole):
    """A step of SLURM that names no nodes but this one."""
    slurm = dict(
        SLURM_JOB_ID=str(free_port()),
        SLURM_STEP_NODELIST="127.0.0.1",
        SLURM_NTASKS="2",
        SLURM_STEP_NUM_NODES="1",
    )
    flags = ["--distributed", f"--output={whole.directory}"]
    status, printed = in_processes(
        flags, flags, environment=[slurm | dict(SLURM_PROCID=str(i), SLURM_LOCALID=str(i)) for i in range(2)]
    )
    assert status == [2, 2], "\n".join(printed)
    assert "already holds a sweep" in printed[0] and "the first process could not" in printed[1]


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--coordinator=127.0.0.1:1"], ["--num_processes"]),
        (["--coordinator=localhost", "--num_processes=2", "--process_id=0"], ["HOST:PORT"]),
        (["--coordinator=localhost:1", "--num_processes=2", "--process_id=2"], ["--process_id=2"]),
        (["--coordinator=localhost:1", "--num_processes=two", "--process_id=0"], ["--num_processes='two'"]),
    ],
)
def test_a_mistaken_address_is_refused(flags, words, capsys, tmp_path):
    assert seed_sweep.main([*TINY, f"--output={tmp_path / 'new'}", *flags]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and all(word in said for word in words), said
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_larger_than_memory_runs_in_parts_and_says_so(whole, tmp_path, monkeypatch, capsys):
    """Memory for two runs: the same bits, in two parts."""
    monkeypatch.setattr(memory, "most_runs", lambda *anything: 2)
    found = alone(tmp_path / "sweep", "--steps=20")
    assert "in 2 parts of at most 2, which fit into memory" in capsys.readouterr().out
    assert [part["runs"] for part in found.record["parts"]] == [2, 1]
    assert_same_bits(found, whole)


def test_what_fits_follows_from_free_memory(monkeypatch):
    """On a CPU all lies in the host's memory; of an accelerator, what a save holds does."""
    asked, runs = request.read(["--seeds=10000"]).request, {}
    for host, device in ((4e9, None), (1e12, 4e9), (4e9, 1e12), (1e12, 1e12)):
        monkeypatch.setattr(memory, "free_memory", lambda found=(host, device): found)
        runs[host, device] = plan.plan(asked).part_runs
    assert plan.plan(asked).part_runs == 10000
    assert 1 < runs[4e9, None] < runs[4e9, 1e12] < runs[1e12, 4e9] < 10000
    state = 12 * 202_240
    assert runs[4e9, None] * 5 * state == pytest.approx(0.8 * 4e9 - 850e6, rel=0.05)
