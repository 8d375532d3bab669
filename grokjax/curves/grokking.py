"""Where the metrics of runs end, and when runs of a finite task memorise and generalise."""

import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from grokjax.curves import statistics

LAST_STEPS = 50
"""The final loss of a run is its mean over so many steps."""
RIGHT = 0.99
"""The share of examples, with every answer right, from which a run has memorised or generalised."""


class Times(NamedTuple):
    """When each run memorised its training set, and when it generalised to its test set (steps)."""

    memorised: statistics.Times
    generalised: statistics.Times

    @property
    def delay(self) -> Float[np.ndarray, " S"]:
        """Steps from memorising to generalising, at least 0, [S]; NaN where a run has not done both."""
        both = self.memorised.ended & self.generalised.ended
        return np.where(both, np.maximum(self.generalised.time - self.memorised.time, 0), np.nan)


def times(metrics: Mapping[str, np.ndarray]) -> Times | None:
    """Returns the first steps at which more than RIGHT of the training and of the test set are right.

    metrics: of a finite task, `exact_match` [S, T], `test_exact_match` [S, E] and `test_step` [E]
    None where nothing was evaluated, as where all of the table is trained on.
    """
    test = metrics.get("test_exact_match")
    if test is None or not np.isfinite(test).any():
        return None
    wrong = lambda share, steps: statistics.until_below(1 - share, 1 - RIGHT, steps=steps, smoothing=1)
    return Times(wrong(metrics["exact_match"], None), wrong(test, metrics["test_step"]))


def ends(metrics: Mapping[str, np.ndarray], name: str) -> Float[np.ndarray, "S C"]:
    """Returns a metric at the end of each run: the mean of its last steps, or its last evaluation."""
    if name not in metrics:
        return np.full((len(metrics["loss"]), metrics["loss"].shape[-1]), np.nan)
    return last_mean(metrics[name], 1 if name.startswith("test_") else LAST_STEPS)


def last_mean(values: Float[np.ndarray, "S T C"], steps: int) -> Float[np.ndarray, "S C"]:
    """Returns the mean of each run's last finite entries; a run that stopped early has NaN after them."""
    finite = np.isfinite(values).all(-1)
    last = np.where(finite.any(1), values.shape[1] - np.argmax(finite[:, ::-1], 1), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a run without any finite entry has none
        return np.stack(
            [run[max(end - steps, 0) : end].mean(0) for run, end in zip(values, last, strict=True)]
        )
