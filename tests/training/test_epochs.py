"""The promises of training: same bits in any company and after any interruption; what fails stays alone."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokjax as gj
from grokjax import objective, programs
from grokjax.training import data, devices, flight, metrics
from grokjax.trees import named_leaves, pick

TASK = gj.Addition(num_digits=2, batch_size=16)
TINY = dict(d_model=16, num_heads=2)


def preset(task=TASK, **model):
    config, recipe, hyper = gj.presets.nanda_addition(task)
    return (
        dataclasses.replace(config, **(TINY | model)),
        dataclasses.replace(recipe, evaluate_every=4, evaluation_size=32),
        hyper,
    )


def train(*args, **kwargs):
    """On one device: another device is another compilation."""
    return gj.train(*args, **dict(devices=jax.devices()[:1]) | kwargs)


def last(hypers, *, task=TASK, steps=12, block=1, on=1, **changes):
    config, recipe, _ = preset(task)
    recipe = dataclasses.replace(recipe, **changes)
    *_, epoch = train(
        task,
        config,
        recipe,
        hypers,
        steps=steps,
        epoch_steps=5,
        block=block,
        devices=jax.devices()[:on],
    )
    return epoch


def seeds(*values, **lists):
    return gj.paired(preset()[2], seed=list(values), **lists)


@pytest.mark.parametrize("block", (1, 3))
def test_a_run_has_the_same_bits_alone_and_in_any_company(block):
    many = last(seeds(0, 1, 2, 3, 4, 5, 6), block=block)
    for company, place in (((5,), 0), ((7, 3, 5, 1), 2)):
        few = last(seeds(*company), block=block)
        chex.assert_trees_all_equal(pick(few.state, place), pick(many.state, 5))
        for name, values in few.metrics.items():
            if name != "test_step":
                np.testing.assert_array_equal(values[place], many.metrics[name][5])


@pytest.mark.parametrize("most", (1, 2))
def test_several_turns_give_the_bits_of_one(most, monkeypatch):
    """What no run may notice, though it is another program: how many blocks a device takes in a turn."""
    whole = last(seeds(0, 1, 2))
    monkeypatch.setattr(devices, "MOST_BLOCKS", most)
    parts = last(seeds(0, 1, 2))
    assert (len(whole.laid), len(parts.laid)) == (1, -(-3 // most))
    chex.assert_trees_all_equal(parts.state, whole.state)
    np.testing.assert_array_equal(parts.metrics["test_loss"], whole.metrics["test_loss"])


def test_the_next_epoch_is_begun_before_one_is_read_unless_the_caller_stops(monkeypatch):
    """With one turn of three; what is begun early has the same bits."""
    config, recipe, _ = preset()
    monkeypatch.setattr(devices, "MOST_BLOCKS", 1)
    begun, begin = [], flight.Flight.begin

    def watched(self, step, *args):
        before = len(self.begun)
        begin(self, step, *args)
        begun.extend([step] * (len(self.begun) - before))

    monkeypatch.setattr(flight.Flight, "begin", watched)
    runs = {}
    for goes_on in (True, False):
        epochs = train(
            TASK,
            config,
            recipe,
            seeds(0, 1, 2),
            steps=12,
            epoch_steps=5,
            goes_on=lambda answer=goes_on: answer,
        )
        next(epochs)
        begun.clear()
        next(epochs)
        assert begun.count(5) == goes_on
        *_, runs[goes_on] = epochs
        assert [begun.count(step) for step in (5, 10)] == [3, 3]
    chex.assert_trees_all_equal(runs[True].state, runs[False].state)
    np.testing.assert_array_equal(runs[True].metrics["loss"], runs[False].metrics["loss"])


def test_metrics_of_a_step_are_those_of_the_plain_gradient_before_it():
    config, recipe, _ = preset()
    begun, trained = train(TASK, config, recipe, seeds(5), steps=5, epoch_steps=5)
    params, hyper = pick(begun.runs.params, 0), pick(seeds(5), 0)
    batch = data.training_batch(TASK, hyper, None, 0)
    loss, gradient = jax.value_and_grad(
        lambda params: objective.scores(config, TASK, recipe, params, hyper, batch).loss.mean()
    )(params)
    expected = {
        f"gradient_norm.{name}": np.linalg.norm(leaf) for name, leaf in named_leaves(gradient).items()
    }
    expected |= dict(
        gradient_norm=float(optax.tree.norm(gradient)), parameter_norm=float(optax.tree.norm(params))
    )
    found = {name: values[0, 0] for name, values in trained.metrics.items() if "norm" in name}
    chex.assert_trees_all_close(found, expected, rtol=1e-4)
    assert trained.metrics["loss"][0, 0].mean() == pytest.approx(float(loss), rel=1e-5)


@pytest.mark.parametrize("most", (0, 10**6))
def test_norms_are_those_of_each_leaf_at_once_or_one_by_one(most, monkeypatch):
    monkeypatch.setattr(metrics, "AT_ONCE", most)
    tree = dict(a=jnp.arange(6.0).reshape(2, 3), b=[jnp.full(9, -2.0), jnp.ones((3, 1))])
    total, each = metrics.norms(tree)
    np.testing.assert_allclose(each, [np.linalg.norm(leaf) for leaf in jax.tree.leaves(tree)], rtol=1e-6)
    assert float(total) == pytest.approx(float(optax.tree.norm(tree)))


@pytest.mark.skipif(len(jax.devices()) < 2, reason="one device")
@pytest.mark.parametrize("size", (3, 4))
def test_any_number_of_devices_gives_the_same_bits(size):
    one, two = last(seeds(*range(size))), last(seeds(*range(size)), on=2)
    chex.assert_trees_all_equal(jax.tree.map(np.asarray, one.state), jax.tree.map(np.asarray, two.state))
    assert size % 2 or len(two.state.step.sharding.device_set) == 2


def test_a_diverging_neighbour_is_frozen_and_changes_nobody():
    rates = [1e-3, 1e30, 1e-3]
    epoch = last(seeds(0, 1, 2, learning_rate=rates, warmup_steps=0.0), block=3)
    np.testing.assert_array_equal(epoch.diverged, [False, True, False])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(pick(epoch.runs.params, 0)))
    assert int(epoch.state.step[1]) < 12 == int(epoch.state.step[0])
    alone = last(seeds(2, learning_rate=[1e-3], warmup_steps=0.0), block=3)
    chex.assert_trees_all_equal(pick(epoch.state, 2), pick(alone.state, 0))
    assert np.isnan(epoch.metrics["loss"][1]).all() and np.isfinite(epoch.metrics["loss"][0]).all()


def test_a_sweep_ends_when_every_run_has_diverged():
    hypers = seeds(1, learning_rate=[1e30], warmup_steps=0.0)
    config, recipe, _ = preset()
    epochs = list(train(TASK, config, recipe, hypers, steps=20, epoch_steps=5))
    stuck = epochs[-1]
    assert stuck.diverged.all() and stuck.step == 5
    assert 0 < int(stuck.state.step[0]) < 5
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(stuck.runs.params))


def test_a_run_stopped_below_a_loss_is_frozen_to_the_bit_and_the_sweep_ends_when_all_are():
    hypers = seeds(0, 1, learning_rate=[1e-3, 0.0], warmup_steps=0.0)
    config, recipe, _ = preset()
    recipe = dataclasses.replace(recipe, stop_below=2.3)
    epochs = list(train(TASK, config, recipe, hypers, steps=100, epoch_steps=5))
    stops = [int(epoch.state.stopped[0]) for epoch in epochs]
    assert stops[0] == 0 and stops[-1] == 1 and not epochs[-1].state.stopped[1]
    at = stops.index(1)
    chex.assert_trees_all_equal(pick(epochs[at].runs.params, 0), pick(epochs[-1].runs.params, 0))
    assert np.isnan(epochs[-1].metrics["loss"][0]).all() and np.isfinite(epochs[-1].metrics["loss"][1]).all()
    both = list(train(TASK, config, recipe, seeds(0, 2), steps=1000, epoch_steps=5))
    assert both[-1].step < 1000 and not both[-1].active.any()


@pytest.mark.parametrize("block", (1, 2))
def test_resumed_is_uninterrupted(block):
    hypers = seeds(0, 1, 2)
    config, recipe, _ = preset()
    through = list(train(TASK, config, recipe, hypers, steps=13, epoch_steps=5, block=block))
    again = list(
        train(TASK, config, recipe, hypers, steps=13, epoch_steps=5, block=block, resume_from=through[1])
    )
    assert [epoch.number for epoch in again] == [2, 3] and [epoch.step for epoch in again] == [10, 13]
    chex.assert_trees_all_equal(through[-1].state, again[-1].state)
    for name, values in again[-1].metrics.items():
        np.testing.assert_array_equal(values, through[-1].metrics[name])


def test_examples_drawn_together_are_those_of_their_steps():
    hypers, (config, recipe, _) = seeds(0, 1), preset()
    in_two, in_eight = (
        np.concatenate(
            [
                epoch.metrics["loss"]
                for epoch in train(TASK, config, recipe, hypers, steps=40, epoch_steps=steps)
            ],
            1,
        )
        for steps in (20, 5)
    )  # 16 steps and 4, twice; 5 steps, eight times
    np.testing.assert_allclose(in_two, in_eight, rtol=1e-4)
    one = data.batches(TASK, hypers, None, np.array([[7, 9]]))
    for i, step in enumerate((7, 9)):
        chex.assert_trees_all_equal(
            pick(jax.tree.map(lambda x: x[0], one), i), data.training_batch(TASK, pick(hypers, i), None, step)
        )


def test_an_epoch_that_is_cut_short_has_the_bits_of_a_whole_one():
    hypers = seeds(3)
    short, whole = last(hypers, steps=7), last(hypers, steps=10)
    np.testing.assert_array_equal(short.metrics["loss"][:, :2], whole.metrics["loss"][:, :2])


def test_evaluations_come_every_k_steps_whatever_the_epochs():
    config, recipe, _ = preset()
    at = [
        epoch.metrics["test_step"].tolist()
        for epoch in train(TASK, config, recipe, seeds(0), steps=13, epoch_steps=5)
    ]
    assert at == [[0], [4], [8], [12]]


def test_runs_with_other_fractions_of_a_table_do_not_change_each_other():
    task = gj.ModularArithmetic(modulus=7)
    hypers = gj.grid(preset()[2], seed=[0, 1], train_fraction=[0.3, 0.7])
    both, alone = last(hypers, task=task), last(pick(hypers, slice(3, 4)), task=task)
    chex.assert_trees_all_equal(pick(both.state, 3), pick(alone.state, 0))
    np.testing.assert_array_equal(both.metrics["test_loss"][3], alone.metrics["test_loss"][0])


def test_frozen_tensors_stay_and_the_others_move():
    hypers = seeds(0, 0, frozen=[gj.freeze("W_E", "W_in"), 0])
    config, recipe, _ = preset()
    first, *_, end = train(TASK, config, recipe, hypers, steps=10, epoch_steps=5)
    for name, leaf in gj.trees.named_leaves(end.runs.params).items():
        before = gj.trees.named_leaves(first.runs.params)[name]
        held = name in ("W_E", "blocks.0.W_in")
        assert bool((leaf[0] == before[0]).all()) == held, name
        assert not bool((leaf[1] == before[1]).all())


def test_a_new_learning_rate_compiles_nothing(monkeypatch):
    used, compiled = [], programs.compiled
    monkeypatch.setattr(programs, "compiled", lambda *args: used.append(compiled(*args)) or used[-1])
    executables = []
    for rate in (1e-3, 3e-4):
        used.clear()
        last(seeds(0, learning_rate=[rate]))
        executables.append({id(of.runtime_executable()) for loaded in used for of in loaded.values()})
    assert executables[0] == executables[1] and len(executables[0]) == 2


def test_an_optimiser_a_loss_and_a_task_of_the_users_own():
    def sign(hyper):
        return optax.chain(optax.sign_sgd(1.0), optax.scale(hyper.learning_rate))

    def squared(logits, labels):
        return ((logits - jax.nn.one_hot(labels, logits.shape[-1])) ** 2).sum(-1)

    epoch = last(seeds(0, 1), steps=20, optimizer=sign, loss=squared)
    assert (epoch.metrics["loss"][:, -1].mean(-1) < 10).all()

    @dataclasses.dataclass(frozen=True)
    class Copy:
        """Say the first token again."""

        vocabulary: int = 5
        num_positions: int = 3
        num_outputs: int = 5
        read = (2,)
        columns = (0,)
        batch_size = 32
        finite = False

        def batch(self, key, size=None):
            tokens = jax.random.randint(key, (size or 32, 3), 0, 5)
            return gj.tasks.Batch(tokens, tokens[:, :1])

    task = Copy()
    config = gj.ModelConfig(vocabulary=5, num_positions=3, num_outputs=5, **TINY)
    hypers = gj.grid(gj.Hyper(weight_decay=0.0, learning_rate=1e-2), seed=[0, 1])
    *_, end = train(task, config, gj.Recipe(), hypers, steps=90, epoch_steps=30)
    assert (end.metrics["accuracy"][:, -1] == 1).all()


@pytest.mark.parametrize("optimizer", ("adam", "sgd"))
def test_other_optimisers_train(optimizer):
    rate = dict(adam=1e-2, sgd=0.3)[optimizer]
    epoch = last(seeds(0, learning_rate=[rate], weight_decay=0.0), steps=40, optimizer=optimizer)
    assert epoch.metrics["loss"][0, -1].mean() < 2.2


def test_bad_counts_are_refused_before_anything_runs():
    config, recipe, _ = preset()
    for bad in (
        dict(steps=3, epoch_steps=0),
        dict(steps=3, block=0),
        dict(steps=-1),
        dict(steps=2.5),
        dict(steps=True),
    ):
        with pytest.raises(ValueError, match="must be an integer of at least"):
            train(TASK, config, recipe, seeds(0), **bad)
    with pytest.raises(TypeError, match="steps"):
        train(TASK, config, recipe, seeds(0))
    with pytest.raises(ValueError, match="resume_from has 1 runs, hypers 2"):
        train(TASK, config, recipe, seeds(0, 1), steps=5, resume_from=last(seeds(0), steps=0))


def test_an_epoch_gives_a_stack_of_runs_and_says_what_it_is_in_a_line():
    epoch = last(seeds(3, 4), steps=5)
    assert repr(epoch).startswith("epoch 1: step 5, train ") and "\n" not in repr(epoch)
    runs = epoch.runs
    assert (runs.task, runs.num_runs, runs[1].hyper.seed) == (TASK, 2, 4)
    chex.assert_trees_all_equal(runs.params, epoch.state.params)
    batch = data.evaluation_batch(TASK, runs.recipe, runs[1].hyper, None)
    again = last(seeds(3, 4), steps=8)  # evaluated after 8 updates
    loss = float(again.runs[1].loss(batch))
    assert loss == pytest.approx(again.metrics["test_loss"][1, -1].mean(), rel=1e-5)


def test_a_healthy_sweep_holds_no_nan_on_its_devices():
    """Places that are no run and steps that were not made are filled with a number: NaN only on the host."""
    with jax.debug_nans(True):
        *_, epoch = train(TASK, *preset()[:2], seeds(0, 1, 2), steps=7, epoch_steps=5)
    assert epoch.metrics["loss"].shape == (3, 2, 3) and np.isfinite(epoch.metrics["loss"]).all()
