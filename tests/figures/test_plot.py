import csv
import dataclasses

import numpy as np
import pytest

from grokjax import figures


def example():
    loss = np.exp(-np.arange(50)[:, None] / np.array([10.0])) * np.ones((3, 1, 1))
    return figures.losses(loss, levels={0: [("digit_pair", 0.6931)]})


def test_the_files_hold_the_picture_and_its_numbers(tmp_path):
    plot = example()
    png, svg, table = plot.save(tmp_path / "figures" / "losses")
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {"losses.png", "losses.svg", "losses.csv"}
    assert png.read_bytes().startswith(b"\x89PNG") and "digit pair  0.6931</text>" in svg.read_text()
    with open(table) as file:
        rows = list(csv.DictReader(file))
    for name, column in plot.data.items():
        np.testing.assert_allclose([float(row[name]) for row in rows], column, rtol=1e-5)


def test_the_same_plot_gives_the_same_bytes(tmp_path):
    for one, other in zip(example().save(tmp_path / "a"), example().save(tmp_path / "b"), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_missing_number_is_an_empty_cell(tmp_path):
    plot = dataclasses.replace(example(), data={"step": np.arange(2), "value": np.array([0.5, np.nan])})
    *_, table = plot.save(tmp_path / "x")
    assert table.read_text() == "step,value\n0,0.5\n1,\n"


def test_columns_must_have_one_length():
    with pytest.raises(ValueError, match="'a': 2, 'b': 3"):
        figures.Plot(example().figure, {"a": np.arange(2), "b": np.arange(3)})


def test_a_failure_leaves_what_was_there(tmp_path):
    plot = example()
    plot.save(tmp_path / "x")
    before = (tmp_path / "x.png").read_bytes()
    plot.figure.savefig = lambda *_, **__: (_ for _ in ()).throw(OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        plot.save(tmp_path / "x")
    assert (tmp_path / "x.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_a_notebook_shows_it_and_its_text_is_one_line():
    plot = example()
    assert plot._repr_png_().startswith(b"\x89PNG")
    assert repr(plot) == "plot of 50 rows of digit, step, median, run_0, run_1, run_2"
