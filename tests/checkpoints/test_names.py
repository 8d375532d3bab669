"""Whatever a configuration names, opening and reading a sweep imports nothing and calls nothing for it."""

import dataclasses
import json
import sys
import types

import optax
import planted_sweep
import pytest

import grokjax
from grokjax import checkpoints
from grokjax.checkpoints import description, names


def my_loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def my_optimizer(hyper):
    return optax.sgd(hyper.learning_rate)


@dataclasses.dataclass(frozen=True)
class MyTask(grokjax.ModularArithmetic):
    weights: tuple[float, ...] = (float("nan"), float("inf"), 1e-300)


@pytest.fixture
def own(tmp_path):
    """A sweep that may be tampered with."""
    with checkpoints.create(tmp_path / "sweep", planted_sweep.spec()):
        pass
    return tmp_path / "sweep"


def tampered(directory, change):
    """The sweep after somebody has edited its description, with a right checksum."""
    path = directory / "config.json"
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(description.sealed(found)))
    return checkpoints.open_sweep(directory)


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "posix:system",
        "subprocess:run",
        "subprocess:Popen",
        "builtins:exec",
        "builtins:eval",
        "grokjax.checkpoints.disk:os.system",
        "grokjax.checkpoints.disk:discard",
        "grokjax.tasks.os:system",
        "grokjax:importlib.import_module",
        "test_names:optax.sgd",
        "test_names:sys.exit",
        "planted_module:touch",
        "__main__:os.system",
        "optax._src.alias:sgd",
        "pathlib:Path.unlink",
        ":",
        "",
        "a:b:c",
        "test_names:",
        "test_names:my_optimizer.__globals__",
        "test_names:my_loss.__class__",
    ],
)
def test_no_name_in_a_configuration_imports_or_calls_anything(own, tmp_path, monkeypatch, name):
    (tmp_path / "planted_module.py").write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'pwned')!r}).touch()\ndef touch(**_): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    command = {"command": f"touch {tmp_path / 'pwned'}"}
    before = set(sys.modules)

    def poison(found):
        for entry in ("task", "config", "recipe"):
            found[entry] = {"class": name, "fields": command}
        found["hypers"]["class"] = name

    sweep = tampered(own, poison)
    assert "in /" in repr(sweep)
    for read in ("task", "config", "recipe", "hypers"):
        with pytest.raises(ValueError, match=rf"^{read} was recorded as .* nothing is imported because"):
            getattr(sweep, read)

    def poison_function(found):
        found["recipe"] = {"class": "grokjax.config:Recipe", "fields": {"optimizer": {"object": name}}}
        found["task"]["fields"] = {"modulus": {"partial": name, "arguments": [], "keywords": command}}

    sweep = tampered(own, poison_function)
    for read, where in (("recipe", "recipe.optimizer"), ("task", "task.modulus")):
        with pytest.raises(ValueError, match=rf"^{where} was recorded as"):
            getattr(sweep, read)
    assert {module for module in sys.modules.keys() - before if not module.startswith("encodings.")} == set()
    assert not (tmp_path / "pwned").exists()


def test_only_a_dataclass_is_called(own):
    """A function of the user's own program that the task is said to be is not."""
    sweep = tampered(own, lambda found: found.update(task={"class": "test_names:tampered", "fields": {}}))
    with pytest.raises(ValueError, match="task was recorded as 'test_names:tampered'"):
        print(sweep.task)


def test_the_hypers_stay_in_the_directory(own, tmp_path):
    (own / "hypers.npz").rename(tmp_path / "hypers.npz")
    for file in ("../hypers.npz", str(tmp_path / "hypers.npz"), 3, None):
        with pytest.raises(ValueError, match=r"config.json is damaged: 'hypers' is"):
            tampered(own, lambda found, file=file: found["hypers"].update(file=file))


def test_what_the_program_has_defined_is_found(tmp_path):
    recipe = grokjax.Recipe(optimizer=my_optimizer, loss=my_loss)
    spec = planted_sweep.spec(task=MyTask(modulus=5), recipe=recipe)
    with checkpoints.create(tmp_path / "sweep", spec):
        pass
    sweep = checkpoints.open_sweep(tmp_path / "sweep")
    assert repr(sweep.task) == repr(MyTask(modulus=5)) and type(sweep.task) is MyTask
    assert sweep.recipe == recipe


def test_what_the_running_script_has_defined_is_found(monkeypatch):
    """In a notebook too, whose `__main__` has no file."""
    main = types.ModuleType("__main__")
    exec("def loss(logits, labels): return logits", vars(main))
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert names.name_of(main.loss) == "__main__:loss" and names.function("__main__:loss", "x") is main.loss
    with pytest.raises(ValueError, match="x was recorded as '__main__:gone'"):
        names.function("__main__:gone", "x")


@pytest.mark.parametrize("trusted", ["module", "thing"])
def test_what_the_caller_gives_is_found(own, trusted):
    from optax._src import alias

    recipe = {"class": "grokjax.config:Recipe", "fields": {"optimizer": {"object": "optax._src.alias:sgd"}}}
    tampered(own, lambda found: found.update(recipe=recipe))
    given = {"module": [alias], "thing": [optax.sgd]}[trusted]
    assert checkpoints.open_sweep(own, trusted=given).recipe.optimizer is optax.sgd
    with pytest.raises(ValueError, match=r"open_sweep\(DIR, trusted=\[module, class or function\]\)"):
        print(checkpoints.open_sweep(own, trusted=[optax.adam, sys]).recipe)


@pytest.mark.parametrize(
    "name, cls",
    [
        ("grokjax.tasks.modular:ModularAddition", grokjax.ModularArithmetic),
        ("grokjax.tasks.modular:ModularArithmetic", grokjax.ModularArithmetic),
        ("grokjax.tasks.addition:Addition", grokjax.Addition),
        ("grokjax.tasks.elsewhere:Induction", grokjax.Induction),
        ("grokjax.config:Recipe", grokjax.Recipe),
        ("grokjax.config:Hyper", grokjax.Hyper),
    ],
)
def test_names_of_older_versions_are_found(name, cls):
    assert names.dataclass(name, "task") is cls
    assert names.current(name) == names.name_of(cls)


def test_a_function_of_another_package_is_named_before_training_and_found_by_its_giver(tmp_path):
    loss = optax.softmax_cross_entropy_with_integer_labels
    spec = planted_sweep.spec(recipe=grokjax.Recipe(loss=loss, optimizer=my_optimizer))
    with checkpoints.create(tmp_path / "sweep", spec) as writer:
        (note,) = writer.notes
    assert note.startswith(f"{names.name_of(loss)} is of another package: to open the sweep, import it")
    with pytest.raises(ValueError, match=r"recipe\.loss was recorded as 'optax"):
        print(checkpoints.open_sweep(tmp_path / "sweep").recipe)
    assert checkpoints.open_sweep(tmp_path / "sweep", trusted=spec.trusted).recipe == spec.recipe
