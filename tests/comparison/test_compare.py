"""Two planted sweeps side by side: what differs is found, what does not is not, what cannot be is refused."""

import csv
import io
import json

import numpy as np
import planted_curves
import pytest
from scipy import stats

import grokjax as gj
from grokjax.cli import main
from grokjax.comparison import rows, sides
from grokjax.curves.statistics import Times

SOON, LATE = [100, 110, 120, 130, 140, 150, 160, 170], [300, 310, 320, 330, 340, 350, 360, 370]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    planted_curves.addition(folder / "late", LATE, [0.1] * 8)
    planted_curves.addition(folder / "soon", SOON, [1] * 8)
    planted_curves.addition(folder / "both", SOON[:4] + LATE[:4], [1] * 4 + [0.1] * 4, diverged={0: 50})
    planted_curves.modular(folder / "m", [40] * 6, [100, 120, 140, 160, 180, np.inf], [1] * 6)
    planted_curves.modular(folder / "n", [40] * 6, [300, 320, 340, np.inf, np.inf, np.inf], [1] * 6)
    planted_curves.modular(folder / "seven", [40], [100], [1], modulus=7)
    return folder


def by_measure(found):
    return {row.measure: row for row in found.rows}


def test_the_length_of_a_shelf_differs_and_its_share_does_not(folder):
    found = gj.compare(folder / "late", folder / "soon")
    assert found.differs == ["weight_decay (0.1 and 1)"] and found.paired
    own = by_measure(found)
    length = own["shelf at nothing, digit 0: for steps"]
    assert abs(length.first.value - 330) < 15 and abs(length.second.value - 130) < 15
    assert length.p < 1e-3 and length.first_runs == "8 of 8" and length.effect.value is None  # all before any
    assert own["shelf at nothing, digit 0: runs that have it"].p == 1
    assert own["final loss, digit 0"].test == "Wilcoxon, paired"


def test_times_count_runs_that_are_not_there_yet_as_later(folder):
    own = by_measure(gj.compare(folder / "m", folder / "n"))
    row = own["step of generalising"]
    assert (row.first_runs, row.second_runs) == ("5 of 6", "3 of 6")
    assert row.first.value == 150 and row.effect.value < 1 and row.p < 0.05
    first = stats.CensoredData([100, 120, 140, 160, 180], right=[580])
    second = stats.CensoredData([300, 320, 340], right=[580] * 3)
    assert row.p == pytest.approx(stats.logrank(first, second).pvalue)
    assert own["step of memorising"].p is None or own["step of memorising"].p > 0.9


def test_what_one_side_does_not_have_is_left_out(folder):
    """A sweep that was trained on the whole table has no test set."""
    planted_curves.modular(folder / "whole", [40] * 6, [np.inf] * 6, [1] * 6, tested=False)
    for pair in (("m", "whole"), ("whole", "m")):
        own = by_measure(gj.compare(*(folder / name for name in pair)))
        assert "final loss" in own and not {"step of generalising", "final test loss"} & set(own)


def test_p_are_adjusted_over_all_rows_and_the_tables_have_them(folder):
    found = gj.compare(folder / "late", folder / "soon")
    tested = [row for row in found.rows if row.p is not None]
    assert min(row.adjusted for row in tested) == pytest.approx(len(tested) * min(row.p for row in tested))
    table = list(csv.DictReader(io.StringIO(found.csv())))
    assert [row["measure"] for row in table] == [row.measure for row in found.rows]
    assert float(table[0]["first"]) == found.rows[0].first.value
    body = json.loads(found.json())
    assert body["rows"] == json.loads(json.dumps(found.records())) and body["paired"] is True


def test_settings_are_held_against_their_like_and_runs_can_be_chosen(folder):
    found = gj.compare(folder / "both", folder / "soon")
    assert {row.setting for row in found.rows} == {"weight_decay=1"}
    assert found.notes == ["only on the first side: weight_decay=0.1"] and not found.paired
    assert by_measure(found)["final loss, digit 0"].first_runs == "3 of 4"  # one diverged
    sweep = gj.open_sweep(folder / "both")
    runs = dict(first_runs=sweep.where(weight_decay=0.1), second_runs=sweep.where(weight_decay=1))
    found = gj.compare(sweep, sweep, **runs)
    assert found.differs == ["weight_decay (0.1 and 1)"] and found.paired
    with pytest.raises(ValueError, match="must be one or more of 0 … 7"):
        gj.compare(sweep, sweep, first_runs=[8])


def test_what_cannot_be_compared_is_refused_in_a_sentence(folder, capsys):
    for first, second, words in (
        ("late", "m", "their tasks are Addition(num_digits=1) and ModularArithmetic(modulus=5)"),
        ("m", "seven", "their tasks differ in modulus (5 and 7)"),
        ("late", "none", "there is no sweep"),
    ):
        assert main.main(["compare", str(folder / first), str(folder / second)]) == 2
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1


def test_the_command_prints_it_and_writes_the_files(folder, tmp_path, capsys):
    both = str(folder / "both")
    files = [f"--csv={tmp_path / 'c.csv'}", f"--json={tmp_path / 'c.json'}"]
    assert (
        main.main(["compare", both, both, "--first=weight_decay=0.1", "--second=weight_decay=1", *files]) == 0
    )
    said = capsys.readouterr().out
    assert "differ  weight_decay (0.1 and 1)" in said and "log-rank, p " in said
    measures = [line for line in said.splitlines() if line.startswith(("  first ", "  second ", "  effect "))]
    assert len(measures) > 8 and max(map(len, measures)) <= 80
    assert (tmp_path / "c.csv").read_text().startswith("setting,measure,unit,first,first_low")
    assert json.loads((tmp_path / "c.json").read_text())["first"] == both
    assert main.main(["compare", both, both, "--first=weight_decay=7"]) == 2
    assert "--first=weight_decay=7 chooses no run" in capsys.readouterr().err


def test_runs_alike_on_both_sides_rarely_differ():
    """Of 200 comparisons of runs drawn alike at most 8% (16) have p below .05: a chance of .03 at 5%."""
    draws = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        both = [Times(draws.exponential(100, 12).round(), draws.random(12) < 0.8) for _ in range(2)]
        p = rows.time("", "", both).p
        hits += p is not None and p < 0.05
    assert hits <= 16


def test_runs_are_paired_only_where_every_seed_is_once_on_both_sides(folder):
    late, soon, both = (sides.side(gj.open_sweep(folder / name), None) for name in ("late", "soon", "both"))
    assert sides.paired(late, soon)
    assert not sides.paired(late, both) and not sides.paired(late, sides.side(soon.sweep, [0, 1]))
