"""Induction and skip trigrams: what is predicted can be told from what is read, and only from that."""

import dataclasses

import jax
import numpy as np
import pytest
from jax import random
from scipy import stats

from grokjax import tasks
from grokjax.tasks import Induction, SkipTrigram


def test_the_last_copy_repeats_a_piece_of_every_stretch():
    task = Induction()
    batch = jax.tree.map(np.asarray, task.batch(random.key(0), 200))
    assert (
        batch.tokens.shape == (200, 84)
        and batch.labels.shape == (200, 15)
        and task.read == tuple(range(69, 84))
    )
    assert (batch.tokens[:, 0] == 0).all() and batch.tokens[:, 1:].min() == 1 and batch.tokens.max() == 127
    assert (batch.tokens[:, 70:] == batch.labels[:, :-1]).all()
    piece = np.concatenate([batch.tokens[:, 69:70], batch.labels], 1)
    places = lambda row, p, first: [s for s in range(first, first + 13) if (row[s : s + 16] == p).all()]
    starts = [
        [places(row, p, first) for first in (1, 29)] for row, p in zip(batch.tokens, piece, strict=True)
    ]
    assert all(len(found) == 1 for example in starts for found in example)
    first, second = np.array(starts)[:, :, 0].T
    assert set(first) == set(range(1, 14)) and set(second) == set(range(29, 42))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.2


def test_tokens_of_an_induction_batch_are_uniform():
    tokens = np.asarray(Induction(vocabulary=20).batch(random.key(1), 400).tokens)[:, 1:14]
    assert stats.chisquare(np.bincount(tokens[:, 0], minlength=20)[1:]).pvalue > 1e-3


@pytest.mark.parametrize("queries", [1, 3])
def test_a_skip_trigram_is_a_function_of_its_trigger_and_query(queries):
    task = SkipTrigram(num_queries=queries)
    batch = jax.tree.map(np.asarray, task.batch(random.key(0), 2000))
    assert batch.tokens.shape == (2000, 20) and batch.labels.shape == (2000, 1) and task.num_outputs == 10
    triggers = batch.tokens < 10
    assert (triggers.sum(1) == 1).all() and not triggers[:, -1].any()
    assert (batch.tokens[:, :-1][~triggers[:, :-1]] >= 10 + queries).all()
    trigger, query = batch.tokens[triggers], batch.tokens[:, -1] - 10
    assert set(query) == set(range(queries)) and (batch.labels[:, 0] == task.rules[query, trigger]).all()
    assert (np.sort(task.rules, 1) == np.arange(10)).all()
    for values, size in ((trigger, 10), (np.argmax(triggers, 1), 19), (batch.labels[:, 0], 10)):
        assert stats.chisquare(np.bincount(values, minlength=size)).pvalue > 1e-3


@pytest.mark.parametrize(
    "task",
    [
        Induction(vocabulary=9, length=13, piece_length=3),
        SkipTrigram(num_triggers=3, num_fillers=2, length=5),
    ],
)
def test_both_keep_to_the_protocol(task):
    assert task.read == tuple(sorted(task.read)) and sorted(task.columns) == list(range(len(task.columns)))
    assert task.num_outputs * len(task.read) % len(task.columns) == 0 and tasks.shape(task)["base"] == 0
    keys = random.split(random.key(0), 3)
    together = jax.vmap(lambda key: task.batch(key, 4))(keys)
    assert together.tokens.shape == (3, 4, task.num_positions) and together.tokens.max() < task.vocabulary
    assert (together.tokens[1] == task.batch(keys[1], 4).tokens).all()
    lowest, highest = together.tokens.min((0, 1)), together.tokens.max((0, 1))
    assert all(
        low in ids and high in ids for low, high, ids in zip(lowest, highest, task.tokens_at, strict=True)
    )
    finite = dataclasses.replace(task, num_examples=30, batch_size=None)
    batch = finite.table()
    assert finite.finite and not task.finite and len(np.unique(batch.tokens, axis=0)) == 30
    assert (batch.tokens == finite.table().tokens).all()


def test_people_can_read_them():
    skip, induction = SkipTrigram(length=4), Induction(vocabulary=9, length=8, piece_length=2)
    assert skip.show([11, 3, 12, 10], [7]) == ". A3 . B0 -> C7"
    assert induction.show([0, 1, 2, 3, 4, 1], [2]) == "0 1 2 3 4 1 2"


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Induction(length=48), "length=48 must be an integer of at least 49"),
        (lambda: Induction(num_repeats=1), "num_repeats=1 "),
        (lambda: Induction(piece_length=1), "piece_length=1 "),
        (lambda: Induction(vocabulary=2), "vocabulary=2 "),
        (lambda: Induction(batch_size=0), "batch_size=0 "),
        (lambda: SkipTrigram(num_triggers=1), "num_triggers=1 "),
        (lambda: SkipTrigram(length=1), "length=1 "),
        (lambda: SkipTrigram(rule_seed=-1), "rule_seed=-1 "),
        (lambda: SkipTrigram(length=2, num_examples=11), "num_examples=11 must be at most 10"),
        (lambda: Induction().table(), "num_examples=None"),
    ],
)
def test_bad_options_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_the_format_of_the_reference_samples(reference):
    tokens = np.load(reference / "induction_infinite.npz")["sample.tokens"]
    starts = np.tile([5, 30, 60], (len(tokens), 1))
    batch = Induction().encode(tokens, tokens[:, 5:21], starts)
    assert (batch.tokens == tokens[:, :-1]).all()
