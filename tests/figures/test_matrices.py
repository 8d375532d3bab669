import numpy as np
import pytest

from grokjax import figures

NAMED = dict(rows="query", columns="key", label="score", row_names=["a", "b"], column_names=["x", "y", "z"])
PANELS = {"head 0": np.array([[1.0, -3.0, np.nan], [0, 1, 2]]), "head 1": np.zeros((2, 3))}


def test_the_images_hold_the_matrices_and_share_their_colours():
    figure = figures.matrices(PANELS, **NAMED)
    first, second, bar = figure.axes
    np.testing.assert_array_equal(first.images[0].get_array().filled(np.nan), PANELS["head 0"])
    assert (
        first.images[0].get_clim() == second.images[0].get_clim() == (-3, 3) and bar.get_ylabel() == "score"
    )
    assert [text.get_text() for text in second.get_xticklabels()] == ["x", "y", "z"]
    assert [text.get_text() for text in first.get_yticklabels()] == ["a", "b"]


def test_without_a_centre_colours_begin_at_0_and_many_names_are_thinned():
    figure = figures.matrices(
        {"": np.ones((2, 60))}, rows="", columns="", label="", centred=False, square=False
    )
    assert figure.axes[0].images[0].get_clim() == (0, 1) and 20 <= len(figure.axes[0].get_xticks()) <= 30


def test_the_data_are_the_cells():
    data = figures.matrices(PANELS, **NAMED).data
    assert list(data) == ["panel", "query", "key", "score"] and len(data["key"]) == 12
    assert (data["panel"][1], data["query"][1], data["key"][1], data["score"][1]) == ("head 0", "a", "y", -3)


def test_a_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"head has shape \(3,\)"):
        figures.matrices({"head": np.ones(3)}, rows="", columns="", label="")
    with pytest.raises(ValueError, match="panels is empty"):
        figures.matrices({}, rows="", columns="", label="")
