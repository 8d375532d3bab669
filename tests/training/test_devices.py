"""How runs are laid over devices; devices are stand-ins, nothing is computed."""

import collections

import numpy as np
import pytest

from grokjax.training import devices
from grokjax.training.data import Split


class Device:
    """A new one, of a process."""

    def __init__(self, process=0):
        self.process_index = process


def of_sizes(*sizes):
    return [Split(np.zeros(size, np.int32), np.zeros(0, np.int32)) for size in sizes]


@pytest.mark.parametrize("blocks", (1, 4))
@pytest.mark.parametrize(
    ("runs", "block", "num_devices"), ((1, 1, 2), (8, 1, 2), (5, 1, 4), (7, 2, 3), (3, 4, 1), (17, 1, 16))
)
def test_every_run_has_one_place_and_no_device_waits_for_another(runs, block, num_devices, blocks):
    given = [Device() for _ in range(num_devices)]
    laid = devices.turns(of_sizes(*[4] * runs), block, given, blocks)
    assert sorted(np.concatenate([turn.runs[turn.real] for turn in laid])) == list(range(runs))
    assert {len(turn.runs) for turn in laid} == {block * blocks}
    assert all(turn.real.any() for turn in laid)
    most = -(-runs // (block * num_devices))
    of_a_device = [rows.sum() for rows in devices.of_each_device(laid, [turn.real for turn in laid]).values()]
    assert min(of_a_device) > 0 and max(of_a_device) <= most * block
    per_device = collections.Counter(turn.device for turn in laid)
    assert max(per_device.values()) == -(-most // blocks)  # as few turns as there can be
    assert devices.neighbours_together(laid)
    placed = np.concatenate([turn.runs * 10 for turn in laid])
    np.testing.assert_array_equal(devices.joined([placed], laid), 10 * np.arange(runs))


def test_only_turns_of_small_models_take_several_blocks():
    assert [devices.blocks_per_turn(num_bytes) for num_bytes in (1, 2**16, 43_214 * 4, 2**19 + 1, 2**30)] == [
        16,
        16,
        4,
        1,
        1,
    ]


def test_runs_with_other_numbers_of_examples_have_turns_of_their_own():
    laid = devices.turns(of_sizes(4, 7, 4, 7, 7), 1, [Device(), Device()])
    assert [turn.runs[turn.real].tolist() for turn in laid] == [[0], [2], [1], [4], [3]]
    assert not devices.neighbours_together(laid)


def test_processes_have_turns_of_their_own_and_equally_many(monkeypatch):
    monkeypatch.setattr(devices.jax, "process_count", lambda: 2)
    given = [Device(0), Device(0), Device(1), Device(1)]
    laid = devices.turns(of_sizes(*[4] * 5), 1, given)
    assert [turn.device for turn in laid] == given[:2] * 2 + given[2:] * 2
    assert [turn.runs.tolist() for turn in laid] == [[0], [2], [1], [3], [4], [4], [4], [4]]
    assert np.concatenate([turn.real for turn in laid]).sum() == 5
    laid = devices.turns(of_sizes(*[4] * 5), 1, given, 4)
    assert [turn.runs.tolist() for turn in laid] == [[0, 1, 1, 1], [2, 3, 3, 3], [4] * 4, [4] * 4]
    assert [turn.real.sum() for turn in laid] == [2, 2, 1, 0]
