"""Flags as a request: what they mean, and one sentence for each that cannot be meant."""

import numpy as np
import pytest

from grokjax.cli import documentation, flags, request
from grokjax.cli.values import UsageError
from grokjax.config import Hyper, ModelConfig, Recipe, freeze
from grokjax.runner.request import TASKS, fields


def read(argv):
    return request.read(argv).request


def test_every_field_has_a_flag_and_its_docstring_is_the_help():
    wanted = {name for cls in (*TASKS.values(), ModelConfig, Recipe, Hyper) for name in fields(cls)}
    found = [flag for members in flags.groups().values() for flag in members]
    assert wanted - {"seed"} <= {flag.field for flag in found} <= set(flags.define()) | {"seed"}
    assert not [flag.name for flag in found if not flag.text.strip() or flag.text.startswith(" [")]


@pytest.mark.parametrize("cls", [*TASKS.values(), ModelConfig, Recipe, Hyper])
def test_each_field_is_documented_once_in_its_class(cls):
    assert set(fields(cls)) <= set(documentation.of_fields(cls))


def test_help_is_grouped_and_complete():
    text = flags.help_text("What it does.")
    groups = flags.groups()
    assert [
        line[:-1] for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")
    ] == list(groups)
    shown = [flag for members in groups.values() for flag in members if not flag.hidden]
    assert all(f"--{flag.name} " in text or f"--[no]{flag.name} " in text for flag in shown)
    assert max(map(len, text.splitlines())) <= 100
    assert "width of the residual stream" in text and "adam and sgd add it to the gradient" in text


def test_what_is_not_given_is_the_preset():
    made = read([])
    assert (
        made.task.num_digits,
        made.config.d_model,
        made.steps,
        made.epoch_steps,
        request.read([]).output,
    ) == (
        5,
        128,
        5000,
        50,
        "runs/addition",
    )
    assert made.hypers.weight_decay.tolist() == [0.5] * 8
    assert read(["--task=modular"]).hypers.weight_decay.tolist() == [1.0] * 8
    assert read(["--task=modular", "--preset=pizza"]).config.mask == "full"


def test_the_seed_axis_is_the_slowest():
    grid = ["--weight_decay=0.1,1", "--learning_rate", "0.001,0.002"]
    few, many = (read([*grid, f"--seeds={n}", "--first_seed=5"]).hypers for n in (2, 3))
    assert few.seed.tolist() == [5] * 4 + [6] * 4
    np.testing.assert_array_equal(many.weight_decay[:8], few.weight_decay)
    np.testing.assert_array_equal(many.learning_rate[:8], few.learning_rate)


@pytest.mark.parametrize(
    "argv, field, value",
    [
        (["--layers=3", "--layers=2"], "config.num_layers", 2),
        (["--layers=0", "--num_layers=2"], "config.num_layers", 2),
        (["--nomlp"], "config.mlp", False),
        (["--d_mlp=none"], "config.d_mlp", None),
        (["--digits", "3", "--base", "7"], "config.base", 7),
        (["--mode=single", "--digit=1"], "task.digit", 1),
        (["--task=digitwise"], "task.carry", False),
        (["--held_out=3+4/9+9"], "task.held_out", ((3, 4), (9, 9))),
        (["--lengths=2/5"], "task.lengths", (2, 5)),
        (["--num_examples=500"], "task.batch_size", None),
        (["--num_examples=500", "--batch=20"], "task.batch_size", 20),
        (["--task=modular", "--modulus=23"], "task.modulus", 23),
        (["--task=induction", "--vocabulary=20"], "task.vocabulary", 20),
        (["--stop_below=1e-3"], "recipe.stop_below", 1e-3),
        (["--block=4"], "block", 4),
    ],
)
def test_a_flag_sets_its_field(argv, field, value):
    found = read(argv)
    for name in field.split("."):
        found = getattr(found, name)
    assert found == value


def test_frozen_is_a_grid_of_sets_of_names():
    assert read(["--frozen=W_E+W_U,none", "--seeds=1"]).hypers.frozen.tolist() == [
        freeze("W_E", "W_U"),
        0,
    ]


