"""Spikes in replays are found as in the run itself."""

import types

import numpy as np
import pytest

from experiments.optimization import spike_events
from experiments.optimization.spike_events import Event

FIRST, START, LAST = 640, 680, 1180
"""The step of the snapshot, 40 before the event, and the last step of the replay."""


def planted(spike_at=None, drift=0.0):
    """A noisy loss of .2 that slowly changes, with one spike of 1 nat over ten steps."""
    random, steps = np.random.default_rng(0), np.arange(LAST)
    loss = 0.2 * np.exp(drift * steps + 0.05 * random.normal(size=LAST))
    if spike_at is not None:
        loss[spike_at : spike_at + 10] += 1.0
    return loss


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (planted(START), [1, 1]),
        (planted(START + 200), [0, 1]),
        (planted(), [0, 0]),
        # three times the level before the event, reached without a spike
        (planted(drift=np.log(4) / 500), [0, 0]),
        # before the snapshot: the replay has none
        (planted(FIRST - 100), [0, 0]),
    ],
)
def test_a_spike_counts_where_the_run_itself_would_have_it(monkeypatch, loss, expected):
    monkeypatch.setattr(spike_events, "played", lambda *_, **__: np.stack([loss[FIRST:], planted()[FIRST:]]))
    place = spike_events.Place(None, types.SimpleNamespace(step=FIRST))
    event = Event(0, START, START + 5, 0.2, 0.0, True)
    table = spike_events.outcomes(event, 40, place, [{}, {}], loss)
    np.testing.assert_array_equal(table[0], expected)
    np.testing.assert_array_equal(table[1], [0, 0])
