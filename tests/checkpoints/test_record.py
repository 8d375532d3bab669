import dataclasses
import functools
import json

import numpy as np
import optax
import planted_sweep
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import grokjax
from grokjax.checkpoints import record


def my_optimizer(hyper):
    return optax.sgd(hyper.learning_rate)


@dataclasses.dataclass(frozen=True)
class MyTask:
    modulus: int
    pairs: tuple[tuple[int, int], ...] = ()
    inner: grokjax.Recipe | None = None


def back(value):
    return record.decode(json.loads(json.dumps(record.encode(value))), "value")


@settings(deadline=None, max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner).map(tuple),
        max_leaves=8,
    )
)
def test_plain_values_come_back_as_they_were(value):
    assert back(value) == value and repr(back(value)) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        grokjax.ModelConfig(d_model=16, d_head=None),
        grokjax.Recipe(optimizer=my_optimizer, stop_below=1e-3),
        grokjax.Addition(num_digits=3),
        MyTask(5, ((1, 2), (3, 4)), grokjax.Recipe(stop_below=0.1)),
        np.float32(0.25),
    ],
)
def test_objects_come_back_equal_and_of_their_class(value):
    assert back(value) == value and type(back(value)) in (type(value), float)


def test_what_cannot_be_found_is_an_error_only_when_asked_for():
    encoded = record.encode(grokjax.Recipe(optimizer=lambda hyper: None))
    with pytest.raises(ValueError, match=r"recipe.optimizer was recorded as .*<lambda>.* not defined by"):
        record.decode(encoded, "recipe")
    with pytest.raises(ValueError, match="gone"):
        record.decode({"object": "no_such_module:gone"}, "task")
    with pytest.raises(ValueError, match=r"task: .* was not recorded"):
        record.decode(record.encode(np.arange(3)), "task")


def with_momentum(hyper, momentum, nesterov):
    return optax.sgd(hyper.learning_rate, momentum, nesterov)


def test_a_partial_function_of_ones_own_comes_back_with_its_arguments():
    recipe = grokjax.Recipe(optimizer=functools.partial(with_momentum, momentum=0.9, nesterov=True))
    record.require_readable(recipe, "recipe")
    found = back(recipe).optimizer
    assert found.func is with_momentum and found.keywords == dict(momentum=0.9, nesterov=True)
    assert record.differences(record.encode(recipe), record.encode(back(recipe)), "recipe") == []
    other = grokjax.Recipe(optimizer=functools.partial(with_momentum, momentum=0.8, nesterov=True))
    (line,) = record.differences(record.encode(recipe), record.encode(other), "recipe")
    assert "momentum=0.9" in line and "momentum=0.8" in line


class Made:
    def __call__(self, hyper):
        return optax.sgd(hyper.learning_rate)


@pytest.mark.parametrize(
    "value, words",
    [
        (grokjax.Recipe(optimizer=lambda hyper: None), r"recipe.optimizer is .*<lambda>"),
        (grokjax.Recipe(loss=functools.partial(lambda a, b: a)), r"recipe.loss is .*<lambda>"),
        (grokjax.Recipe(optimizer=Made()), r"recipe.optimizer is <.*Made object"),
        (functools.partial(my_optimizer, np.zeros(3)), r"recipe.0 is array"),
        ((1, (2, lambda: 3)), r"recipe.1.1 is .*<lambda>"),
    ],
)
def test_what_could_never_be_read_back_is_refused_before_training(value, words):
    with pytest.raises(ValueError, match=f"{words}.*could not be found again when the sweep is opened"):
        record.require_readable(value, "recipe")


def test_a_spec_that_could_not_be_read_back_is_refused():
    with pytest.raises(ValueError, match=r"recipe.optimizer is .*<lambda>.*: define it at the top"):
        planted_sweep.spec(recipe=grokjax.Recipe(optimizer=lambda hyper: optax.sgd(0.1)))


@dataclasses.dataclass(frozen=True)
class Shifted(grokjax.Addition):
    shift: int = 1


def test_a_subclass_of_a_task_records_what_it_is():
    encoded = record.encode(Shifted(num_digits=2, shift=3))
    assert encoded["class"] == "test_record:Shifted" and encoded["fields"]["shift"] == 3
    assert encoded["subclass_of"] == "grokjax.tasks.addition:Addition"
    found = back(Shifted(num_digits=2, shift=3))
    assert type(found) is Shifted and found == Shifted(num_digits=2, shift=3)


def test_differences_name_field_and_both_values():
    old, new = grokjax.Recipe(), grokjax.Recipe(stop_below=0.5, loss=my_optimizer)
    lines = record.differences(record.encode(old), record.encode(new), "recipe")
    assert lines == [
        "recipe.loss: recorded 'cross_entropy', asked for test_record:my_optimizer",
        "recipe.stop_below: recorded 0.0, asked for 0.5",
    ]
    assert record.differences(record.encode(old), record.encode(grokjax.Recipe()), "recipe") == []
    assert record.differences(1, True, "x") and record.differences(1, 1.0, "x")
    assert (
        "MyTask(modulus=5"
        in record.differences(record.encode(MyTask(5)), record.encode(grokjax.ModularArithmetic()), "task")[0]
    )


def test_a_field_that_was_added_later_counts_as_its_default():
    encoded = record.encode(grokjax.Recipe())
    del encoded["fields"]["precision"]
    assert record.decode(encoded, "recipe") == grokjax.Recipe()
    assert record.differences(encoded, record.encode(grokjax.Recipe()), "recipe") == []
    assert record.differences(encoded, record.encode(grokjax.Recipe(precision="bfloat16")), "recipe")
