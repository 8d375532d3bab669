"""The frame of the experiments, and the page of findings, held to the files that it is built from."""

import json
import pathlib
import re
import types

import numpy as np
import pytest
from matplotlib.figure import Figure
from smallest import EXPERIMENTS, SHORT

from experiments import findings
from experiments.frame import finding, measured, page, questions, result, rows, study
from experiments.frame.finding import Finding
from experiments.frame.result import Result
from grokjax.curves.statistics import Interval
from grokjax.figures import Plot

ROOT = pathlib.Path(__file__).parents[2]


def test_every_theme_has_its_file_of_tests():
    folder = pathlib.Path(__file__).parent
    for theme in {name.partition(".")[0] for name in EXPERIMENTS}:
        assert f'smallest.of("{theme}")' in (folder / f"test_{theme}_findings.py").read_text()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_docstring_opens_with_the_question_and_the_command(name):
    doc = EXPERIMENTS[name].__doc__
    assert re.match(rf"[^\n]+\?[^\n]*\n\n    python -m experiments\.{name}\b", doc), doc[:200]
    assert re.search(r"\bTime\b|\bTakes\b|\btook\b", doc), "the time on two cores is missing"


def test_the_pages_are_built_from_the_files():
    for name, text in page.pages(findings.read(ROOT / findings.DIRECTORY)).items():
        assert (ROOT / "docs" / name).read_text() == text, "run python -m experiments.findings"


def test_every_question_of_the_notes_has_one_row_with_a_verdict():
    made = rows.rows(findings.read(ROOT / findings.DIRECTORY))
    assert len(made) == 159 and all(row.kind in result.VERDICTS for row in made.values())
    text = "".join(page.pages(findings.read(ROOT / findings.DIRECTORY)).values())
    assert all(text.count(f"| [{id}](#{id}) |") == 1 == text.count(f"### {id}\n") for id in made)
    assert "? (" not in text and "(nan" not in text


def test_links_and_pictures_of_the_pages_lead_somewhere():
    for name, text in page.pages(findings.read(ROOT / findings.DIRECTORY)).items():
        for link in re.findall(r"\]\((?!http)([^)]+)\)", text):
            path, _, place = link.partition("#")
            file = (ROOT / "docs" / name).parent / path if path else ROOT / "docs" / name
            assert file.exists(), link
            assert not place or f"## {place}\n" in file.read_text(), link


def test_the_tables_beside_the_frame_speak_of_questions_of_the_notes():
    known = questions.all_of_them()
    assert all(question.theme in questions.THEMES and question.words for question in known.values())
    assert set(questions.tools()) | {one.id for one in questions.highlights()} <= set(known)
    assert not [one for one in questions.highlights() if re.search(r"(?<![\w-])\d+\.\d+|\d{3,}", one.meaning)]
    assert all(all(one) for one in questions.wrong())
    assert all(len(tool.sentence.split()) <= result.MOST_WORDS for tool in questions.tools().values())


@pytest.mark.parametrize(
    "path", sorted((ROOT / findings.DIRECTORY).glob("*.json")), ids=lambda path: path.stem
)
def test_a_finding_is_whole(path):
    found = json.loads(path.read_text())
    assert set(found) == {"command", "commit", "machine", "task", "size", "seeds", "answers", "numbers"}
    assert path.stat().st_size <= finding.LARGEST and path.with_suffix(".png").is_file()
    assert found["command"].startswith(f"python -m experiments.{SHORT[path.stem]}")
    for answer in found["answers"]:
        result.check(result.read(answer))


def a_finding(verdict):
    answer = Result(
        "001-01", "It is {x}.", {"x": measured.exact("x", 0.5)}, "confirmed where x is one half", verdict
    )
    numbers = {"x": Interval(1 / 3, None, float("inf"))}
    return Finding("t", "s", [0, 1], [answer], numbers, Plot(Figure(), {"a": np.arange(2)}))


def test_numbers_are_kept_short_and_as_plain_json():
    kept = finding.record("experiments.theme.some", a_finding("confirmed"), ["--seeds=4", "--output=/x"])
    assert kept["numbers"] == {"x": [0.33333, None, None]}
    assert kept["command"] == "python -m experiments.theme.some --seeds=4"


def test_a_verdict_is_one_of_four_words():
    wrong = a_finding("perhaps")
    with pytest.raises(ValueError, match="001-01: the verdict 'perhaps' must begin with one of confirmed"):
        finding.record("experiments.theme.some", wrong, [])


def test_a_trial_does_not_replace_what_is_published(tmp_path):
    defaults = {"seeds": 8, "steps": 100}
    assert study.read("some", defaults, [])[2] == study.PUBLISHED
    assert study.read("some", defaults, ["--seeds=8"])[2] == study.PUBLISHED
    runs = f"--runs={tmp_path}"
    assert study.read("some", defaults, ["--seeds=2", runs])[2] == tmp_path / "finding"
    assert study.read("some", defaults, ["--seeds=2", runs, f"--output={tmp_path}"])[2] == tmp_path


def test_a_question_has_one_row(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"answers": [{"id": "001-01"}]}))
    with pytest.raises(ValueError, match="001-01 is answered by one and by two"):
        findings.read(tmp_path)


QUESTION = questions.Question("001-13", "plateaus", "P(a|b)", "s")


def test_a_bar_in_a_cell_does_not_end_it():
    assert rows.cell(QUESTION.words) == "P(a\\|b)"


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
