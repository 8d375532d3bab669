"""The atlas as a command: its file, its table, its sentences for what it cannot do."""

import json

import pytest

from experiments.plateaus import shelf_levels
from grokjax.cli import values
from grokjax.theory import levels


def test_the_file_is_the_atlas(tmp_path, capsys):
    path = tmp_path / "levels.json"
    status = shelf_levels.main(
        ["--base", "4", "--digits=2", "--order", "lsb", "--mode", "sequence", "--json", str(path)]
    )
    rows = json.loads(path.read_text())
    assert status == 0 and rows == [row.row() for row in levels.atlas(4, 2, "lsb", "sequence")]
    assert set(rows[0]) == {"digit", "known", "nats"}
    printed = capsys.readouterr().out
    assert all(row["known"] in printed for row in rows) and f"{rows[-1]['nats']:.9f}" in printed


def test_single_mode_sees_no_answer(capsys):
    assert shelf_levels.main(["--base=3", "--digits=2", "--mode=single"]) == 0
    assert "answer" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--base=99", "base=99 must be an integer from 2 to 36"),
        ("--base=", "--base='' must be an integer"),
        ("--base=2,3", "--base='2,3' must be an integer"),
        ("--digits=0", "digits=0 must be an integer from 1 to 100"),
        ("--digits=2.5", "--digits='2.5' must be an integer"),
        ("--order=mbs", "order='mbs' must be one of msb, lsb"),
        ("--mode=parallel", "--mode='parallel' must be one of sequence, single"),
        ("--order=msb,lsb", "order='msb,lsb' must be one of"),
        ("--json=/nowhere/at/all.json", "--json='/nowhere/at/all.json' cannot be written"),
        ("--json=", "--json='' cannot be written"),
        ("--jsn=x", "'jsn'"),
        ("stray", "'stray' belongs to no flag"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_computed(monkeypatch, capsys, flag, said):
    monkeypatch.setattr(levels, "atlas", lambda *_: pytest.fail("computed"))
    assert shelf_levels.main([flag]) != 0
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1 and not printed.out


def test_a_path_is_tried_without_a_trace(tmp_path, monkeypatch):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text("kept")
    assert values.writable("json", str(old)) == old and old.read_text() == "kept"
    assert values.writable("json", str(new)) == new and not new.exists()


def test_help(capsys):
    assert shelf_levels.main(["--help"]) == 0
    assert "python -m experiments.plateaus.shelf_levels" in capsys.readouterr().out
