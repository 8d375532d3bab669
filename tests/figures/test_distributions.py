import numpy as np
import pytest

from grokjax import figures

LEVELS = np.array([2.3, 2.31, 0.7, 0.69, 0.07, 0.001])
DIGITS = np.array([0, 1, 1, 2, 2, 0])
CURVE = (
    np.array([0.0, 100, 200, 300]),
    np.array([1, 0.8, 0.5, 0.5]),
    np.array([1, 0.5, 0.2, 0.2]),
    np.array([1, 0.9, 0.8, 0.8]),
    np.array([150.0, 300]),
)


def test_the_bars_hold_every_shelf():
    figure = figures.level_histogram(
        LEVELS, groups=DIGITS, exact=[("nothing", 2.3026), ("off the axis", 9.0)]
    )
    (axes,) = figure.axes
    assert sum(bar.get_height() for bar in axes.patches) == len(LEVELS)
    assert axes.get_xlabel() == "level of the shelf (nats)"
    assert [text.get_text() for text in axes.texts] == ["1"]
    assert "1: nothing  2.303" in [text.get_text() for text in axes.get_legend().get_texts()]
    data = figures.level_histogram(LEVELS, groups=DIGITS).data
    assert data["shelves"].sum() == len(LEVELS)
    for digit in (0, 1, 2):
        for level in LEVELS[digit == DIGITS]:
            assert (
                data["shelves"][
                    (data["digit"] == digit) & (data["from"] <= level) & (level < data["to"])
                ].sum()
                >= 1
            )


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_no_shelves_make_an_empty_figure(scale):
    figures.level_histogram(np.zeros(0), scale=scale)
    assert figures.level_histogram(np.zeros(0), scale=scale).data["shelves"].sum() == 0
    assert sum(figures.level_histogram(np.zeros(3), scale="linear").data["shelves"]) == 3


def test_survival_draws_curve_band_and_censored_runs():
    figure = figures.survival({"digit 0": CURVE}, ylabel="share still at ln 10")
    (axes,) = figure.axes
    curve, ticks = axes.lines
    np.testing.assert_array_equal(curve.get_ydata(), CURVE[1])
    np.testing.assert_allclose(ticks.get_xydata(), [(150, 0.8), (300, 0.5)])
    assert axes.get_xlabel() == "optimiser step" and axes.get_ylabel() == "share still at ln 10"
    assert [text.get_text() for text in axes.texts] == ["digit 0"]


def test_curves_that_end_together_are_named_beside_the_axes():
    (axes,) = figures.survival({"a": CURVE, "b": CURVE}).figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"] and not axes.texts
    lower = (CURVE[0], CURVE[1] / 2, *CURVE[2:])
    (axes,) = figures.survival({"a": CURVE, "b": lower}).figure.axes
    assert axes.get_legend() is None and [text.get_text() for text in axes.texts] == ["a", "b"]


def test_the_data_are_the_curves():
    data = figures.survival({"a": CURVE, "b": CURVE}).data
    assert data["curve"].tolist() == ["a"] * 4 + ["b"] * 4
    np.testing.assert_array_equal(data["share"][4:], CURVE[1])
    assert data["censored"][:4].tolist() == [0, 0, 0, 1]


def test_groups_must_fit():
    with pytest.raises(ValueError, match=r"groups has shape \(2,\).* 6 levels"):
        figures.level_histogram(LEVELS, groups=[1, 2])
