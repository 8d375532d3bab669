import csv

import numpy as np
import pytest

from grokjax import figures


def example():
    loss = np.exp(-np.arange(50)[:, None] / np.array([10.0])) * np.ones((3, 1, 1))
    return figures.losses(loss, levels={0: [("own_pair", 0.6931)]}), figures.losses_data(loss)


def test_the_files_hold_the_picture_and_its_numbers(tmp_path):
    figure, data = example()
    png, svg, table = figures.save(figure, tmp_path / "figures" / "losses", data)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "losses.png",
        "losses.svg",
        "losses.csv",
    }
    assert png.read_bytes().startswith(b"\x89PNG") and "own pair  0.6931</text>" in svg.read_text()
    with open(table) as file:
        rows = list(csv.DictReader(file))
    for name, column in data.items():
        np.testing.assert_allclose([float(row[name]) for row in rows], column, rtol=1e-5)


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    for one, other in zip(
        figures.save(*_named(tmp_path / "a")), figures.save(*_named(tmp_path / "b")), strict=True
    ):
        assert one.read_bytes() == other.read_bytes()


def _named(stem):
    figure, data = example()
    return figure, stem, data


def test_a_missing_number_is_an_empty_cell(tmp_path):
    *_, table = figures.save(
        example()[0], tmp_path / "x", {"step": np.arange(2), "value": np.array([0.5, np.nan])}
    )
    assert table.read_text() == "step,value\n0,0.5\n1,\n"


def test_columns_must_have_one_length(tmp_path):
    with pytest.raises(ValueError, match="'a': 2, 'b': 3"):
        figures.save(example()[0], tmp_path / "x", {"a": np.arange(2), "b": np.arange(3)})
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_what_was_there(tmp_path):
    figure, data = example()
    figures.save(figure, tmp_path / "x", data)
    before = (tmp_path / "x.png").read_bytes()
    figure.savefig = lambda *_, **__: (_ for _ in ()).throw(OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        figures.save(figure, tmp_path / "x", data)
    assert (tmp_path / "x.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3
