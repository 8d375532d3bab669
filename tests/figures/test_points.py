import numpy as np
import pytest

from grokjax import figures
from grokjax.figures import Points

PANELS = {
    "one": {
        "a": Points([1, 10, 100], [(1.0, 0.5, 2.0), (None, 3.0, None), (None, None, None)]),
        "b": Points([1, 10, 100], [(2, 1, 3), (None, None, 1), (None, 1, 3)]),
    },
    "two": {"a": Points([1], [(4.0, 3.5, 4.5)])},
}


def test_values_intervals_and_what_lies_higher():
    figure = figures.points(
        PANELS, xlabel="width", ylabel="steps", scale="log", xscale="log", levels={"one": [("exact", 1.5)]}
    )
    one, two = figure.axes
    assert [text.get_text() for text in one.texts] == ["exact  1.5"] and not two.texts
    value, arrow = one.lines[:2]
    np.testing.assert_array_equal(value.get_ydata(), [1, np.nan, np.nan])
    np.testing.assert_array_equal(arrow.get_ydata(), [3])
    assert [len(line.get_ydata()) for line in one.lines[:6]] == [3, 1, 0, 3, 0, 1]
    assert [tick.get_text() for tick in one.get_xticklabels()] == ["1", "10", "100"]
    assert [text.get_text() for text in figure.figure.legends[0].get_texts()] == ["a", "b"]


def test_named_places_stand_in_a_row():
    figure = figures.points(
        {"": {"a": Points(["x", "y"], [(1, 0, 2), (2, 1, 3)])}}, xlabel="", ylabel="", joined=False
    )
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == [
        "x",
        "y",
    ] and not figure.figure.legends


def test_panels_may_have_their_own_axes():
    figure = figures.points(PANELS, xlabel={"one": "width", "two": "step"}, ylabel="")
    assert [axes.get_xlabel() for axes in figure.axes] == ["width", "step"]


def test_nothing_found_is_drawn():
    figures.points({"": {"a": Points([], [])}}, xlabel="", ylabel="")


def test_the_data_are_the_points():
    data = figures.points(PANELS, xlabel="", ylabel="").data
    assert (
        data["panel"].tolist() == ["one"] * 6 + ["two"] and data["low"][1] == 3 and np.isnan(data["value"][1])
    )


def test_without_panels_it_says_so():
    with pytest.raises(ValueError, match="panels is empty"):
        figures.points({}, xlabel="", ylabel="")


def test_every_run_is_a_point_at_its_place():
    found = figures.Points.of_runs(["a", "b", "c"], [[1.0, 2.0], [], np.array([3.0])])
    assert found == (["a", "a", "c"], [(1.0, None, None), (2.0, None, None), (3.0, None, None)])
    with pytest.raises(ValueError, match="zip"):
        figures.Points.of_runs([1, 2], [[1.0]])


def test_runs_at_one_place_stand_beside_each_other_and_named_places_are_not_joined():
    dots = figures.Points.of_runs(["a", "b"], [[1.0, 1.0, 1.0], [2.0]])
    figure = figures.points(
        {"": {"x": dots, "y": Points(["a", "b"], [(1, 0, 2), (2, 1, 3)])}}, xlabel="", ylabel=""
    )
    runs, means = (line for line in figure.axes[0].lines if len(line.get_xdata()) > 1)
    assert len(set(runs.get_xdata())) == 4 and (np.diff(runs.get_xdata()[:3]) > 0).all()
    assert means.get_linestyle() == "None" and (means.get_xdata()[:1] > runs.get_xdata()[:3]).all()


def test_an_end_that_is_not_determined_goes_on_to_the_edge():
    half = Points([1, 2, 3], [(2.0, 1.0, None), (2.0, None, 3.0), (2.0, 1.0, 3.0)])
    figure = figures.points({"": {"a": half}}, xlabel="", ylabel="")
    arrows = figure.axes[0].texts
    assert [text.xy for text in arrows] == [(1, 1), (2, 0)]
    # from the point, where the data have it
    assert [text.get_position() for text in arrows] == [(1, 2.0), (2, 2.0)]
    assert all(text.anncoords == "data" for text in arrows)


def test_titles_say_which_panels_are_joined_and_panels_have_their_own_labels():
    series = {"a": Points([1, 2], [(1, 0, 2), (2, 1, 3)])}
    figure = figures.points(
        {"one": series, "two": series}, xlabel="", ylabel={"one": "loss", "two": "steps"}, joined=["one"]
    )
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "steps"]
    assert [axes.lines[0].get_linestyle() for axes in figure.axes] == ["-", "None"]


def test_many_places_on_a_logarithmic_axis_have_few_labels():
    steps = list(range(300, 9000, 50))
    figure = figures.points(
        {"": {"a": Points(steps, [(x / 9000, None, None) for x in steps])}},
        xlabel="",
        ylabel="",
        xscale="log",
    )
    figure.figure.canvas.draw()
    axis = figure.axes[0].xaxis
    shown = [tick.label1.get_text() for tick in axis.get_major_ticks()]
    assert {"500", "1000", "2000", "5000"} <= set(shown) and len(shown) < 12, "those beyond the ends as well"
    assert not any(tick.label1.get_text() for tick in axis.get_minor_ticks())
