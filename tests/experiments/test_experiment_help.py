"""`--help` of every experiment: its docstring, and each setting with its meaning and default."""

import importlib
import pathlib

import pytest

import experiments
from experiments.frame import meanings, study

ROOT = pathlib.Path(experiments.__path__[0])
NAMES = sorted(
    f"experiments.{path.parent.name}.{path.stem}"
    for path in ROOT.glob("*/*.py")
    if "\nDEFAULTS" in path.read_text() and "\ndef measure(" in path.read_text()
)


def test_help_says_what_a_flag_means_and_what_holds_without_it(capsys):
    module = importlib.import_module("experiments.modular.grokking_phase")
    assert study.main(module, ["--help"]) == 0
    said = capsys.readouterr().out
    assert module.__doc__.strip().splitlines()[0] in said
    for setting, value in module.DEFAULTS.items():
        typed = ",".join(map(str, value)) if isinstance(value, tuple) else value
        assert f"--{setting} " in said and f"[{typed}]" in said
    assert "Training:" in said and "Task:" in said and "[runs/grokking_phase]" in said
    assert max(map(len, said.splitlines())) <= 110


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_of_every_experiment_has_a_meaning(name):
    module = importlib.import_module(name)
    own = getattr(module, "MEANINGS", {})
    without = [setting for setting in module.DEFAULTS if not (own.get(setting) or meanings.meaning(setting))]
    assert not without, f"write a line for {without}: in {name}.MEANINGS, or in experiments.frame.meanings"


def test_no_setting_has_two_meanings():
    every = [setting for settings in meanings.GROUPS.values() for setting in settings]
    assert len(every) == len(set(every))
