"""`report`: a sweep as one HTML file, finished or not; and all that is written at the end of a sweep."""

import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from grokjax import checkpoints, tasks
from grokjax.checkpoints import disk
from grokjax.runner import exact, page, settings
from grokjax.runner import report as tables
from grokjax.runner.page import contents
from grokjax.runner.session import Session
from grokjax.version import __version__

NAME = "report.html"


class Ended(NamedTuple):
    """The runs that ended early, as indices into the sweep."""

    diverged: list[int]
    stopped: list[int]


def report(
    directory: str | os.PathLike | checkpoints.Sweep,
    output: str | os.PathLike | None = None,
    *,
    trusted: Sequence[Any] = (),
) -> pathlib.Path:
    """Writes one self-contained HTML file about a sweep, and returns its path: `gj.report("runs/start")`.

    It shows what was run, the tables, and the curves of every run to look into, without a network. A sweep
    that is still being trained is shown as far as it is.

    directory: the sweep's, or the sweep;  output: the file, by default report.html in the directory
    trusted: see `open_sweep`
    Raises FileNotFoundError or ValueError, in one sentence, for no sweep or a damaged one.
    """
    own = (
        directory
        if isinstance(directory, checkpoints.Sweep)
        else checkpoints.open_sweep(os.fspath(directory), trusted)
    )
    if "loss" not in own.metrics or not own.metrics["loss"].shape[1]:
        raise ValueError(f"{own.directory} has no metrics yet: no step of its runs is written down")
    return write(tables.read(own), ended(own), output)


def write(found: tables.Found, early: Any, output: str | os.PathLike | None = None) -> pathlib.Path:
    """Writes the page of what was read of a sweep. early: has the runs that `diverged` and `stopped`."""
    task, own = found.sweep.task, settings.of(found.sweep.hypers)
    levels = tasks.exact_levels(task)
    shown = exact.shown(found.rows, exact.by_digit(levels, task))
    made = contents.of(
        found.sweep,
        found.metrics,
        levels,
        list(shown),
        parts=[tables.part(found, levels, setting) for setting in own],
        runs=tables.run_rows(found, early),
    )
    path = found.sweep.directory / NAME if output is None else pathlib.Path(output).expanduser()
    text = page.page(made, __version__)
    disk.write(path, lambda file: file.write(text.encode()))
    return path


def at_end(session: Session) -> tables.Report:
    """Writes what a finished sweep says: its tables, its pictures, and the page.

    Raises UsageError where its files are damaged, OSError where the disk refuses, each in one sentence.
    """
    found = tables.read(session.sweep)
    try:
        made = tables.write(session, found)
        write(found, session)
    except OSError as error:
        sentence = disk.sentence("the tables and pictures", found.sweep.directory, error)
        raise OSError(sentence) from error
    return made


def ended(found: checkpoints.Sweep) -> Ended:
    """Returns the runs that ended early: as summary.json says, or else as their losses show.

    A run whose losses end before those of its part diverged, unless its last epoch was below `stop_below`.
    """
    try:
        summary = json.loads((found.directory / "summary.json").read_text())
        lists = [summary["diverged"], summary["stopped"]]
        whole = all(isinstance(run, int) and 0 <= run < found.num_runs for runs in lists for run in runs)
        if whole and (summary["runs"], summary["steps"]) == (found.num_runs, found.num_steps):
            return Ended(*lists)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # the sweep is not finished, or the file is another's
    loss, early, below = found.metrics["loss"].mean(-1), Ended([], []), found.recipe.stop_below
    for part in found.record["parts"]:
        runs = range(part["first"], part["first"] + part["runs"])
        lengths = {run: length(loss[run]) for run in runs}
        for run in (run for run in runs if lengths[run] < max(lengths.values())):
            last = loss[run, max(lengths[run] - found.epoch_steps, 0) : lengths[run]]
            (early.stopped if last.size and last.mean() < below else early.diverged).append(run)
    return early


def length(curve: np.ndarray) -> int:
    """Returns how many entries there are up to the last finite one."""
    known = np.flatnonzero(np.isfinite(curve))
    return int(known[-1]) + 1 if len(known) else 0
