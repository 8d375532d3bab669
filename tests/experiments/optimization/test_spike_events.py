"""Spikes in replays are found as in the run itself."""

import types

import numpy as np
import pytest

from experiments.frame.measured import share
from experiments.optimization import spike_causes, spike_events, spike_signs
from experiments.optimization.spike_events import Event
from grokjax.curves import statistics

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
    table = spike_events.outcomes(event, place, [{}, {}], loss)
    np.testing.assert_array_equal(table[0], expected)
    np.testing.assert_array_equal(table[1], [0, 0])


def test_a_sign_that_says_no_more_than_another_is_no_better_at_telling():
    random = np.random.default_rng(0)
    quiet, spike = random.normal(size=30), random.normal(1.5, 1, size=30)
    noise = [random.normal(size=30).tolist() for _ in range(2)]
    same = spike_signs.difference(
        [quiet.tolist(), spike.tolist()], [(2 * quiet).tolist(), (2 * spike).tolist()]
    )
    assert same.value == 0
    better = spike_signs.difference([quiet.tolist(), spike.tolist()], noise)
    auc = statistics.auc(quiet, spike).value - statistics.auc(*noise).value
    assert better.value == pytest.approx(auc) and better.low > 0
    worse = spike_signs.difference(noise, [quiet.tolist(), spike.tolist()])
    assert worse.value == pytest.approx(-auc) and worse.high < 0


@pytest.mark.parametrize(
    ("first", "said"),
    [(20, "confirmed: W_E"), (12, "open whether one tensor"), (4, "refuted that one tensor")],
)
def test_one_tensor_blows_up_first_by_the_whole_interval(first, said):
    assert said in spike_causes.blows_up(share("first", first, 24), "W_E", share("quiet", 1, 24))
