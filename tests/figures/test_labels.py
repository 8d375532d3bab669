import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from grokjax.figures import labels, style

positions = some.lists(some.floats(0, 1), min_size=1, max_size=12)


@given(wanted=positions, gap=some.floats(0.001, 0.3))
def test_spread_labels_are_apart_in_bounds_and_in_order(wanted, gap):
    placed = labels.spread(wanted, gap, 0.0, 1.0)
    ascending = placed[np.argsort(wanted, kind="stable")]
    assert (np.diff(ascending) >= min(gap, 1 / max(len(wanted) - 1, 1)) - 1e-9).all()
    assert ascending[0] >= -1e-9 and ascending[-1] <= 1 + 1e-9


def test_labels_that_do_not_overlap_stay():
    np.testing.assert_allclose(labels.spread([0.5, 0.1, 0.9], 0.1, 0, 1), [0.5, 0.1, 0.9])
    np.testing.assert_allclose(labels.spread([0.5, 0.5], 0.2, 0, 1), [0.4, 0.6])


@pytest.mark.parametrize("lines", [[0.2, 0.22, 0.8], [0.5], [0.1, 0.5, 0.52, 0.54], [0.93, 0.97]])
def test_no_line_crosses_a_label(lines):
    centres = labels.beside(lines, 0.06)
    assert all(abs(line - centre) >= 0.03 - 1e-9 for line in lines for centre in centres)
    assert (np.diff(np.sort(centres)) >= 0.06 - 1e-9).all()


def marked(levels, curves):
    with style.settings():
        figure, grid = style.canvas(3, 2)
        grid[0, 0].set_ylim(0, 1)
        style.settle(figure)
        labels.horizontal(grid[0, 0], levels, np.reshape(curves, (-1, 2)))
    return grid[0, 0]


def test_only_the_levels_in_view_are_drawn():
    axes = marked([("digit_pair", 0.6931), ("nothing", 2.3)], [])
    assert [text.get_text() for text in axes.texts] == ["digit pair  0.6931"]
    assert [line.get_ydata()[0] for line in axes.lines] == [0.6931]


@pytest.mark.parametrize("x, side", [(0.95, "left"), (0.05, "right")])
def test_a_name_stands_where_no_curve_is(x, side):
    (text,) = marked([("digit_pair", 0.5)], [(x, 0.54)] * 5).texts
    assert text.get_horizontalalignment() == side


def test_a_name_stands_between_curves_at_both_ends():
    (text,) = marked([("digit_pair", 0.5)], [(0.05, 0.54), (0.1, 0.54), (0.9, 0.54), (0.95, 0.54)]).texts
    assert text.get_horizontalalignment() == "left" and 0.1 < text.get_position()[0] < 0.6


def test_a_name_that_had_to_move_is_tied_to_its_curve():
    with style.settings():
        figure, grid = style.canvas(3, 2)
        grid[0, 0].set_ylim(0, 1)
        style.settle(figure)
        labels.ends(grid[0, 0], ["a", "b", "far"], [0.0, 0.0, 0.9], ["k", "k", "k"])
    tied = {text.get_text(): text.arrowprops is not None for text in grid[0, 0].texts}
    assert tied == {"a": True, "b": False, "far": False}
