"""The frame of the experiments, every experiment at a tiny size, and the page of findings, held to the files
that it is built from.
"""

import importlib
import json
import pathlib
import pkgutil
import re
import types

import jax
import numpy as np
import pytest
from matplotlib.figure import Figure

import experiments
from experiments import findings
from experiments.frame import study
from experiments.frame.study import Answer, Finding
from grokjax.curves.statistics import Interval

ROOT = pathlib.Path(__file__).parents[2]
MODULES = [
    importlib.import_module(f"experiments.{module.name}")
    for module in pkgutil.iter_modules(experiments.__path__)
]
EXPERIMENTS = {module.__name__.rpartition(".")[2]: module for module in MODULES if hasattr(module, "SMALL")}


@pytest.fixture
def one_device(monkeypatch):
    """Every program is compiled once and not for each device."""
    every = jax.devices
    monkeypatch.setattr(jax, "devices", lambda *backend: every(*backend)[:1])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_runs_to_its_finding(name, tmp_path, capsys, one_device):
    module = EXPERIMENTS[name]
    flags = [f"--{flag}={study._flag(value)}" for flag, value in module.SMALL.items()]
    assert study.main(module, [*flags, f"--runs={tmp_path / 'runs'}", f"--output={tmp_path}"]) == 0, (
        capsys.readouterr().err
    )
    found = json.loads((tmp_path / f"{name}.json").read_text())
    assert found["answers"] and found["seeds"] and (tmp_path / f"{name}.png").stat().st_size > 1000
    assert all(answer["id"] in capsys.readouterr().out for answer in found["answers"][:1])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_docstring_opens_with_the_question_and_the_command(name):
    doc = EXPERIMENTS[name].__doc__
    assert re.match(r"[^\n]+\?[^\n]*\n\n    python -m experiments\." + name, doc), doc[:200]
    assert re.search(r"\bTime\b|\bTakes\b|\btook\b", doc), "the time on two cores is missing"


def test_the_page_is_built_from_the_files():
    found = findings.read(ROOT / findings.DIRECTORY)
    assert (ROOT / findings.DIRECTORY.with_suffix(".md")).read_text() == findings.page(found), (
        "run python -m experiments.findings"
    )


@pytest.mark.parametrize(
    "path", sorted((ROOT / findings.DIRECTORY).glob("*.json")), ids=lambda path: path.stem
)
def test_a_finding_is_whole(path):
    found = json.loads(path.read_text())
    assert set(found) == {"command", "commit", "machine", "task", "size", "seeds", "answers", "numbers"}
    assert path.stat().st_size <= study.LARGEST and path.with_suffix(".png").is_file()
    assert found["command"].startswith(f"python -m experiments.{path.stem}") and path.stem in EXPERIMENTS
    for answer in found["answers"]:
        assert re.fullmatch(r"\d{3}-\d{2}", answer["id"]) and all(answer.values())
        assert answer["verdict"].partition(":")[0] in study.VERDICTS


def a_finding(*answers):
    return Finding(
        "t", "s", [0, 1], answers, {"x": Interval(1 / 3, None, float("inf"))}, Figure(), {"a": np.arange(2)}
    )


def test_numbers_are_kept_short_and_as_plain_json():
    kept = study.record(
        "some", a_finding(Answer("001-01", "q", "m", "n", "open: why")), ["--seeds=4", "--output=/x"]
    )
    assert (
        kept["numbers"] == {"x": [0.33333, None, None]}
        and kept["command"] == "python -m experiments.some --seeds=4"
    )


def test_a_verdict_is_one_of_four_words():
    with pytest.raises(
        study.UsageError, match="001-01: the verdict 'perhaps' must begin with one of confirmed"
    ):
        study.record("some", a_finding(Answer("001-01", "q", "m", "n", "perhaps")), [])


def test_a_question_has_one_row(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"answers": [{"id": "001-01"}]}))
    with pytest.raises(ValueError, match="001-01 is answered by one and by two"):
        findings.read(tmp_path)


def test_a_bar_in_a_cell_does_not_end_it():
    line = findings.row("some", Answer("001-01", "P(a|b)", "m", "n", "confirmed")._asdict())
    assert "P(a\\|b)" in line


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--seeds=0", "--seeds=0 must be an integer from 1"),
        ("--seds=2", "the flags are --seeds, --widths"),
        ("stray", "'stray' belongs to no flag"),
        ("--widths=2,x", "--widths='x' must be an integer"),
        ("--output=/nowhere", "must be a directory"),
    ],
)
def test_a_mistake_is_one_sentence(capsys, flag, said):
    module = types.ModuleType("experiments.some")
    module.DEFAULTS = {"seeds": 2, "widths": (4, 8)}
    assert study.main(module, [flag]) == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1
