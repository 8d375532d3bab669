"""`run_sweep`: train a sweep into a directory, in one call."""

import os
import warnings

from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.runner.request import Request
from grokjax.runner.session import Session
from grokjax.tasks import Task


def run_sweep(
    directory: str | os.PathLike,
    task: Task,
    config: ModelConfig,
    recipe: Recipe,
    hypers: Hyper,
    *,
    steps: int,
    epoch_steps: int = 50,
    save: str = "log",
    block: int | None = None,
    resume: bool = True,
) -> Session:
    """Trains a sweep into a directory; an iterator over its epochs, each recorded before it is given.

        for epoch in gj.run_sweep("runs/x", task, config, recipe, hypers, steps=2000):
            print(epoch)

    Nothing is trained until it is iterated over; `.run()` does that and returns the sweep.
    The same call again goes on from what is there; more `steps` go further, more runs are added, anything
    else is refused. At the end the directory has report.html, shelves.csv, runs.csv, summary.json and
    figures, and `gj.open_sweep(directory)` reads it. To leave the loop saves what is done. A sweep that has
    all its steps gives no epoch.

    steps: optimiser steps of every run;  epoch_steps: those of one epoch
    save: epochs to save: log (at most 64) | all (with full states) | every:K | 0,10,100
    block: runs that share one program, part of a run's bits (None: as recorded, or by sizes and device)
    resume: False refuses a directory that already holds a sweep
    Raises ValueError at the call, before anything is written, for what cannot be meant or taken.
    """
    request = Request(
        task, config, recipe, hypers, steps, epoch_steps, save, block, resume, command="grokjax.run_sweep"
    )
    return Session(directory, request, tell=lambda note: warnings.warn(note, stacklevel=2), at_end=_report)


def _report(session: Session) -> None:
    from grokjax.runner import html_report  # plotting and statistics only when there is something to show

    html_report.at_end(session)
