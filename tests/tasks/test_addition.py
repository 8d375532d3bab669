"""Addition: every format says the right sum, digits are uniform, contradictions are refused."""

import dataclasses
import functools
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import random
from scipy import stats

from grokjax import tasks
from grokjax.tasks import Addition, DigitwiseAddition
from grokjax.tasks.vocabulary import SYMBOLS

small, digitwise = (
    functools.partial(Addition, num_digits=2),
    functools.partial(DigitwiseAddition, num_digits=2),
)
PAIRS = ((3, 4), (9, 9))
FORMATS = [
    Addition(),
    small(lengths=(1, 2)),
    small(cascade=2),
    small(held_out=PAIRS, held_out_shown=True),
    small(held_out=PAIRS),
    Addition(num_digits=9, base=36),
    Addition(num_digits=1, base=2),
    small(order="lsb", leading=False),
    small(outputs="tokens"),
    small(mode="single", digit=2, order="lsb", outputs="tokens"),
    small(mode="single", digit=1, leading=False),
    small(mode="parallel"),
    small(mode="parallel", order="lsb", outputs="tokens"),
    digitwise(),
    digitwise(base=7, order="lsb", mode="parallel"),
    digitwise(mode="single", digit=1),
    digitwise(hints=True, lengths=(2,)),
    small(lengths=(1,), order="lsb", relabel=1),
    small(relabel=4, base=16),
    small(hints=True),
    small(scratchpad=True),
    small(scratchpad=True, order="lsb", leading=False, lengths=(1, 2)),
    small(num_examples=50, batch_size=None),
    Addition(hints=True, scratchpad=True, lengths=(1, 2, 3), num_digits=3, relabel=2, outputs="tokens"),
]
ids = lambda task: (
    ",".join(
        f"{f.name}={getattr(task, f.name)}"
        for f in dataclasses.fields(task)
        if getattr(task, f.name) != f.default
    ).replace(" ", "")
    or "default"
)


def operands(task, tokens):
    """The numbers of a prompt, and their digits as text, read back from what `show` writes."""
    prompt = re.sub(r"\[\d+\]|_", "", task.show(tokens[: task.num_prompt]))
    assert prompt.endswith("=")
    texts = prompt[:-1].split("+")
    return [int(text, task.base) for text in texts], texts


def expected(task, numbers):
    """By metrics column: the digits of the answer, then the carries into columns 1 ... n, from Python's own
    arithmetic.
    """
    base, n, (x, y) = task.base, task.num_digits, numbers
    digit = lambda number, k: number // base**k % base
    answer = (
        [digit(x + y, k) for k in range(n + task.leading)]
        if task.carry
        else [(digit(x, k) + digit(y, k)) % base for k in range(n)]
    )
    carries = [int(x % base**k + y % base**k >= base**k) for k in range(1, n + 1)] if task.scratchpad else []
    return [answer[task.digit]] if task.mode == "single" else answer + carries


@pytest.mark.parametrize("task", FORMATS, ids=ids)
def test_labels_are_the_sum_and_stand_where_they_are_read(task):
    batch = task.batch(random.key(3), 40)
    assert batch.tokens.shape == (40, task.num_positions) and batch.labels.shape == (40, len(task.columns))
    assert batch.tokens.dtype == batch.labels.dtype == jnp.int32
    assert batch.tokens.min() >= 0 and batch.tokens.max() < task.vocabulary and batch.labels.max() < task.base
    names = {symbol: token for token, symbol in enumerate(task.show([t]) for t in range(task.base))}
    for tokens, labels in zip(np.asarray(batch.tokens), np.asarray(batch.labels), strict=True):
        by_column = expected(task, operands(task, tokens)[0])
        assert [names[SYMBOLS[by_column[column]]] for column in task.columns] == labels.tolist()
        assert all(token in ids for token, ids in zip(tokens.tolist(), task.tokens_at, strict=True))
        if task.mode == "sequence":
            following = [position + 1 for position in task.read[:-1]]
            assert tokens[following].tolist() == labels[:-1].tolist()


