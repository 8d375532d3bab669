"""An exact replay is bit-equal to the run that it replays; a changed one differs by what was changed."""

import chex
import jax
import numpy as np
import optax
import pytest

import grokjax as gj
from grokjax import replay
from grokjax.interp import optimizer_statistics
from grokjax.trees import pick

TASK = gj.Addition(num_digits=1, base=4, batch_size=8)
CONFIG = gj.ModelConfig(**gj.tasks.shape(TASK), d_model=8, num_heads=2)
RECIPE = gj.Recipe(evaluate_every=4, evaluation_size=16)
HYPERS = gj.grid(gj.Hyper(), seed=[0, 1, 2])
RUN = 1


@pytest.fixture(scope="module")
def epochs():
    return list(gj.train(TASK, CONFIG, RECIPE, HYPERS, steps=20, epoch_steps=5, block=1))


RUNS = gj.Run.init(TASK, CONFIG, RECIPE, HYPERS)


def again(start, *changes, until=20, steps=1):
    return list(replay.replay(RUNS, start, run=RUN, until=until, changes=changes, epoch_steps=steps, block=1))


@pytest.mark.parametrize("steps", (1, 5))
def test_an_exact_replay_is_the_run_to_the_bit_step_by_step(epochs, steps):
    found = again(epochs[2], {}, steps=steps)
    chex.assert_trees_all_equal(pick(found[-1].state, 0), pick(epochs[4].state, RUN))
    for name in ("loss", "gradient_norm.W_E", "accuracy"):
        seen = np.concatenate([epoch.metrics[name][0] for epoch in found])
        np.testing.assert_array_equal(
            seen, np.concatenate([epoch.metrics[name][RUN] for epoch in epochs[3:]])
        )


def test_it_starts_from_what_was_read_from_a_file_as_well(epochs):
    kept = gj.training.Snapshot(2, 10, jax.tree.map(np.array, epochs[2].state))
    chex.assert_trees_all_equal(pick(again(kept, {})[-1].state, 0), pick(epochs[4].state, RUN))
    alone = replay.chosen(epochs[2], RUN)
    chex.assert_trees_all_equal(pick(alone.state, 0), pick(epochs[2].state, RUN))


CHANGES = {}, {"data_seed": 77}, {"learning_rate": 1e-5}, {"b2": 0.5}, {"reset_opt_state": True}


def test_each_change_acts_and_leaves_the_exact_replay_alone(epochs):
    first = again(epochs[2], *CHANGES, until=11)[0]
    losses = first.metrics["loss"][:, 0]
    assert (losses == losses[0]).all(1).tolist() == [
        True,
        False,
        True,
        True,
        True,
    ]  # before the update only other data show
    end = again(epochs[2], *CHANGES)[-1]
    chex.assert_trees_all_equal(pick(end.state, 0), pick(epochs[4].state, RUN))
    moved = [
        np.asarray(end.runs.params["W_E"][i] != end.runs.params["W_E"][0]).any() for i in range(len(CHANGES))
    ]
    assert moved == [False, True, True, True, True]


def test_the_optimiser_begins_afresh_but_the_schedule_goes_on(epochs):
    state, hyper = pick(epochs[2].state, RUN), gj.sweep.select(HYPERS, RUN)
    fresh = replay.reset_opt_state(RECIPE, hyper, state)
    assert not any(
        x.any() for x in optimizer_statistics.second_moments(state.params, fresh.opt_state).values()
    )
    counts = lambda run: [
        int(count) for _, count in optax.tree_utils.tree_get_all_with_path(run.opt_state, "count")
    ]
    assert counts(state) == [10, 10] and sorted(counts(fresh)) == [0, 10]
    chex.assert_trees_all_equal(fresh.replace(opt_state=()), state.replace(opt_state=()))


def test_a_change_of_the_seed_or_of_nothing_known_is_refused(epochs):
    for bad, words in (({"seed": 4}, "change data_seed"), ({"colour": 4}, "no field of Hyper")):
        with pytest.raises(ValueError, match=words):
            again(epochs[2], bad)


def test_a_ring_keeps_the_last_states_and_any_step_in_it_can_be_replayed(epochs):
    rings = list(replay.recent(epochs, 3))
    assert [[epoch.step for epoch in ring] for ring in (rings[0], rings[2], rings[-1])] == [
        [0],
        [0, 5, 10],
        [10, 15, 20],
    ]
    first = replay.before(rings[-1], 17)
    assert first.step == 15
    found = again(first, {}, until=18)
    np.testing.assert_array_equal(found[-1].metrics["loss"][0, 0], epochs[4].metrics["loss"][RUN, 2])
    with pytest.raises(ValueError, match="oldest state in the ring, step 10"):
        replay.before(rings[-1], 9)


def test_watched_gives_the_updates_of_every_step(epochs):
    found = again(epochs[2], {}, {"learning_rate": 0.0})
    norms = replay.watched(
        replay.chosen(epochs[2], RUN),
        found,
        lambda old, new: optimizer_statistics.update_norms(old.params, new.params),
    )
    assert norms["W_E"].shape == (10, 2) and (norms["W_E"][:, 0] > 0).all() and not norms["W_E"][:, 1].any()
    first = np.linalg.norm(
        np.asarray(found[0].runs.params["W_U"])[0] - np.asarray(epochs[2].runs.params["W_U"])[RUN]
    )
    np.testing.assert_allclose(norms["W_U"][0, 0], first, rtol=1e-5)
    with pytest.raises(ValueError, match="no epoch"):
        replay.watched(epochs[2], [], lambda old, new: {})
