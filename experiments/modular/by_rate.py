"""The runs of one width at several attention rates: published measures, class and times of each."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float

from experiments.frame.measured import Measured, interval, share
from experiments.frame.study import Study
from grokjax import map_runs
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval
from grokjax.interp.modular import circles, pizza
from grokjax.run import Run

RIGHT = 0.99
"""The test accuracy from which a run counts."""
SOLVED = 0.01
"""Nats below which a loss counts as solved."""
CENTRES = (5, 15, 25, 35, 45, 55, 65, 75, 85, 95)
PUBLISHED = {
    "gradient symmetricity": (0.994, 0.993, 0.992, 0.993, 0.990, 0.916, 0.733, 0.626, 0.545, 0.451),
    "distance irrelevance, wrong logit": (
        0.289,
        0.282,
        0.302,
        0.289,
        0.318,
        0.421,
        0.624,
        0.690,
        0.775,
        0.820,
    ),
}
"""Means by tenths of the rate (in per cent) of fjzzq2002/pizza, result/1l_fixedwidth.csv (MIT licence)."""


class Width(NamedTuple):
    """The runs of one width, S of them: rate (per cent), whether they count, measures by name, class; times
    at which the training and the test loss are solved.
    """

    d_model: int
    rate: Float[np.ndarray, " S"]
    right: Bool[np.ndarray, " S"]
    measures: dict[str, Float[np.ndarray, " S"]]
    named: list[str]
    memorised: statistics.Times
    grokked: statistics.Times

    def of(self, name: str, rate: float) -> Float[np.ndarray, " n"]:
        """A measure of the runs of a rate that count."""
        return self.measures[name][np.isclose(self.rate, rate) & self.right]

    def share(self, rate: float, *names: str) -> Interval:
        """The share of these classes among the runs of a rate that count."""
        own = [
            name
            for name, here in zip(self.named, np.isclose(self.rate, rate) & self.right, strict=True)
            if here
        ]
        return statistics.wilson(sum(name in names for name in own), len(own))


def of_run(run: Run) -> tuple[dict[str, Float[Array, ""]], circles.Circles]:
    """The published measures of a run, and its circles."""
    measures = {
        "gradient symmetricity": pizza.gradient_symmetricity_sample(run).mean,
        "distance irrelevance": pizza.distance_irrelevance(run),
        "distance irrelevance, wrong logit": pizza.distance_irrelevance_of_wrong_logit(run),
        "circularity": pizza.circularity(run),
    }
    return measures, circles.of(run)


of_runs = map_runs(of_run)


def read(sweep: Sweep, d_model: int) -> Width:
    """The measures of every run at its last epoch."""
    measures, found = of_runs(sweep.runs())
    return Width(
        d_model,
        100 * np.asarray(sweep.hypers.attention_rate, float),
        sweep.metrics["test_accuracy"][:, -1, 0] >= RIGHT,
        measures,
        circles.classes(found),
        statistics.until_below(sweep.metrics["loss"][..., 0], SOLVED, smoothing=1),
        statistics.until_below(
            sweep.metrics["test_loss"][..., 0], SOLVED, steps=sweep.metrics["test_step"], smoothing=1
        ),
    )


def counted(quantity: str, holds: np.ndarray) -> Measured:
    """A share of runs as a row."""
    return share(quantity, int(holds.sum()), len(holds))


def spread(values: np.ndarray) -> dict[str, Measured]:
    """The median, the least and the largest of some runs as rows."""
    end = lambda name, of: Measured(
        f"{name} gradient symmetricity", float(of(values)) if len(values) else None, n=len(values)
    )
    return dict(
        median=interval("median gradient symmetricity", statistics.quantile(values), "", len(values)),
        least=end("least", np.min),
        largest=end("largest", np.max),
    )


def numbers(this: Study, width: Width) -> dict[str, object]:
    """What the finding keeps of a width."""
    return {
        "count": statistics.wilson(int(width.right.sum()), len(width.right)),
        "rates": [
            {
                "rate": rate,
                "runs": int((np.isclose(width.rate, rate) & width.right).sum()),
                **{name: statistics.mean(width.of(name, rate)) for name in width.measures},
                **{kind: width.share(rate, kind) for kind in circles.CLASSES},
            }
            for rate in this["rates"]
        ],
    }