@pytest.mark.parametrize("task", FORMATS, ids=ids)
def test_the_sizes_agree_with_each_other(task):
    assert task.read == tuple(sorted(task.read)) and task.read[-1] == task.num_positions - 1
    assert sorted(task.columns) == list(range(len(task.columns)))
    symbols = task.base if task.outputs == "digits" else task.vocabulary
    assert task.num_outputs * len(task.read) == symbols * len(task.columns)
    assert tasks.shape(task) == dict(
        vocabulary=task.vocabulary,
        num_positions=task.num_positions,
        num_outputs=task.num_outputs,
        base=task.base,
        order=task.order,
    )
    assert hash(task) == hash(dataclasses.replace(task))


def test_only_operands_of_mixed_length_move_the_signs():
    fixed = lambda task: [ids.start for ids in task.tokens_at if len(ids) == 1]
    assert fixed(Addition(num_digits=2)) == [10, 11] and fixed(Addition(num_digits=2, lengths=(1, 2))) == [11]
    assert fixed(Addition(num_digits=2, hints=True)) == [13, 12, 10, 13, 12, 11, 14, 13, 12]


@pytest.mark.parametrize("task", FORMATS[1:3], ids=ids)
def test_a_batch_is_a_pure_function_of_the_key_under_jit_and_vmap(task):
    keys = random.split(random.key(0), 3)
    alone = [task.batch(key, 8) for key in keys]
    together = jax.jit(jax.vmap(lambda key: task.batch(key, 8)))(keys)
    for i, batch in enumerate(alone):
        assert all((x[i] == y).all() for x, y in zip(together, batch, strict=True))
    assert (alone[0].tokens != alone[1].tokens).any()


def test_the_released_format():
    task = Addition()
    assert (task.vocabulary, task.num_positions, task.num_outputs, task.read) == (
        12,
        17,
        10,
        (11, 12, 13, 14, 15, 16),
    )
    batch = task.parse("12345 + 67890")
    assert batch.tokens.tolist() == [[1, 2, 3, 4, 5, 10, 6, 7, 8, 9, 0, 11, 0, 8, 0, 2, 3]]
    assert batch.labels.tolist() == [[0, 8, 0, 2, 3, 5]]
    assert task.batch(random.key(0)).tokens.shape == (256, 17)


@pytest.mark.parametrize(
    "options, text",
    [
        (dict(), "12345+67890=080235"),
        (dict(order="lsb"), "12345+67890=532080"),
        (dict(leading=False), "12345+67890=80235"),
        (dict(mode="single", digit=1), "12345+67890=....3."),
        (dict(mode="parallel"), "12345+67890=080235"),
        (dict(carry=False), "12345+67890=79135"),
        (dict(lengths=(3, 5)), "12345+67890=080235"),
        (dict(scratchpad=True), "12345+67890=01110080235"),
        (dict(relabel=7), "12345+67890=080235"),
        (dict(mode="single", digit=1, order="lsb"), "12345+67890=.3...."),
    ],
)
def test_people_read_and_write_problems(options, text):
    task = Addition(**options)
    batch = task.parse(text)
    assert task.show(batch.tokens[0], batch.labels[0]) == text


def test_operands_of_mixed_length_share_the_place_of_the_answer():
    task = Addition(num_digits=4, lengths=(1, 2, 3))
    batch = task.parse("12+345")
    assert task.show(batch.tokens[0], batch.labels[0]) == "___12+345=00357"
    hinted = dataclasses.replace(task, hints=True).parse("12+345")
    assert (
        dataclasses.replace(task, hints=True).show(hinted.tokens[0])
        == "______[1]1[0]2+[2]3[1]4[0]5=[4]0[3]0[2]3[1]5[0]"
    )
    longer = task.at_lengths((4,))
    assert (longer.num_positions, longer.vocabulary, longer.read) == (
        task.num_positions,
        task.vocabulary,
        task.read,
    )
    for sampled, lengths in ((task, {1, 2, 3}), (longer, {4})):
        texts = [operands(sampled, tokens)[1] for tokens in sampled.batch(random.key(0), 300).tokens]
        pairs = [tuple(map(len, pair)) for pair in texts]
        assert set(pairs) == {(x, y) for x in lengths for y in lengths}
        counts = np.unique([3 * x + y for x, y in pairs], return_counts=True)[1]
        assert len(counts) == 1 or stats.chisquare(counts).pvalue > 1e-3


