"""What a sweep takes beside its states, and what a container leaves of the machine's memory."""

import numpy as np
import pytest

import grokjax as gj
from grokjax.runner import memory, request


def asked(modulus=11, **knobs):
    return request.made("modular", seeds=2, modulus=modulus, d_model=8, num_heads=2, **knobs)


def group(root, path, limit, used, cache):
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cache}\n")


def test_the_tightest_group_above_a_process_is_found(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/box/inner\n")
    group(tmp_path, "box/inner", "max", 100, 0)
    group(tmp_path, "box", 1000, 300, 50)
    assert list(memory.limits(tmp_path)) == [750.0]


def test_an_older_kernel_names_the_limit_otherwise(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("5:cpu:/x\n4:memory:/x\n")
    folder = tmp_path / "sys/fs/cgroup/memory/x"
    folder.mkdir(parents=True)
    for name, text in (("limit_in_bytes", "2000"), ("usage_in_bytes", "500"), ("stat", "inactive_file 0")):
        (folder / f"memory.{name}").write_text(text)
    assert list(memory.limits(tmp_path)) == [1500.0]


def test_a_system_without_groups_has_no_limit(tmp_path):
    assert list(memory.limits(tmp_path)) == []
    host, device = memory.free_memory()
    assert 0 < host < 1e15 and device is None


def test_the_table_and_the_splits_are_counted():
    """A table of p² pairs, 16 bytes each: on each of 2 devices with the rows of one run, and on the host."""
    request_ = asked(modulus=101)
    rows, row_bytes = memory.table_sizes(request_)
    assert (rows, row_bytes) == (101**2, 16)
    devices, host = memory.shared(request_, block=1, num_devices=2)
    assert host == rows * 16
    assert devices - 2 * memory.activations(request_, rows) == 2 * 2 * rows * 16
    assert memory.table_sizes(request.made(seeds=1)) == (0, 0)


def test_activations_grow_with_the_examples_of_a_step():
    sizes = [memory.activations(asked(modulus=p), p * p) for p in (11, 110)]
    assert sizes[1] > 90 * sizes[0]
    few, many = (memory.activations(request.made(seeds=1, batch=n, evaluation_size=1), 0) for n in (10, 100))
    assert many == pytest.approx(10 * few)


def test_more_seeds_of_a_large_table_take_more_memory():
    state = gj.training.state.shapes(gj.training.state.Program(asked().task, asked().config, asked().recipe))
    small, large = (memory.per_run(asked(modulus=p), state) for p in (11, 101))
    np.testing.assert_allclose(np.subtract(large, small), 4 * (101**2 - 11**2))
