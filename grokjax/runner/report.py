"""What a finished sweep says: shelves.csv, runs.csv, summary.json and figures/ in its directory."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from grokjax import checkpoints, sweep, tasks
from grokjax.checkpoints import disk, tables
from grokjax.curves import shelves
from grokjax.runner import exact, pictures, results, settings
from grokjax.runner.request import UsageError
from grokjax.runner.session import Session
from grokjax.tasks.protocol import Levels


class Part(NamedTuple):
    """The results of the runs of one setting, as JSON: its shelves, its final losses by digit, and, of a
    finite task, how its runs generalised.
    """

    name: str
    num_runs: int
    shelves: list[dict[str, Any]]
    finals: dict[int, results.Row]
    generalised: dict[str, Any] | None


class Report(NamedTuple):
    """What was found: of all runs, of each setting (of all again where nothing was swept), and its bytes."""

    whole: Part
    settings: list[Part]
    num_runs: int
    num_bytes: int


class Found(NamedTuple):
    """What is read of a sweep: the metrics that the report uses, its shelves and its times."""

    sweep: checkpoints.Sweep
    metrics: dict[str, np.ndarray]
    rows: list[shelves.Row]
    times: results.Times | None


def write(session: Session, found: Found) -> Report:
    """Writes the tables and pictures of what was read of a session's sweep."""
    levels, own = tasks.exact_levels(found.sweep.task), settings.of(found.sweep.hypers)
    everyone = settings.Setting("", list(range(found.sweep.num_runs)))
    whole, *parts = (part(found, levels, setting) for setting in (everyone, *own))
    directory = found.sweep.directory
    shelves.write(directory / "shelves.csv", found.rows)
    text(directory / "runs.csv", table(run_rows(found, session)))
    shown = exact.shown(found.rows, exact.by_digit(levels, found.sweep.task))
    pictures.write(found.sweep, found.metrics, levels, shown, own)
    report = Report(whole, parts, found.sweep.num_runs, num_bytes(found.sweep))
    body = summary(found.sweep, session, report)
    text(directory / "summary.json", json.dumps(body, indent=1, allow_nan=False))
    return report


def read(found: checkpoints.Sweep) -> Found:
    """The metrics that the report uses, in memory; UsageError, in one sentence, where files are damaged."""
    try:
        metrics = {name: found.metrics[name] for name in tables.READ if name in found.metrics}
        seeds = np.asarray(found.hypers.seed).tolist()
    except ValueError as error:
        raise UsageError(str(error)) from None
    digits = exact.digits(found.task)
    measured = shelves.table(metrics["loss"], seeds)
    rows = [row._replace(digit=digits[row.digit]) for row in measured]
    return Found(found, metrics, rows, results.times(metrics, found.task))


def part(found: Found, levels: Levels, setting: settings.Setting) -> Part:
    """The results of the runs of one setting."""
    runs, task = setting.runs, found.sweep.task
    own = [row for row in found.rows if row.run in set(runs)]
    metrics = {
        name: values if name == "test_step" else values[runs] for name, values in found.metrics.items()
    }
    return Part(
        setting.name,
        len(runs),
        [
            results.shelf_row(level, members, runs)
            for level, members in exact.shown(own, exact.by_digit(levels, task)).items()
        ],
        results.finals(metrics, exact.digits(task)),
        results.generalisation(found.times, runs),
    )


def summary(found: checkpoints.Sweep, session: Session, report: Report) -> dict[str, Any]:
    """summary.json."""
    body = dict(
        runs=found.num_runs,
        steps=found.num_steps,
        epochs_saved=found.epochs,
        bytes=report.num_bytes,
        session=timing(found, session),
        diverged=session.diverged,
        stopped=session.stopped,
        **as_json(report.whole),
        hypers=sweep.rows(found.hypers),
    )
    if len(report.settings) > 1:
        body["settings"] = [
            dict(setting=own.name, runs=own.num_runs, **as_json(own)) for own in report.settings
        ]
    return body


def as_json(own: Part) -> dict[str, Any]:
    """The results of some runs."""
    body: dict[str, Any] = dict(final_loss={str(digit): row for digit, row in own.finals.items()})
    if own.generalised is not None:
        body["generalised"] = own.generalised
    return body | dict(shelves=own.shelves)


def timing(found: checkpoints.Sweep, session: Session) -> dict[str, float | None]:
    """Seconds and run-steps of the session; if it found nothing to train, those of the last that did."""
    if not session.trained:
        try:
            return json.loads((found.directory / "summary.json").read_text())["session"]
        except (OSError, ValueError, KeyError):
            pass  # the report of that session was never written
    rate = round(session.trained / session.seconds, 3) if session.trained else None
    return dict(seconds=round(session.seconds, 3), run_steps=session.trained, run_steps_per_second=rate)


def run_rows(found: Found, early: Any) -> list[dict[str, Any]]:
    """A row for every run: what was swept, where and how it ended, when it memorised and generalised.

    early: has the runs that `diverged` and `stopped`, as a session does
    """
    hypers, task = found.sweep.hypers, found.sweep.task
    swept = [{name: settings.word(name, x) for name, x in row.items()} for row in sweep.rows(hypers)]
    rows = zip(tables.rows(task, hypers, found.metrics), swept, strict=True)
    ended = lambda run: dict(diverged=run in early.diverged, stopped=run in early.stopped)
    return [row | own | ended(run) for run, (row, own) in enumerate(rows)]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV; empty where a run has no value."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    return file.getvalue()


def cell(value: Any) -> str:
    """A value of a table as text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | np.floating):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return "" if value is None else str(value)


def text(path: Any, content: str) -> None:
    """Writes a file, whole or not at all."""
    disk.write(path, lambda file: file.write(content.encode()))


def num_bytes(found: checkpoints.Sweep) -> int:
    """What the directory holds."""
    return sum(path.stat().st_size for path in found.directory.rglob("*") if path.is_file())