def test_a_relabelled_task_is_the_same_task_in_other_tokens():
    plain, other = Addition(), Addition(relabel=5)
    x, y = plain.batch(random.key(1), 50), other.batch(random.key(1), 50)
    pairs = {
        (int(i), int(j))
        for i, j in zip(
            np.concatenate([x.tokens.ravel(), x.labels.ravel()]),
            np.concatenate([y.tokens.ravel(), y.labels.ravel()]),
            strict=True,
        )
    }
    permutation = dict(pairs)
    assert len(pairs) == len(permutation) == 12 and sorted(permutation.values()) == list(range(12))
    assert permutation[10] == 10 and permutation[11] == 11 and any(i != j for i, j in pairs)


@settings(deadline=None, max_examples=5)
@given(st.data())
def test_sums_of_any_size_in_any_base(data):
    base, n = data.draw(st.integers(2, 36)), data.draw(st.sampled_from([1, 2, 7, 40]))
    numbers = [data.draw(st.integers(0, base**n - 1)) for _ in range(2)]
    task = Addition(
        num_digits=n,
        base=base,
        order=data.draw(st.sampled_from(["msb", "lsb"])),
        leading=data.draw(st.booleans()),
    )
    a, b = (np.array(tasks.digits([number], base, n), np.int32) for number in numbers)
    labels = task.encode(a, b).labels[0]
    assert [int(labels[task.columns.index(k)]) for k in sorted(task.columns)] == expected(task, numbers)


@pytest.mark.parametrize("base, n", [(10, 2), (3, 4), (36, 1)])
def test_digits_are_uniform_and_independent(base, n):
    a, b, _ = Addition(base=base, num_digits=n).problems(random.key(17), 100_000)
    cell = np.asarray(jnp.concatenate([a, b], 1)) @ base ** np.arange(2 * n)
    counts = np.bincount(cell, minlength=base ** (2 * n))
    assert len(counts) == base ** (2 * n) and stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("shown", [False, True])
def test_held_out_pairs_are_never_or_always_there_and_all_else_is_uniform(shown):
    held_out = ((0, 2), (1, 1))
    task = Addition(base=3, num_digits=2, held_out=held_out)
    task = task.with_held_out() if shown else task
    a, b, _ = task.problems(random.key(5), 40_000)
    present = sum(((a == x) & (b == y)).any(1) for x, y in held_out) > 0
    assert bool((present == shown).all())
    counts = np.bincount(np.asarray(jnp.concatenate([a, b], 1)) @ 3 ** np.arange(4))
    counts = counts[counts > 0]
    assert len(counts) == task.num_problems == (81 - 49 if shown else 49)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_a_table_of_all_problems_is_in_row_order():
    batch = Addition(base=3, num_digits=2, num_examples=81).table()
    assert isinstance(batch.tokens, np.ndarray) and batch.tokens.dtype == batch.labels.dtype == np.int32
    assert [tuple(row) for row in batch.tokens[:, [0, 1, 3, 4]].tolist()] == list(
        itertools.product(range(3), repeat=4)
    )


