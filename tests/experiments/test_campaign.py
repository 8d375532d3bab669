"""The campaign: its plan, what it skips, and how it compares a finding with the published one."""

import json
import pathlib

import pytest

from experiments import campaign
from experiments.frame import plan, questions, result
from experiments.frame.measured import Measured
from experiments.frame.result import Result

EVERY = plan.every()


def test_every_experiment_answers_questions_and_says_its_time():
    known = set(questions.all_of_them())
    assert len(EVERY) > 30 and all(one.ids and set(one.ids) <= known for one in EVERY)
    times = [one.minutes for one in EVERY]
    assert times == sorted(times) and 0 < times[0] < 1 < times[-1] < 120


def test_the_plan_of_an_id_is_the_experiment_that_answers_it():
    assert [one.short for one in plan.chosen(["001-62"])] == ["leading_digit"]
    # its answers have a file of their own
    assert [one.short for one in plan.chosen(["002-08"])] == ["lenses"]
    with pytest.raises(ValueError, match="--only=009-99: no experiment answers it"):
        plan.chosen(["001-62", "009-99"])


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.short)
def test_every_size_gives_settings_of_the_experiment(one):
    for size in plan.SIZES:
        given = plan.settings(one.module, size)
        assert set(given) == set(one.module.DEFAULTS)
    assert plan.flags(plan.settings(one.module, "cpu"), one.module.DEFAULTS) == []
    assert plan.flags(plan.settings(one.module, "smoke"), one.module.DEFAULTS)


def test_a_campaign_runs_an_experiment_to_its_finding_once(tmp_path, capsys):
    planned = plan.chosen(["001-16"])
    assert campaign.run(planned, "smoke", tmp_path) == 0
    assert "[1 of 1] plateaus.shelf_detection (001-16): about" in capsys.readouterr().out
    found = tmp_path / "smoke" / "findings" / "shelf_detection.json"
    assert json.loads(found.read_text())["answers"][0]["id"] == "001-16"
    never = lambda argv, log: pytest.fail("it is there already")
    assert campaign.run(planned, "smoke", tmp_path, process=never) == 0
    assert "there already" in capsys.readouterr().out


def test_an_experiment_that_fails_does_not_stop_the_others(tmp_path, capsys):
    calls = []

    def process(argv: list[str], log: pathlib.Path) -> int:
        calls.append(argv[0])
        return 1

    planned = plan.chosen(["001-16", "004-01"])
    assert campaign.run(planned, "smoke", tmp_path, process=process) == 1
    assert len(calls) == 2 and "0 of 2 experiments are there" in capsys.readouterr().out


def test_numbers_are_compared_with_the_published_intervals(tmp_path, monkeypatch):
    def written(folder: pathlib.Path, value: float, verdict: str) -> pathlib.Path:
        folder.mkdir()
        rows = {"level": Measured("level", value, value - 0.1, value + 0.1, "nats", 8)}
        answer = result.plain(Result("001-01", "At {level}.", rows, "a rule of four words", verdict))
        (folder / "some.json").write_text(json.dumps({"answers": [answer]}))
        return folder / "some.json"

    monkeypatch.setattr(campaign.study, "PUBLISHED", tmp_path / "published")
    written(tmp_path / "published", 0.5, "confirmed")
    near, far = written(tmp_path / "near", 0.55, "confirmed"), written(tmp_path / "far", 0.7, "refuted")
    assert (
        campaign.compared(near, "some") == "1 of 1 numbers within the published intervals, the same verdicts"
    )
    assert campaign.compared(far, "some") == (
        "0 of 1 numbers within the published intervals, other verdicts: 001-01 refuted, published confirmed"
    )


def test_time_in_words():
    assert [campaign.words(x) for x in (0.5, 12, 200)] == ["30 s", "12 min", "3 h 20 min"]


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--size=large", "--size='large' must be one of smoke, cpu, gpu"),
        ("--only=1-1", "no experiment answers it"),
        ("stray", "belongs to no flag"),
        ("--seeds=3", "seeds"),
    ],
)
def test_a_mistake_is_one_sentence(capsys, flag, said):
    assert campaign.main([flag]) == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1


def test_publishing_is_for_the_published_size(capsys):
    assert campaign.main(["--size=smoke", "--publish"]) == 2
    assert "--publish goes with --size=cpu" in capsys.readouterr().err
