"""Sweeps: products and pairs in the promised order, ranges refused by name, runs selected and described."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokjax import sweep, tasks, training
from grokjax.config import INTEGERS, INTERVENTIONS, Hyper, ModelConfig, Recipe, freeze

NAN, INFINITY = float("nan"), float("inf")
FIELDS = [field.name for field in dataclasses.fields(Hyper)]


def test_a_grid_is_the_product_with_the_first_name_slowest():
    hypers = sweep.grid(Hyper(b1=0.8), seed=range(3), weight_decay=[0.3, 1.0])
    assert sweep.num_runs(hypers) == 6
    expected = list(itertools.product(range(3), [0.3, 1.0]))
    assert list(zip(hypers.seed.tolist(), hypers.weight_decay.tolist(), strict=True)) == [
        (s, pytest.approx(w)) for s, w in expected
    ]
    assert (hypers.b1 == np.float32(0.8)).all() and hypers.b1.shape == (6,)


def test_every_leaf_has_the_run_axis_and_the_type_of_its_field():
    for hypers in (
        sweep.grid(Hyper(), seed=[1, 2]),
        sweep.paired(Hyper(), seed=[1, 2], eps=1),
        sweep.grid(Hyper()),
        sweep.paired(Hyper()),
    ):
        for name in FIELDS:
            leaf = getattr(hypers, name)
            assert leaf.shape == (sweep.num_runs(hypers),) and leaf.dtype == (
                jnp.int32 if name in INTEGERS else jnp.float32
            ), name


def test_pairs_go_together_and_single_numbers_to_all():
    hypers = sweep.paired(
        Hyper(), seed=[5, 6, 7], learning_rate=np.array([0.1, 0.2, 0.3]), frozen=freeze("W_E")
    )
    assert hypers.seed.tolist() == [5, 6, 7] and hypers.learning_rate.tolist() == pytest.approx(
        [0.1, 0.2, 0.3]
    )
    assert hypers.frozen.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="b1 has 2 values, the longest list 3"):
        sweep.paired(Hyper(), seed=[5, 6, 7], b1=[0.1, 0.2])


def test_a_grid_of_one_run_is_a_sweep_and_keys_of_numpy_and_jax_work():
    one = sweep.grid(Hyper(), seed=3)
    assert sweep.num_runs(one) == 1 and one.seed.tolist() == [3]
    for values in (np.arange(2), jnp.arange(2), (0, 1), iter([0, 1])):
        assert sweep.grid(Hyper(), seed=values).seed.tolist() == [0, 1]


def test_concatenate_and_select():
    first, second = sweep.grid(Hyper(), seed=range(3)), sweep.grid(Hyper(weight_decay=0.5), seed=range(2))
    both = sweep.concatenate([first, second, Hyper(seed=9)])
    assert both.seed.tolist() == [0, 1, 2, 0, 1, 9] and both.weight_decay.tolist() == [1, 1, 1, 0.5, 0.5, 1]
    assert sweep.select(both, 4).seed == 1 and sweep.select(both, 4).seed.shape == ()
    assert sweep.select(both, -1).seed == 9
    for index in (slice(3, 5), [3, 4], np.array([0, 0, 0, 1, 1, 0], bool)):
        chex_equal = jax.tree.map(lambda x, y: bool((x == y).all()), sweep.select(both, index), second)
        assert all(jax.tree.leaves(chex_equal))
    with pytest.raises(ValueError, match="index=6 must be below the number of runs, 6"):
        sweep.select(both, 6)
    with pytest.raises(ValueError, match="at least one sweep"):
        sweep.concatenate([])
    with pytest.raises(ValueError, match="one run, not a sweep"):
        sweep.num_runs(Hyper())


def test_rows_name_the_seed_and_what_differs_in_numbers_that_read_back():
    hypers = sweep.grid(Hyper(), seed=[4], learning_rate=[1e-3, 3e-4])
    assert sweep.rows(hypers) == [{"seed": 4, "learning_rate": 0.001}, {"seed": 4, "learning_rate": 0.0003}]
    assert sweep.rows(sweep.grid(Hyper(), seed=range(2))) == [{"seed": 0}, {"seed": 1}]
    for row, rate in zip(sweep.rows(hypers), hypers.learning_rate, strict=True):
        assert np.float32(row["learning_rate"]) == rate


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("learning_rate", NAN, "learning_rate=nan must be a finite number at least 0"),
        ("learning_rate", -1e-3, "learning_rate=-0.001 "),
        ("learning_rate", INFINITY, "learning_rate=inf "),
        ("learning_rate", 1e300, "learning_rate=1e\\+300 "),
        ("weight_decay", -1, "weight_decay=-1 "),
        ("b1", 1, "b1=1 must be a finite number at least 0 and below 1"),
        ("b2", 0.999999999, "b2=0.999999999 .* below 1"),
        ("momentum", 1.5, "momentum=1.5 "),
        ("eps", 0, "eps=0 must be a finite number above 0"),
        ("eps", 1e-60, "eps=1e-60 .* above 0"),
        ("warmup_steps", -1, "warmup_steps=-1 "),
        ("train_fraction", 1.5, "train_fraction=1.5 must be a finite number above 0 and at most 1"),
        ("train_fraction", 0, "train_fraction=0 "),
        ("label_noise", 1.2, "label_noise=1.2 must be a finite number from 0 to 1"),
        ("attention_rate", 1.01, "attention_rate=1.01 must be a finite number from 0 to 1"),
        ("scale_W_E", -1, "scale_W_E=-1 "),
        ("seed", -1, "seed=-1 must be an integer from 0 to 2\\^31 - 1"),
        ("seed", 2**31, "seed=2147483648 "),
        ("seed", 0.5, "seed=0.5 must be an integer"),
        ("seed", 2**70, "seed=1180591620717411303424 "),
        ("data_seed", -2, "data_seed=-2 .* or -1 for the seed of the run"),
        ("frozen", 2**20, "frozen=1048576 "),
        ("seed", "3", "seed='3' must be an integer"),
        ("b1", None, "b1=None "),
        ("b1", True, "b1=True "),
        ("b1", "x", "b1='x' "),
    ],
)
def test_values_out_of_range_are_refused_by_name_alone_or_in_a_list(name, value, words):
    with pytest.raises(ValueError, match=words):
        sweep.check(Hyper(**{name: value}))
    with pytest.raises(ValueError, match=words.split("=")[0]):
        sweep.grid(Hyper(), **{name: [getattr(Hyper(), name), value]})
    with pytest.raises(ValueError, match=name):
        sweep.grid(Hyper(**{name: value}), seed=[1])


def test_a_bad_value_in_a_list_is_the_one_that_is_named():
    with pytest.raises(ValueError, match=r"train_fraction=1\.5 "):
        sweep.grid(Hyper(), train_fraction=[0.3, 1.5, 0.5])


@pytest.mark.parametrize(
    "lists, words",
    [
        (dict(weight_deacy=[1]), "weight_deacy is no field of Hyper; there are seed, learning_rate"),
        (dict(seed=[]), r"seed=\[\] must be a number or a list"),
        (dict(seed=[[1, 2]]), "seed=.* must be a number or a list"),
    ],
)
def test_unknown_fields_and_empty_lists_are_refused(lists, words):
    for make in (sweep.grid, sweep.paired):
        with pytest.raises(ValueError, match=words):
            make(Hyper(), **lists)


def test_a_sweep_is_no_hyper_to_start_from():
    with pytest.raises(ValueError, match="seed of the hyper to start from has shape"):
        sweep.grid(sweep.grid(Hyper(), seed=range(2)), b1=[0.5])


def test_check_accepts_the_ends_of_the_ranges_and_fixes_the_types():
    hyper = sweep.check(
        Hyper(
            seed=2**31 - 1,
            data_seed=-1,
            b1=0,
            train_fraction=1,
            attention_rate=0,
            weight_decay=0,
            learning_rate=0,
        )
    )
    assert hyper.seed.dtype == jnp.int32 and int(hyper.seed) == 2**31 - 1
    assert all(getattr(hyper, name).dtype == jnp.float32 for name in FIELDS if name not in INTEGERS)
    again = sweep.check(sweep.grid(hyper, seed=range(3)))
    assert again.seed.tolist() == [0, 1, 2]


def test_copies_of_a_run_are_refused():
    """Three times the same run are not three runs: n = 3 with no variance."""
    with pytest.raises(ValueError, match=r"^seed=3 is listed 3 times: it would be the same run again$"):
        sweep.grid(Hyper(), seed=[3, 3, 3])
    with pytest.raises(ValueError, match=r"^learning_rate=0.001 is listed 2 times"):
        sweep.grid(Hyper(), seed=[1, 2], learning_rate=[1e-3, 0.01, 1e-3 + 1e-12])
    with pytest.raises(ValueError, match=r"^runs 1 and 3 are the same, seed=2, weight_decay=0.5: give each"):
        sweep.paired(Hyper(), seed=[1, 2, 2, 2], weight_decay=[0.5, 0.5, 0.3, 0.5])
    assert sweep.num_runs(sweep.paired(Hyper(), seed=[1, 1], weight_decay=[0.5, 0.3])) == 2


SMALL = dict(d_model=8, num_heads=2, d_mlp=8)


ALL = dict(interventions="+".join(INTERVENTIONS), grokfast_window=2)
OFF = set(sweep.OF_INTERVENTIONS)

CASES = {
    "finite": (tasks.ModularArithmetic(5), {}, {}, {"momentum", "decay_steps", "data_seed"} | OFF),
    "batches": (tasks.ModularArithmetic(5, batch_size=4), {}, dict(schedule="cosine", **ALL), {"momentum"}),
    "infinite": (
        tasks.Addition(2),
        {},
        dict(optimizer="sgd"),
        {"b1", "b2", "eps", "decay_steps", "train_fraction", "split_seed", "label_noise"} | OFF,
    ),
    "reduced": (
        tasks.Addition(2, num_examples=50),
        dict(attention="uniform", positions="none", mlp=False),
        dict(optimizer="adam"),
        {"momentum", "decay_steps", "scale_W_Q", "scale_W_K", "scale_W_pos", "scale_W_in", "scale_W_out"}
        | OFF,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_knobs_that_do_nothing_are_named(case):
    task, fields, recipe, expected = CASES[case]
    found = sweep.idle(task, ModelConfig.of(task, **SMALL, **fields), Recipe(**recipe))
    assert set(found) == expected and all(found.values())


@pytest.mark.parametrize("case", ["batches", "reduced"])
def test_knobs_that_do_nothing_do_nothing_and_all_others_do_something(case):
    """Each is changed, and the weights after some steps are compared, bit by bit."""
    task, fields, recipe, expected = CASES[case]
    names = [name for name in FIELDS if name != "frozen"]
    values = lambda name: 7 if name in INTEGERS else dict(warmup_steps=3.0, eps=1e-2).get(name, 0.6)
    base = Hyper(seed=1, decay_steps=20.0, train_fraction=0.5, warmup_steps=1.0, grokfast_strength=0.3)
    hypers = sweep.concatenate([base, *(base.replace(**{name: values(name)}) for name in names)])
    config = ModelConfig.of(task, **SMALL, **fields)
    *_, last = training.train(task, config, Recipe(**recipe), hypers, steps=4, epoch_steps=4)
    leaves = [np.asarray(leaf).reshape(len(names) + 1, -1) for leaf in jax.tree.leaves(last.state.params)]
    weights = np.concatenate(leaves, axis=1)
    same = {name for name, row in zip(names, weights[1:], strict=True) if (row == weights[0]).all()}
    assert same == expected


def test_an_optimiser_of_ones_own_may_read_every_knob():
    recipe = Recipe(optimizer=lambda hyper: None)
    assert set(sweep.idle(tasks.Addition(2), ModelConfig.of(tasks.Addition(2)), recipe)) == {
        "train_fraction",
        "split_seed",
        "label_noise",
    }
