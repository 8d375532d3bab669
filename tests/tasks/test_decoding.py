"""Free-running decoding: an adder is always right, and one early mistake is carried along."""

import jax
import jax.numpy as jnp
import pytest
from jax import random

from grokjax import tasks
from grokjax.tasks import Addition


def adder(task, wrong=None):
    """Logits that know the sum of the prompt; with `wrong`, the answer at that place is one too large, and so
    is all that follows it: a later place adds to its own answer what the answer token just read is too large
    by."""

    def logits(tokens):
        labels = right(tokens)
        for i, position in enumerate(task.read[1:]):
            labels = labels.at[:, i + 1].add(tokens[:, position] - labels_of[:, i])
        if wrong is not None:
            labels = labels.at[:, wrong].add(1)
        return jax.nn.one_hot(labels % task.base, task.base)

    batch = task.batch(random.key(2), 20)
    labels_of = batch.labels
    right = lambda tokens: labels_of
    return logits, batch


@pytest.mark.parametrize("order", ["msb", "lsb"])
def test_a_right_model_is_right_and_needs_no_answer_tokens(order):
    task = Addition(num_digits=3, order=order)
    logits, batch = adder(task)
    blind = batch._replace(tokens=batch.tokens.at[:, task.num_prompt :].set(9))
    for given in (batch, blind):
        decoded = jax.jit(lambda given: tasks.decode(logits, task, given))(given)
        assert decoded.exact.all() and (decoded.answers == batch.labels).all()


def test_a_mistake_is_carried_along_where_teacher_forcing_forgets_it():
    task = Addition(num_digits=3)
    logits, batch = adder(task, wrong=1)
    forced = logits(batch.tokens).argmax(-1) != batch.labels
    free = tasks.decode(logits, task, batch).answers != batch.labels
    assert forced.any(0).tolist() == [False, True, False, False]
    assert free.all(0).tolist() == [False, True, True, True]
    assert not tasks.decode(logits, task, batch).exact.any()


@pytest.mark.parametrize(
    "task",
    [Addition(num_digits=2, hints=True), Addition(num_digits=2, hints=True, scratchpad=True, lengths=(1, 2))],
)
def test_hints_are_given_and_answers_written_after_them(task):
    batch = task.batch(random.key(0), 10)
    seen = []

    def logits(tokens):
        seen.append(tokens)
        return jax.nn.one_hot(batch.labels, task.base)

    assert tasks.decode(logits, task, batch).exact.all()
    assert (seen[-1] == batch.tokens).all() and (seen[0] != batch.tokens).any()


@pytest.mark.parametrize(
    "task", [Addition(num_digits=2, mode="parallel", order="lsb"), Addition(mode="single", digit=1)]
)
def test_modes_that_see_no_answer(task):
    batch = task.batch(random.key(0), 10)
    logits = lambda tokens: jax.nn.one_hot(batch.labels, task.base).reshape(10, 1, -1)
    decoded = tasks.decode(logits, task, batch)
    assert decoded.exact.all() and (decoded.answers == batch.labels).all()
    assert not tasks.decode(lambda tokens: jnp.roll(logits(tokens), 1, -1), task, batch).exact.any()
