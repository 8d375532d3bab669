import numpy as np
import pytest
from PIL import Image

from grokjax import figures

ANGLE = 2 * np.pi * np.arange(10) / 10
FRAMES = np.linspace(0.1, 1, 5)[:, None, None] * np.stack([np.cos(ANGLE), np.sin(ANGLE)], -1)
TITLES = [f"step {50 * k}" for k in range(5)]


def test_the_values_stand_where_they_are_and_spectra_below():
    spectra = {"W_E": np.random.default_rng(0).random((5, 4)), "head 0": np.ones((5, 4))}
    figure = figures.orbits(FRAMES, TITLES, shown=(0, 2, 4), spectra=spectra)
    panels = [axes for axes in figure.axes if axes.texts]
    assert [axes.get_title(loc="left") for axes in panels] == ["step 0", "step 100", "step 200"]
    np.testing.assert_allclose([text.get_position() for text in panels[2].texts], FRAMES[4])
    assert len({axes.get_xlim() for axes in panels}) == 1
    images = [axes for axes in figure.axes if axes.images]
    np.testing.assert_allclose(images[0].images[0].get_array(), spectra["W_E"].T)
    assert len(figure.axes) == 6 and len(figures.orbits(np.repeat(FRAMES, 3, 1), TITLES).axes) == 5
    only = figures.orbits(FRAMES, TITLES, lines={"R²": {"line": np.arange(5.0), "circle": np.ones(5)}}).axes[
        -1
    ]
    np.testing.assert_allclose(only.lines[0].get_ydata(), np.arange(5))
    assert only.get_title(loc="left") == "R²" and only.get_xlabel() == "saved optimiser step"


def test_the_data_are_the_places():
    data = figures.orbits(FRAMES, TITLES).data
    at = (data["title"] == "step 150") & (data["value"] == 3)
    np.testing.assert_allclose([data["x"][at][0], data["y"][at][0]], FRAMES[3, 3])


def test_the_animation_has_a_picture_for_each_frame(tmp_path):
    path = figures.orbits_animation(tmp_path / "orbits.gif", FRAMES, TITLES)
    with Image.open(path) as image:
        assert image.n_frames == 5
    assert [file.name for file in tmp_path.iterdir()] == ["orbits.gif"]


def test_what_is_no_plane_is_refused():
    with pytest.raises(ValueError, match=r"shape \(5, 10, 3\) with 5 titles; it must be \[E, V, 2\]"):
        figures.orbits(np.zeros((5, 10, 3)), TITLES)


def test_the_plane_is_named_once_and_the_legend_stands_beside_its_lines():
    figure = figures.orbits(
        FRAMES, TITLES, lines={"R²": {"line": np.arange(5.0)}}, xlabel="component 1", ylabel="component 2"
    )
    upper, lower = figure.figure.subfigs
    assert upper.get_supxlabel() == "component 1" and upper.get_supylabel() == "component 2"
    assert not lower.get_supxlabel() and figure.axes[-1].get_legend().get_bbox_to_anchor() is not None
