"""Which snapshots count as the tens' level, the regression, and the verdicts on planted cells."""

import json
import re

import numpy as np
import pytest

from experiments.frame import finding, result, study
from experiments.plateaus import excess_answers, tens_excess, tens_level, tens_regression
from experiments.plateaus.tens_level import NAMES, Cell
from grokjax.curves.statistics import Times

SEEDS = 8


def planted(width=128, rate=1e-3, batch=256, loss=(0.63, 0.86), seen=SEEDS, **parts):
    random = np.random.default_rng(int(width + 1e6 * rate + batch))
    values = dict.fromkeys(NAMES, 0.02) | dict(loss_without=loss[0], loss_with=loss[1], sd_with=0.5)
    values |= dict(loss=0.55 * loss[0] + 0.45 * loss[1], sd_without=0.4)
    values |= dict(excess=values["loss"] - tens_level.EXACT) | parts
    there = np.where(np.arange(SEEDS) < seen, 1.0, np.nan)
    made = lambda more=0.0: {
        k: there * (x + more + 1e-3 * random.normal(size=SEEDS)) for k, x in values.items()
    }
    exits = Times(np.full(SEEDS, 100.0), np.ones(SEEDS, bool))
    stayed = np.where(np.arange(SEEDS) < seen, 5, 0)
    return Cell(width, rate, batch, exits, made(), made(), made(-0.01), made(-0.015), stayed, [0.7] * 6)


def verdicts(cells):
    return {found.id: result.check(found).verdict for found in tens_excess.answers(cells, cells[0])}


def test_chosen_by_knowledge_and_thinned_evenly():
    chosen = tens_level.at_level(np.array([[0.95, 0.8, np.nan, 0.9]]), np.array([[0.55, 0.5, np.nan, 0.7]]))
    assert chosen.tolist() == [[True, False, False, False]]
    mask = np.ones((9, 2), bool)
    mask[3:, 1] = False
    kept = tens_level.thinned(mask, 3)
    assert np.flatnonzero(kept[:, 0]).tolist() == [0, 4, 8] and kept[:, 1].sum() == 3
    means = tens_level.means(
        {"x": np.array([[1.0, np.nan], [3.0, np.nan]])}, np.array([[1, 0], [1, 0]], bool)
    )
    np.testing.assert_array_equal(means["x"], [2.0, np.nan])


def test_the_regression_finds_planted_slopes_and_leaves_out_what_does_not_vary():
    random = np.random.default_rng(0)
    features = np.column_stack([random.integers(0, 3, 90), np.full(90, 8), random.integers(4, 8, 90)]) * 1.0
    values = 0.3 * features[:, 0] - 0.1 * features[:, 2] + 0.01 * random.normal(size=90)
    found = tens_regression.fitted(features, values, np.arange(90) % 10)
    assert found["rate"].low < 0.3 < found["rate"].high and found["width"].low < -0.1 < found["width"].high
    assert found["batch"].value is None and found["rate"].high - found["rate"].low < 0.02


def test_verdicts_follow_the_losses():
    found = verdicts(
        [planted(spread=0.09), planted(64, 1e-4, loss=(0.598, 0.799)), planted(16, 1e-4, seen=0)]
    )
    assert found["001-01"] == "confirmed" and found["001-09"] == "confirmed"
    assert found["001-03"] == "refuted" and found["001-07"] == "refuted"
    assert found["001-06"] == "mixed: it holds at 1 of the 2 settings that tell"
    assert found["001-08"].startswith("open") and found["001-10"] == "confirmed"
    below = verdicts([planted(loss=(0.57, 0.72)), planted(64, loss=(0.50, 0.80))])
    assert below["001-01"] == below["001-08"] == "refuted" and below["001-09"] == "refuted"
    assert below["001-10"].startswith("mixed")
    none = verdicts([planted(seen=0)])
    assert all(none[id].startswith("open") for id in none if id not in ("001-04", "001-05"))


def test_the_finding_of_every_setting_fits_into_its_file():
    cells = [planted(width, rate) for width in (128, 64, 16) for rate in (1e-4, 3e-4, 1e-3)]
    others = ((64, 3e-4), (64, 1e-3), (128, 1e-3))
    cells += [planted(width, rate, batch) for width, rate in others for batch in (64, 512)]
    kept = dict(
        answers=[result.plain(found) for found in tens_excess.answers(cells, cells[2])],
        numbers=finding.plain({one.name: tens_excess.row(one) for one in cells}),
    )
    text = re.sub(r"\[[^][{}\"]*\]", lambda found: re.sub(r"\s+", " ", found[0]), json.dumps(kept, indent=1))
    assert len(text) < 0.95 * finding.LARGEST
    slopes = next(found for found in kept["answers"] if found["id"] == "001-09")["rows"]
    assert {"spread_by_rate", "leak_by_batch", "gain_by_width"} <= set(slopes)


def test_only_a_source_that_leads_every_other_is_the_largest():
    steady = np.linspace(0.9, 1.1, 8)
    assert excess_answers.leading(dict(leak=0.01 * steady, spread=0.03 * steady)) == "spread"
    assert not excess_answers.leading(dict(leak=0.03 * steady, spread=0.03 * steady[::-1]))


def test_every_snapshot_is_measured_if_every_one_counts(tmp_path, monkeypatch, capsys, one_device):
    for name, value in dict(LEFT=9.0, PAIR=0.0, CARRY=1.0, WINDOW=9.0, SOLVED=9.0, LEAST=1, EACH=20).items():
        monkeypatch.setattr(tens_level, name, value)
    flags = ["--widths=8", "--rates=300,1000", "--batch=16", "--batches=32", "--steps=50", "--batch_steps=50"]
    flags += ["--seeds=2", f"--runs={tmp_path / 'runs'}", f"--output={tmp_path}"]
    assert study.main(tens_excess, flags) == 0, capsys.readouterr().err
    numbers = json.loads((tmp_path / "tens_excess.json").read_text())["numbers"]
    one = numbers["width 8, rate 0.001, batch 16"]
    assert one["seen"] == one["in_window"] == one["solved"] == 2
    parts = [one[name][0] for name in ("leak", "miscalibration", "spread", "gain")]
    assert sum(parts[:3]) - parts[3] == pytest.approx(one["excess"][0], abs=1e-4)
    assert one["averaged_leak"][0] != one["leak"][0]
