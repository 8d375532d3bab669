"""Snapshots of the runs of a sweep, each picked by its own loss."""

import numpy as np
from jaxtyping import Float, Int

from grokjax import trees
from grokjax.checkpoints import Sweep
from grokjax.run import Run


def losses(sweep: Sweep, column: int) -> Float[np.ndarray, "E S"]:
    """The training loss (nats) of a metrics column at every saved epoch: the mean of the steps since the one
    before.
    """
    loss, steps = sweep.metrics["loss"][:, :, column], [sweep.steps(epoch) for epoch in sweep.epochs]
    return np.stack([loss[:, max(0, step - sweep.epoch_steps) : max(step, 1)].mean(1) for step in steps])


def nearest(sweep: Sweep, column: int, nats: float) -> Int[np.ndarray, " S"]:
    """For each run the saved epoch, as an index into `sweep.epochs`, whose loss is nearest to `nats`."""
    return np.abs(losses(sweep, column) - nats).argmin(0)


def runs(sweep: Sweep, places: Int[np.ndarray, " S"]) -> Run:
    """Returns every run at its own epoch, stacked [S, ...]; places: indices into `sweep.epochs`."""
    return trees.stack([sweep.run(run, sweep.epochs[int(place)]) for run, place in enumerate(places)])
