"""A sweep's metrics as TensorBoard's event files, written by tensorboardX (the extra `tensorboard`)."""

import os
import pathlib
import warnings
from types import TracebackType
from typing import Any, Self

import numpy as np

from grokjax import training
from grokjax.runner import exact
from grokjax.runner.request import UsageError
from grokjax.tasks import Task

MOST_RUNS = 64
"""Runs that get curves of their own; of more only medians, least and largest values are written."""


class TensorBoard:
    """Writes each epoch of a sweep; a context manager.

        with gj.runner.TensorBoard("runs/board", task) as board:
            for epoch in gj.run_sweep("runs/x", task, config, recipe, hypers, steps=2000):
                board.write(epoch)

    directory: of the event files; what is there is added to
    Scalars are means over the epoch's steps, at the step that ends it: `loss/digit_0` and its like in nats,
    `right` the share of examples with every answer right, `test_loss` and `test_right` of the last
    evaluation; each as the median, least and largest over the runs. `runs/diverged` and `runs/active` are
    counts. Of at most 64 runs each also has its mean loss, in `run-0` and so on.
    Raises UsageError where tensorboardX is not installed.
    """

    def __init__(self, directory: str | os.PathLike, task: Task):
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise UsageError(
                "TensorBoard's files are written by tensorboardX, which is not installed: "
                "pip install 'grokjax[tensorboard]'"
            ) from None
        self.directory, self.digits = pathlib.Path(directory).expanduser(), exact.digits(task)
        self._made: Any = SummaryWriter
        self._writers: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, epoch: training.Epoch, first_run: int = 0) -> None:
        """Writes an epoch. first_run: the index of its first run, where a sweep is trained in parts."""
        metrics, step = epoch.metrics, epoch.step
        if not metrics["loss"].shape[1]:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a run that ended has no value: NaN
            loss = np.nanmean(metrics["loss"], 1)
            values = {f"loss/digit_{digit}": loss[:, column] for column, digit in self.digits.items()}
            values["right"] = np.nanmean(metrics["exact_match"], 1)
            if metrics["test_loss"].shape[1]:
                values["test_loss"] = metrics["test_loss"][:, -1].mean(-1)
                values["test_right"] = metrics["test_exact_match"][:, -1]
        part = f"part-{first_run}" if first_run else ""
        for name, column in values.items():
            self._over_runs(part, name, column, step)
        self._scalar(part, "runs/diverged", epoch.diverged.sum(), step)
        self._scalar(part, "runs/active", epoch.active.sum(), step)
        for run, value in enumerate(loss.mean(-1) if len(loss) <= MOST_RUNS else []):
            self._scalar(f"run-{first_run + run}", "loss", value, step)

    def _over_runs(self, folder: str, name: str, column: np.ndarray, step: int) -> None:
        known = column[np.isfinite(column)]
        for statistic, of in (("median", np.median), ("least", np.min), ("largest", np.max)):
            if known.size:
                self._scalar(folder, f"{name}/{statistic}", of(known), step)

    def _scalar(self, folder: str, name: str, value: Any, step: int) -> None:
        if folder not in self._writers:
            self._writers[folder] = self._made(str(self.directory / folder))
        if np.isfinite(value):
            self._writers[folder].add_scalar(name, float(value), step)

    def close(self) -> None:
        """Writes what is left."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
