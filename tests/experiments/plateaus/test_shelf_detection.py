"""The comparison of shelf detectors as a command, on a few curves."""

import json
import sys

import numpy as np
import pytest

from experiments.frame import study
from experiments.plateaus import rival_detectors, shelf_detection
from grokjax.curves import scoring


@pytest.fixture(autouse=True)
def little_tuning(monkeypatch):
    monkeypatch.setattr(rival_detectors, "TUNED_ON", range(4))


def test_ours_is_good_on_a_few_curves(tmp_path, capsys):
    assert study.main(shelf_detection, ["--curves=10", f"--output={tmp_path}"]) == 0
    finding = json.loads((tmp_path / "shelf_detection.json").read_text())
    ours = next(row for row in finding["numbers"]["detectors"] if row["name"] == "grokjax")
    assert ours["recall"][0] >= 0.9 and ours["precision"][0] >= 0.9 and ours["false_share"][0] <= 0.1
    kinds = {row["name"]: row for row in finding["numbers"]["kinds"]}
    assert kinds["staircase, white noise .05; 20000"]["recall"][0] == 1
    assert kinds["steady descent (none); 2000"]["false_share"][0] == 0
    assert (
        finding["answers"][0]["verdict"].startswith("built")
        and f"{ours['recall'][0]:.3f}" in capsys.readouterr().out
    )


def test_ruptures_is_optional(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ruptures", None)
    assert list(rival_detectors.detectors()) == ["grokjax", "threshold"]
    assert "ruptures is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "find", [rival_detectors.threshold, rival_detectors.mean_shifts, rival_detectors.level_mean_shifts]
)
def test_a_rival_finds_a_plain_shelf_and_survives_short_curves(find):
    pytest.importorskip("ruptures")
    curve = np.repeat([2.0, 1.0], 200) + 0.01 * np.random.default_rng(0).standard_normal(400)
    number = 0.02 if find is rival_detectors.threshold else 16.0
    stretches = [(s.first_step, s.last_step) for s in find(curve, number)]
    assert len(stretches) == 2 and scoring.overlap(stretches[1], (200, 399)) > 0.8
    assert find(curve[:30], number) == []
