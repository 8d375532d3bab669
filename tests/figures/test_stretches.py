import numpy as np
import pytest

from grokjax import figures

CURVES = [np.linspace(2, 1, 50), np.linspace(1, 0.5, 30)]
FOUND = [[(1.9, 0, 9), (1.1, 40, 49)], []]


def test_every_curve_has_its_panel_and_bars():
    figure = figures.shelves(CURVES, FOUND, truth=[[(1.9, 0, 12)], []], names=["a", "b"])
    assert [axes.get_title("left") for axes in figure.axes] == ["a", "b"]
    assert [len(axes.lines) for axes in figure.axes] == [4, 1]
    np.testing.assert_array_equal(figure.axes[0].lines[2].get_xydata(), [(0, 1.9), (9, 1.9)])
    assert "nats" in figure.figure.get_supylabel() and "step" in figure.figure.get_supxlabel()


def test_the_data_are_the_curves_and_their_shelves():
    data = figures.shelves(CURVES, FOUND).data
    np.testing.assert_array_equal(data["loss"], np.concatenate(CURVES))
    assert np.isnan(data["shelf"]).sum() == 60 and data["shelf"][9] == 1.9 and data["curve"][50] == 1


def test_every_curve_needs_an_entry():
    with pytest.raises(ValueError, match="found has 1 entries for 2 curves"):
        figures.shelves(CURVES, FOUND[:1])


def test_a_map_of_shelves_has_a_line_each_and_the_exact_levels():
    found = {"digit 1": [(2.3, 10, 400), (0.7, 500, 900)], "digit 0": []}
    figure = figures.shelf_map(found, levels={"digit 1": [("digit pair", 0.6881)]})
    first, second = figure.axes
    assert [list(line.get_ydata()) for line in first.lines][:2] == [[2.3, 2.3], [0.7, 0.7]]
    assert [text.get_text() for text in first.texts] == ["digit pair  0.6881"] and not second.lines
    data = figures.shelf_map(found).data
    assert data["panel"].tolist() == ["digit 1"] * 2 and data["last_step"].tolist() == [400, 900]


def test_panels_of_shorter_runs_have_an_axis_of_their_own():
    long, short = [(2.0, 0, 6000)], [(1.0, 0, 2000)]
    limits = lambda found: [axes.get_xlim()[1] for axes in figures.shelf_map(found).figure.axes]
    assert limits({"a": long, "b": short, "c": []}) == [6000, 2000, 6000]
    assert limits({"a": long, "b": [(1.0, 0, 4000)]}) == [6000, 6000]
