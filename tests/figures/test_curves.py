import types

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from grokjax import figures
from grokjax.figures import series


def loss(runs=5, steps=300, digits=3):
    generator = np.random.default_rng(0)
    return 2.3 * np.exp(-np.arange(steps)[:, None] / 80) * (1 + 0.1 * generator.random((runs, steps, digits)))


def test_short_curves_are_drawn_as_they_are():
    step, values, mean_of = series.thinned(loss()[..., 0])
    np.testing.assert_allclose(values, loss()[..., 0])
    np.testing.assert_array_equal(step, np.arange(300))
    assert mean_of == 1


def test_long_curves_are_means_of_equally_many_steps():
    values = np.random.default_rng(1).random((2, 4001))
    step, drawn, mean_of = series.thinned(values, 10 * np.arange(4001))
    assert mean_of == 11 and drawn.shape[1] <= series.MOST_POINTS
    np.testing.assert_allclose(drawn[:, 3], values[:, 33:44].mean(1))
    np.testing.assert_allclose([step[3], drawn[0, -1]], [380, values[0, 3993:].mean()])


def test_every_panel_shows_its_digit_runs_median_and_levels():
    figure = figures.losses(loss(), levels={1: [("digit_pair", 0.6931)], 0: [("nothing", 2.3026)]})
    assert [axes.get_title("left") for axes in figure.axes] == ["digit 2", "digit 1", "digit 0 (units)"]
    for axes, column in zip(figure.axes, (2, 1, 0), strict=True):
        (lines,) = axes.collections
        np.testing.assert_allclose([path.vertices[:, 1] for path in lines.get_paths()], loss()[..., column])
        np.testing.assert_allclose(axes.lines[1].get_ydata(), np.median(loss()[..., column], 0))
        assert axes.get_yscale() == "log"
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [
        [],
        ["digit pair  0.6931"],
        ["nothing  2.303"],
    ]
    assert "nats" in figure.figure.get_supylabel() and "optimiser step" in figure.figure.get_supxlabel()


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5, 6, 7])
def test_any_number_of_digits_has_its_panels(digits):
    assert len(figures.losses(loss(2, 40, digits), scale="linear").axes) == digits


def test_runs_that_ended_leave_the_median_to_the_others():
    curve = loss()
    curve[0, 100:] = np.nan
    data = figures.losses(curve).data
    np.testing.assert_allclose(data["median"].reshape(3, 300)[1, 150], np.median(curve[1:, 150, 1]))
    figures.losses(curve)
    curve[:, 200:] = np.nan
    assert np.isnan(figures.losses(curve).data["median"].reshape(3, 300)[:, 200:]).all()
    figures.losses(curve)
    figures.losses(np.full((2, 30, 1), np.nan))
    figures.losses(np.zeros((2, 30, 1)))


def test_the_data_are_what_is_drawn():
    data = figures.losses(loss(), steps=np.arange(300) + 7).data
    assert list(data)[:4] == ["digit", "step", "median", "run_0"] and len(data) == 3 + 5
    pick = (data["digit"] == 2) & (data["step"] == 17)
    assert data["run_4"][pick] == pytest.approx(loss()[4, 10, 2])


def test_train_and_test_are_named_and_drawn():
    train, test = loss()[..., 0], loss(steps=30)[..., 1]
    figure = figures.train_test(train, test, test_steps=10 * np.arange(30))
    (axes,) = figure.axes
    assert {text.get_text() for text in axes.texts} == {"train", "test"}
    assert axes.get_xlabel() == "optimiser step" and axes.get_ylabel() == "loss (nats)"
    data = figures.train_test(train, test, test_steps=10 * np.arange(30)).data
    np.testing.assert_allclose(data["run_1"][data["set"] == "test"], test[1])
    assert set(data["step"][data["set"] == "train"]) <= set(range(300))


def test_nothing_global_is_left_behind():
    before = dict(matplotlib.rcParams)
    figures.losses(loss(2, 40, 1))
    assert dict(matplotlib.rcParams) == before


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="scale='sqrt' must be one of log, linear"):
        figures.losses(loss(), scale="sqrt")
    with pytest.raises(ValueError, match="names has 2 entries; the loss has 3"):
        figures.losses(loss(), names=["a", "b"])
    with pytest.raises(ValueError, match=r"steps has shape \(4,\)"):
        figures.losses(loss(), steps=np.arange(4))


def test_a_notebook_can_show_a_figure():
    assert figures.losses(loss(2, 40, 1))._repr_png_().startswith(b"\x89PNG")


def test_groups_have_their_own_colours_and_medians():
    curves = loss(4, 30, 2)
    plot = figures.losses(curves, groups=["decay 0", "decay 1", "decay 0", "decay 1"])
    np.testing.assert_allclose(plot.data["median decay 1"][:30], np.median(curves[[1, 3], :, 0], 0))
    assert [text.get_text() for text in plot.figure.legends[0].get_texts()] == ["decay 0", "decay 1"]
    with pytest.raises(ValueError, match="groups has 3 entries; there are 4 runs"):
        figures.losses(curves, groups=["a", "b", "c"])


def test_a_sweep_is_drawn_by_its_metrics():
    curves = loss(2, 30, 2)
    metrics = {"loss": curves, "test_loss": curves[:, ::10], "test_step": np.arange(0, 30, 10)}
    sweep = types.SimpleNamespace(metrics=metrics)
    assert figures.losses(sweep).data.keys() == figures.losses(curves).data.keys()
    assert figures.train_test(sweep).data["set"].tolist().count("test") == 3
    with pytest.raises(ValueError, match="loss has shape"):
        figures.losses(curves[0])
    with pytest.raises(ValueError, match="test is missing"):
        figures.train_test(curves[..., 0])


def test_a_picture_can_be_drawn_on_axes_of_the_callers():
    figure = Figure()
    ax = figure.subplots()
    plot = figures.train_test(loss(2, 20, 1)[..., 0], loss(2, 5, 1)[..., 0], ax=ax)
    assert plot.figure is figure and len(ax.lines) == 4


def test_groups_of_train_and_test_curves_share_a_colour_and_the_legend_lies_outside():
    train, test = loss(4, 60)[..., 0], loss(4, 6)[..., 1]
    names = ["decay 0", "decay 1", "decay 0", "decay 1"]
    plot = figures.train_test(train, test, test_steps=10 * np.arange(6), groups=names)
    (axes,) = plot.axes
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["decay 0", "decay 1", "train", "test"]
    assert legend.get_window_extent().x0 >= axes.get_window_extent().x1 - 1
    by_colour = {}
    for lines in axes.collections:
        by_colour.setdefault(tuple(lines.get_color()[0]), []).append(len(lines.get_paths()))
    assert list(by_colour.values()) == [[2, 2], [2, 2]], "a colour a group: two runs' train, then test curves"
    own = np.median(test[[1, 3]], 0)
    np.testing.assert_allclose(plot.data["median decay 1"][plot.data["set"] == "test"], own)
    with pytest.raises(ValueError, match="groups has 1 entries; there are 4 runs"):
        figures.train_test(train, test, groups=["a"])
