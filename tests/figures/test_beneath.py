import numpy as np
import pytest

from grokjax import figures
from grokjax.curves import statistics

RUNS, SAVED = 3, np.array([0, 50, 100, 200])
TRAIN = np.exp(-np.arange(200) / 40) * np.array([[1.0], [2.0], [3.0]])
TEST = np.linspace(3, 0.1, 5) * np.ones((RUNS, 1))
MEASURES = {
    "progress (nats)": {"restricted": np.full((RUNS, 4), 0.5), "excluded": np.full((RUNS, 4), 2.0)},
    "sum of squares": {"all weights": 100.0 - SAVED * np.ones((RUNS, 1)) / 10},
}


def drawn(**options):
    return figures.beneath(TRAIN, TEST, MEASURES, steps=SAVED, test_steps=np.arange(0, 201, 50), **options)


def test_every_measure_has_its_panel_on_the_steps_of_the_curves():
    lived = statistics.survival([10.0, 200.0, 200.0], [True, False, False])
    plot = drawn(logarithmic=["progress (nats)"], survival={"grokked": lived})
    titles = [axes.get_title("left") for axes in plot.axes]
    assert titles == ["loss (nats)", *MEASURES, "share of runs that are not there yet"]
    assert len({axes.get_xlim() for axes in plot.axes}) == 1
    assert [axes.get_yscale() for axes in plot.axes] == ["log", "log", "linear", "linear"]
    assert {text.get_text() for text in plot.axes[1].texts} == {"restricted", "excluded"}
    assert all(len(lines.get_paths()) == RUNS for lines in plot.axes[2].collections)


def test_the_numbers_are_medians_and_every_run():
    data = drawn().data
    own = (data["panel"] == "sum of squares") & (data["step"] == 200)
    assert data["median"][own].tolist() == [80] and data["run_2"][own].tolist() == [80]
    first = (data["panel"] == "loss (nats)") & (data["series"] == "test")
    np.testing.assert_allclose(data["run_1"][first], TEST[1])


def test_a_measure_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"'x' has 'y' of shape \(3, 2\); it must be"):
        figures.beneath(TRAIN, TEST, {"x": {"y": np.ones((3, 2))}}, steps=SAVED, test_steps=np.arange(5))
