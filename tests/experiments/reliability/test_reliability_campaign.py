"""The campaign of docs/reliability.md at its small size; the page quotes the numbers of the full one."""

import json

import numpy as np
import pytest

from experiments.reliability import __main__, campaign, damages, outcomes, page, statistics
from grokjax.curves.statistics import Interval

SMALL = [section.name for section in campaign.SECTIONS if section.small is not None]


@pytest.mark.parametrize("name", SMALL)
def test_nothing_goes_wrong(name, tmp_path):
    file = tmp_path / "numbers.json"
    file.write_text(json.dumps({"statistics": {"kept": True}}))
    measured = campaign.run([name], "small", tmp_path / "work", file)
    assert measured[name]["failures"] == []
    assert json.loads(file.read_text()) == measured and measured["statistics"] == {"kept": True}


def test_a_damage_that_nobody_noticed_would_be_counted(tmp_path):
    """What is read is compared, and each way to be wrong is told from the others."""
    right = {"loss": np.arange(3.0)}
    sentence = f"{tmp_path}/x is damaged"

    def refuse(text, kind=ValueError):
        raise kind(text)

    found = [
        outcomes.attempt(action, tmp_path)
        for action in (
            lambda: {"loss": np.arange(3.0)},
            lambda: {"loss": -np.arange(3.0)},
            lambda: {"loss": np.arange(3)},
            lambda: refuse(sentence),
            lambda: refuse("it is damaged"),
            lambda: refuse("a\nb"),
            lambda: refuse(sentence, KeyError),
        )
    ]
    verdicts = [outcomes.verdict(result, right) for result in found]
    assert verdicts == ["fine", "silent", "silent", "noticed", "unnamed", "traceback", "traceback"]
    tried = [damages.Tried("kind", "text", reading, "recovered", "why") for reading in ("noticed", "silent")]
    assert damages.summary(tried)["failures"] == ["kind (text): why"]


def test_an_interval_that_is_too_narrow_would_be_counted():
    rng = np.random.default_rng(0)
    narrow = lambda n: Interval(0.0, *np.sort(rng.normal(0, 0.1, 2)))
    assert statistics.coverage(narrow, 8, 400, 0.0) == pytest.approx(0.5, abs=0.1)
    rows = [dict(interval="Kaplan-Meier median", of="times", coverage={8: 0.5, 4: None})]
    assert len(statistics.broken(rows)) == 1


def test_the_page_is_what_was_measured():
    text = page.PAGE.read_text()
    assert text == page.built(text, campaign.read(page.NUMBERS))
    tests = page.PAGE.parents[1] / "tests"
    assert all((tests / each.tests).is_file() for each in page.PROMISES)
    names = {section.name for section in campaign.SECTIONS}
    assert {each.section for each in page.PROMISES} | {"statistics"} == names


@pytest.mark.parametrize(
    "flag, said",
    [("--only=nothing", "--only=nothing must be of kills"), ("--size=huge", "--size='huge'"), ("x", "'x'")],
)
def test_a_mistake_is_one_sentence(flag, said, capsys):
    assert __main__.main([flag]) == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1


def test_a_failure_is_one_line_that_is_not_too_long():
    assert campaign.brief("hypers:\n [1\n  2]") == "hypers: [1 2]"
    assert len(campaign.brief("x" * 1000)) == campaign.LONGEST
