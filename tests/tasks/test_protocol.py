"""The protocol: every task of the library keeps it, and its geometry is that of real labels."""

import dataclasses

import jax
import numpy as np
import pytest

from grokjax import tasks

EVERY = [
    tasks.Addition(num_digits=2),
    tasks.Addition(num_digits=2, order="lsb", scratchpad=True),
    tasks.Addition(num_digits=3, mode="single", digit=1),
    tasks.Addition(num_digits=3, mode="parallel", outputs="tokens"),
    tasks.Addition(num_digits=1, num_examples=100, batch_size=None),
    tasks.DigitwiseAddition(num_digits=2),
    tasks.ModularArithmetic(7),
    tasks.ModularArithmetic(6, "divide", equals=False, two_vocabularies=True),
    tasks.GroupComposition("S3"),
    tasks.Induction(vocabulary=9, length=13, piece_length=3),
    tasks.SkipTrigram(num_triggers=3, num_fillers=2, length=5),
]


@pytest.mark.parametrize("task", EVERY, ids=repr)
def test_every_task_keeps_the_protocol(task):
    assert isinstance(task, tasks.Task) and hash(task) == hash(dataclasses.replace(task))
    batch = task.batch(jax.random.key(0), 3)
    assert batch.tokens.shape == (3, task.num_positions) and batch.labels.shape == (3, len(task.columns))
    assert np.asarray(batch.tokens).max() < task.vocabulary
    assert len(task.columns) % len(task.read) == 0
    assert tasks.symbols_per_answer(task) * len(task.columns) == task.num_outputs * len(task.read)
    assert np.asarray(batch.labels).max() < tasks.symbols_per_answer(task)
    positions = tasks.answer_positions(task)
    assert len(positions) == len(task.columns) and set(positions) == set(task.read)
    assert sorted(task.columns) == [task.columns[i] for i in tasks.column_order(task)]
    assert set(tasks.exact_levels(task)) <= set(task.columns)
    assert isinstance(task.show(np.asarray(batch.tokens)[0], np.asarray(batch.labels)[0]), str)
    if task.finite:
        assert task.table().tokens.shape[1] == task.num_positions
    else:
        with pytest.raises(
            ValueError, match=r"is infinite and has no table; draw examples with batch\(key, size\)"
        ):
            task.table()


def test_digits_positions_and_places_of_an_addition():
    task = tasks.Addition(num_digits=2)  # 1 2 + 3 4 = 0 4 6: = at position 5
    assert tasks.answer_positions(task) == (5, 6, 7) and tasks.answer_digits(task) == (2, 1, 0)
    assert tasks.place_of_digit(task, 0) == 2
    single = tasks.Addition(num_digits=2, mode="single", digit=1)
    assert tasks.answer_digits(single) == (1,) and tasks.place_of_digit(single, 1) == 0
    parallel = tasks.Addition(num_digits=2, mode="parallel")
    assert tasks.answer_positions(parallel) == (5, 5, 5) and tasks.symbols_per_answer(parallel) == 10
    with pytest.raises(ValueError, match="digit=2 must be one that is answered: 1"):
        tasks.place_of_digit(single, 2)


@dataclasses.dataclass(frozen=True)
class LastToken:
    """The least that a task can be: the last token is to be said again."""

    vocabulary: int = 3
    num_positions: int = 2
    num_outputs: int = 3
    read = (1,)
    columns = (0,)
    finite = False
    batch_size: int | None = 4

    def batch(self, key, size=None):
        tokens = jax.random.randint(key, (size or self.batch_size, 2), 0, 3)
        return tasks.Batch(tokens, tokens[:, 1:])

    def table(self):
        raise ValueError("this task has no table")


def test_a_task_of_ones_own_needs_no_more_than_the_protocol():
    task = LastToken()
    assert isinstance(task, tasks.Task) and not isinstance(object(), tasks.Task)
    assert tasks.exact_levels(task) == {} and tasks.answer_digits(task) == (0,)
    assert tasks.shape(task) == dict(vocabulary=3, num_positions=2, num_outputs=3)
