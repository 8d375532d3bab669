import numpy as np
import pytest

from grokjax import figures


def test_the_curve_is_the_share_at_or_below():
    panels = {
        "digit 1": {"trained": np.array([0.3, 0.1, np.nan, 0.2]), "control": np.zeros(0)},
        "digit 0": {"trained": np.ones(2)},
    }
    figure = figures.cumulative(panels, xlabel="share")
    line = figure.axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(line.get_ydata(), [1 / 3, 2 / 3, 1])
    data = figures.cumulative(panels, xlabel="").data
    assert list(data) == ["panel", "series", "value", "share"] and len(data["value"]) == 5


def test_many_values_are_drawn_as_quantiles():
    data = figures.cumulative({"": {"x": np.random.default_rng(0).random(5000)}}, xlabel="").data
    assert len(data["value"]) == 400
    np.testing.assert_allclose(data["value"], data["share"], atol=0.03)


def test_four_panels_and_none():
    assert len(figures.cumulative({str(k): {"x": np.arange(3.0)} for k in range(4)}, xlabel="x").axes) == 4
    with pytest.raises(ValueError, match="panels is empty"):
        figures.cumulative({}, xlabel="x")
