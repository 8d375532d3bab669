"""The rules by which phases, drops and verdicts are read off, on planted measures."""

import types

import numpy as np
import pytest

from experiments.modular import modular_grokking, operations, phases
from grokjax.curves.statistics import Times

STUDY = {"modulus": 23, "steps": 8000}
SETTLED = "of the seven tasks do not grok in 8,000 steps; modulus 97 and S5 would settle it"
STEPS = np.arange(0, 1001, 100)


def sweep_of(train, test):
    metrics = {"loss": train[..., None], "test_loss": test[..., None], "test_step": np.arange(0, 1001, 50)}
    return types.SimpleNamespace(metrics=metrics)


def planted(memorised, grokked):
    """Losses of one run that fall to 0 at two steps."""
    train = np.where(np.arange(1000) < memorised, 3.0, 1e-4)
    return train, np.where(np.arange(0, 1001, 50) < grokked, 5.0, 1e-4)


def test_the_phases_are_dated_and_what_has_not_happened_is_censored():
    train, test = (np.stack(both) for both in zip(planted(150, 800), planted(150, 2000), strict=True))
    excluded = np.tile(np.where(STEPS < 100, 2.0, np.where(STEPS < 500, 0.1, 3.0)), (2, 1))
    found = phases.events(sweep_of(train, test), STEPS, excluded)
    assert found.memorised.time.tolist() == [150, 150] and found.memorised.ended.all()
    assert found.formed.time.tolist() == [500, 500], (
        "that it was above 1 nat before memorising does not count"
    )
    assert found.grokked.time.tolist() == [800, 1000] and found.grokked.ended.tolist() == [True, False]
    assert found.known.tolist() == [True, False] and found.in_order.tolist() == [True, False]
    late = phases.events(sweep_of(train, test), STEPS, np.where(STEPS < 900, 0.0, 3.0) + 0 * excluded)
    assert late.known.tolist() == [True, False] and not late.in_order.any()
    never = phases.events(sweep_of(train, test), STEPS, 0 * excluded)
    assert never.formed.time.tolist() == [1000, 1000] and not never.formed.ended.any()


def test_a_drop_tells_which_frequencies_came_and_went():
    train, test = (x[None] for x in planted(150, 0))
    test = np.interp(np.arange(0, 1001, 50), [0, 300, 350, 700, 750, 1000], [8.0, 8.0, 2.0, 2.0, 0.1, 0.1])[
        None
    ]
    key = np.zeros((1, len(STEPS), 4), bool)
    key[:, :, 0], key[:, 4:, 2], key[:, 8:, 0] = True, True, False
    seen = {"key": key, "symmetricity": np.linspace(0.4, 0.5, len(STEPS))[None]}
    found = phases.falls(sweep_of(train, test), STEPS, seen, 0)
    assert [fall.drop.first for fall in found] == [300, 700]
    assert [(fall.came, fall.went) for fall in found] == [([3], []), ([], [1])]
    assert all(fall.other for fall in found)
    still = found[0]._replace(came=[], went=[])
    assert not still.other and still._replace(symmetricity=(0.3, 0.6)).other


@pytest.mark.parametrize(
    ("successes", "runs", "begins"),
    [(16, 16, "confirmed"), (0, 16, "refuted"), (2, 2, "open"), (8, 16, "open"), (0, 0, "open: no run")],
)
def test_a_majority_is_one_where_its_interval_lies_apart_from_one_half(successes, runs, begins):
    assert modular_grokking.majority(successes, runs, "--seeds=16").startswith(begins)


def tasks_with(shares, runs=8):
    """A finding of each task in which so many runs grok; all do but those named."""
    return {
        number: operations.Found(
            f"task {number}",
            Times(np.ones(runs), np.ones(runs, bool)),
            Times(np.full(runs, 100.0), np.arange(runs) < shares.get(number, runs)),
            np.zeros(runs),
            [[]] * runs,
            {},
        )
        for number in range(15)
    }


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ({9: 0, 10: 0}, "confirmed"),
        ({9: 3, 10: 0}, "confirmed"),
        ({9: 8, 10: 0}, "refuted: task 9 does"),
        ({9: 8, 10: 0, 13: 0}, "refuted: task 9 does; task 13 does not"),
        ({9: 0, 10: 0, 4: 1, 13: 0}, f"open: at modulus 23 most runs of two {SETTLED}"),
        ({9: 0, 10: 0, 13: 4}, f"open: at modulus 23 half of the runs or more of one {SETTLED}"),
        ({9: 0, 10: 1}, "open: some runs of task 10 grok; more --seeds would tell"),
    ],
)
def test_the_verdict_on_the_paper_follows_its_rule(shares, verdict):
    assert operations.verdict(STUDY, tasks_with(shares)) == verdict


def test_without_all_of_its_tasks_there_is_no_verdict():
    found = tasks_with({})
    del found[3]
    assert operations.verdict(STUDY, found) == "open: --tasks lacks 3"
