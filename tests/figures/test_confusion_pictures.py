import numpy as np
import pytest
from PIL import Image

from grokjax import figures


def example(count=3, size=4):
    matrices = np.random.default_rng(0).dirichlet(np.ones(size), (count, size))
    return matrices, [f"step {100 * k}" for k in range(count)]


def test_a_panel_for_each_matrix_with_its_title_and_one_bar():
    matrices, titles = example(7)
    figure = figures.confusion(matrices, titles)
    panels = [axes for axes in figure.axes if axes.images]
    for axes, matrix, title in zip(panels, matrices, titles, strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), matrix)
        assert axes.get_title(loc="left") == title and axes.images[0].get_clim() == (0, 1)
    assert len(figure.axes) == 8


def test_the_data_are_the_cells():
    matrices, titles = example()
    data = figures.confusion(matrices, titles).data
    at = (data["title"] == "step 200") & (data["true"] == 1) & (data["predicted"] == 3)
    assert data["probability"][at] == [matrices[2, 1, 3]]


def test_the_animation_has_a_frame_for_each_matrix(tmp_path):
    path = figures.confusion_animation(tmp_path / "over_time.gif", *example())
    with Image.open(path) as image:
        assert image.n_frames == 3
    assert [file.name for file in tmp_path.iterdir()] == ["over_time.gif"]


def test_titles_must_match():
    with pytest.raises(ValueError, match="2 titles"):
        figures.confusion(example()[0], ["a", "b"])