@pytest.mark.parametrize(
    "argv, names",
    [
        (["--weigth_decay=1"], ["weigth_decay", "weight_decay"]),
        (["--bogus", "3"], ["bogus", "--help"]),
        (["3"], ["'3'", "--flag=value"]),
        (["--mlp", "false"], ["'false'"]),
        (["--mlp=perhaps"], ["--mlp=perhaps", "true or false"]),
        (["--weight_decay"], ["weight_decay"]),
        (["--weight_decay="], ["--weight_decay=''", "empty"]),
        (["--weight_decay=1,,2"], ["--weight_decay='1,,2'", "empty"]),
        (["--weight_decay=heavy"], ["--weight_decay='heavy'", "number"]),
        (["--weight_decay=-1"], ["weight_decay=-1", "at least 0"]),
        (["--learning_rate=nan"], ["learning_rate=nan", "finite"]),
        (["--learning_rate=inf"], ["learning_rate=inf", "finite"]),
        (["--learning_rate=1e300"], ["learning_rate=1e+300", "finite"]),
        (["--b2=1"], ["b2=1", "below 1"]),
        (["--layers=0"], ["layers=0", "at least 1"]),
        (["--layers="], ["--layers=''", "empty"]),
        (["--layers=1.5"], ["--layers='1.5'", "integer"]),
        (["--layers=1,2"], ["--layers=1,2", "loop"]),
        (["--d_model=66"], ["d_model=66", "heads=4"]),
        (["--activation=tanh"], ["activation='tanh'", "relu, gelu"]),
        (["--base=99"], ["base=99", "2 to 36"]),
        (["--batch=0"], ["batch=0", "at least 1"]),
        (["--digits=0"], ["--digits=0", "at least 1"]),
        (["--num_digits=0"], ["--num_digits=0", "at least 1"]),
        (["--num_digits", "0"], ["--num_digits=0", "at least 1"]),
        (["--order=left"], ["order='left'", "msb, lsb"]),
        (["--mode=single"], ["digit=None", "0 to 5"]),
        (["--task=modular", "--modulus=1"], ["modulus=1", "at least 2"]),
        (["--task=modular", "--train_fraction=1.5"], ["train_fraction=1.5", "at most 1"]),
        (["--train_fraction=1.5"], ["train_fraction=1.5", "at most 1"]),
        (["--train_fraction=0.5"], ["--train_fraction=0.5", "finite"]),
        (["--label_noise=0.1"], ["--label_noise=0.1", "finite"]),
        (["--task=modular", "--digits=3"], ["--digits=3", "--modulus"]),
        (["--task=subtraction"], ["--task='subtraction'", "addition"]),
        (["--preset=other"], ["--preset='other'", "pizza"]),
        (["--vocabulary=5"], ["--vocabulary=5", "12"]),
        (["--num_outputs=12"], ["--num_outputs=12", "10"]),
        (["--num_positions=18"], ["--num_positions=18", "17"]),
        (["--seed=3,3,3"], ["--seed=3,3,3", "twice"]),
        (["--weight_decay=1,0.5,1"], ["--weight_decay=1", "2 times"]),
        (["--frozen=W_X"], ["W_X", "W_E"]),
        (["--seeds=0"], ["--seeds=0", "from 1"]),
        (["--seeds=2000000000"], ["--seeds=2000000000", "at most"]),
        (["--first_seed=2147483641"], ["--first_seed=2147483641", "at most"]),
        (["--first_seed=-1"], ["--first_seed=-1", "from 0"]),
        (["--seed=1,2", "--seeds=3"], ["--seed=1,2", "--seeds=3"]),
        (["--steps=0"], ["--steps=0", "from 1"]),
        (["--steps=1e4"], ["--steps='1e4'", "integer"]),
        (["--epoch_steps=-3"], ["--epoch_steps=-3", "from 1"]),
        (["--block=0"], ["--block=0", "from 1"]),
        (["--save=sometimes"], ["save='sometimes'", "every:K"]),
        (["--save="], ["save=''", "every:K"]),
        (["--output="], ["--output=''", "empty"]),
        (["--stop_below=nan"], ["--stop_below=nan", "finite"]),
        (["--schedule=cosine"], ["--schedule=cosine", "--decay_steps"]),
        (["--held_out=3-4"], ["--held_out", "integer"]),
        (["--flagfile=/nowhere/flags"], ["/nowhere/flags"]),
    ],
)
def test_a_mistake_is_one_sentence_with_the_value_and_what_is_allowed(argv, names):
    with pytest.raises(UsageError) as error:
        request.read(argv)
    assert all(name in str(error.value) for name in names), str(error.value)
    assert "\n" not in str(error.value)