@pytest.mark.parametrize(
    "options",
    [dict(), dict(held_out=((0, 0),)), dict(cascade=1), dict(lengths=(1, 2)), dict(mode="single", digit=0)],
)
def test_a_drawn_table_holds_different_problems_that_its_seed_fixes(options):
    task = Addition(base=4, num_digits=2, num_examples=60, batch_size=None, **options)
    batch, again, other = task.table(), task.table(), dataclasses.replace(task, table_seed=1).table()
    assert batch.tokens.shape == (60, task.num_positions) and len(np.unique(batch.tokens, axis=0)) == 60
    assert (batch.tokens == again.tokens).all() and (batch.tokens != other.tokens).any()
    assert task.finite and not Addition().finite


def test_every_problem_of_a_class_can_be_asked_for():
    task = Addition(base=3, num_digits=2, cascade=2)
    batch = dataclasses.replace(task, num_examples=task.num_problems).table()
    assert len(np.unique(batch.tokens, axis=0)) == task.num_problems == 9


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(base=99), "base=99 must be an integer from 2 to 36"),
        (dict(base=1), "base=1 "),
        (dict(num_digits=0), "num_digits=0 "),
        (dict(mode="serial"), "mode='serial' must be one of sequence, single, parallel"),
        (dict(order="big"), "order='big' "),
        (dict(outputs="all"), "outputs='all' "),
        (dict(mode="single"), "digit=None: .* 0 to 5"),
        (dict(mode="single", digit=6), "digit=6 must be an integer from 0 to 5"),
        (dict(mode="single", digit=5, leading=False), "from 0 to 4"),
        (dict(digit=1), "digit=1 is for mode='single' only"),
        (dict(batch_size=0), "batch_size=0 "),
        (dict(batch_size=None), "batch_size=None .* num_examples"),
        (dict(num_examples=0), "num_examples=0 "),
        (dict(num_digits=1, num_examples=101), "num_examples=101 must be at most 100"),
        (dict(lengths=()), r"lengths=\(\) "),
        (dict(lengths=(6,)), "lengths=6 must be an integer from 1 to 5"),
        (dict(lengths=[1]), r"lengths=\[1\] "),
        (dict(held_out=((1, 10),)), "held_out=10 must be an integer from 0 to 9"),
        (dict(held_out=((1, 2, 3),)), "digit pairs"),
        (dict(held_out=((1, 2), (1, 2))), "different pairs"),
        (dict(held_out=((0, 0), (0, 1), (1, 0), (1, 1)), base=2), "leave at least one of the 4"),
        (dict(held_out_shown=True), "held_out_shown=True needs held_out"),
        (dict(cascade=6), "cascade=6 must be an integer from 0 to 5"),
        (dict(cascade=1, lengths=(1,)), "cannot be combined"),
        (dict(cascade=1, carry=False), "needs carry=True"),
        (dict(scratchpad=True, carry=False), "needs carry=True"),
        (dict(scratchpad=True, mode="parallel"), "needs mode='sequence'"),
        (dict(hints=True, mode="single", digit=0), "needs mode='sequence'"),
        (dict(relabel=-1), "relabel=-1 "),
        (dict(table_seed=-1), "table_seed=-1 "),
    ],
)
def test_contradictions_are_refused_in_one_sentence(options, words):
    with pytest.raises(ValueError, match=words):
        Addition(**options)


def test_what_a_task_cannot_give_is_refused():
    with pytest.raises(ValueError, match="num_examples=None"):
        Addition().table()
    with pytest.raises(ValueError, match="size=0 "):
        Addition().batch(random.key(0), 0)
    with pytest.raises(ValueError, match="size=None"):
        Addition(num_examples=5, batch_size=None).batch(random.key(0))
    with pytest.raises(ValueError, match="no pad token"):
        Addition().at_lengths((3,))
    for text in ("12345", "1+123456", "1a+2", "+1"):
        with pytest.raises(ValueError, match="two numbers of 1 to 5 digits"):
            Addition().parse(text)


def test_the_released_samples(reference):
    sample = np.load(reference / "adder5_d128.npz")["sample.tokens"]
    batch = Addition().encode(sample[:, 4::-1], sample[:, 10:5:-1])
    assert (batch.tokens == sample[:, :-1]).all() and (batch.labels == sample[:, 12:]).all()
