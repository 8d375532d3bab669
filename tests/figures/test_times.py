import numpy as np
import pytest

from grokjax import figures

ROWS = {
    "a+b": {
        "memorised": (np.array([30.0, 40.0, 50.0]), np.array([True, True, True])),
        "grokked": (np.array([300.0, 900.0, 2000.0]), np.array([True, True, False])),
    },
    "random": {
        "memorised": (np.array([60.0, 70.0, 2000.0]), np.array([True, True, False])),
        "grokked": (np.full(3, 2000.0), np.zeros(3, bool)),
    },
}


def test_every_run_is_a_dot_and_one_that_never_got_there_an_arrow():
    plot = figures.times(ROWS)
    axes = plot.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a+b", "random"]
    drawn = [(line.get_marker(), len(line.get_xdata())) for line in axes.lines if len(line.get_xdata())]
    dots = sum(size for marker, size in drawn if marker == "o")
    arrows = sum(size for marker, size in drawn if marker == r"$\rightarrow$")
    assert (dots, arrows) == (7, 5)
    bars = sorted(
        line.get_xdata()[0] for line in axes.lines if line.get_marker() == "None" and len(line.get_xdata())
    )
    assert bars == [40, 70, 900], "no bar where fewer than half of the runs got there"
    (right,) = axes.child_axes
    assert [text.get_text() for text in right.get_yticklabels()] == ["3, 2 of 3", "2, 0 of 3"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["memorised", "grokked"]


def test_the_numbers_are_those_of_every_run():
    data = figures.times(ROWS).data
    own = (data["row"] == "a+b") & (data["event"] == "grokked")
    assert data["time"][own].tolist() == [300, 900, 2000] and data["ended"][own].tolist() == [
        True,
        True,
        False,
    ]
    with pytest.raises(ValueError, match="rows is empty"):
        figures.times({})
