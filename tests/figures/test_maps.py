import numpy as np
import pytest

from grokjax import figures


def test_the_image_holds_the_values_and_names_its_axes():
    values = np.random.default_rng(0).random((6, 20))
    figure = figures.heatmap(values, rows="run", columns="frequency", label="power")
    axes, bar = figure.axes
    np.testing.assert_allclose(axes.images[0].get_array(), values)
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("frequency", "run", "power")
    assert axes.images[0].get_extent() == [-0.5, 19.5, 5.5, -0.5]


def test_many_columns_are_drawn_as_means():
    values = np.random.default_rng(1).random((2, 1000)) + 0.1
    data = figures.heatmap(
        values, columns="optimiser step", label="loss (nats)", at=5 * np.arange(1000), names=[7, 9]
    ).data
    assert list(data) == ["run", "optimiser step", "loss (nats)"] and set(data["run"]) == {7, 9}
    np.testing.assert_allclose(data["loss (nats)"][0], values[0, :3].mean())
    assert "means of 3" in figures.heatmap(values, scale="log").axes[0].get_xlabel()


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_cells_without_a_number_are_allowed(scale):
    values = np.ones((2, 5))
    values[0, 3:] = np.nan
    values[1, 0] = 0
    figures.heatmap(values, scale=scale)
    figures.heatmap(np.full((2, 5), np.nan), scale=scale)


def test_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\); it must be \[run, step\]"):
        figures.heatmap(np.zeros(3))


def test_values_of_both_signs_lie_about_zero():
    axes, _ = figures.heatmap(np.array([[-1.0, 0.2], [0.1, 0.5]])).axes
    assert axes.images[0].get_cmap().name == "RdBu_r" and axes.images[0].norm(0.0) == 0.5
    axes, _ = figures.heatmap(np.array([[1.0, 0.2], [0.1, 0.5]])).axes
    assert axes.images[0].get_cmap().name == "cividis"


def test_whole_numbers_have_whole_ticks():
    axes, _ = figures.heatmap(np.random.default_rng(0).random((3, 5)), columns="frequency").axes
    assert all(tick == round(tick) for tick in axes.get_xticks())
