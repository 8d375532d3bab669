"""What a finished sweep says: shelves.csv, summary.json, figures/, and a table on the terminal."""

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import rich.console
import rich.table

from grokjax import checkpoints, sweep
from grokjax.checkpoints import disk
from grokjax.cli.values import UsageError
from grokjax.curves import shelves, statistics
from grokjax.runner import exact, pictures
from grokjax.runner.plan import size
from grokjax.runner.run import Outcome

LAST_STEPS = 50
"""The final loss of a run is its mean over so many steps."""


def write(directory: str, outcome: Outcome, console: rich.console.Console) -> None:
    """Read the sweep back, write its tables and pictures, and print where they are."""
    found = checkpoints.open_sweep(directory)
    levels, loss = exact.of_task(found.task), metric(found, "loss")
    digits = exact.digits(found.task)
    rows = [
        row._replace(digit=digits[row.digit])
        for row in shelves.table(loss, np.asarray(found.hypers.seed).tolist())
    ]
    shelves.write(found.directory / "shelves.csv", rows)
    by_digit = {digits[column]: named for column, named in levels.items()}
    shown = exact.shown(rows, by_digit)
    summaries = [described(level, runs, found.num_runs) for level, runs in shown.items()]
    text = json.dumps(summary(found, outcome, loss, summaries), indent=1, allow_nan=False)
    disk.write(found.directory / "summary.json", lambda file: file.write(text.encode()))
    pictures.write(found, loss, levels, shown)
    show(found, outcome, loss, summaries, console)


def described(level: exact.Shown, shelves_of_runs: dict[int, shelves.Shelf], num_runs: int) -> dict[str, Any]:
    """One level as JSON: how many runs show it, medians over them with 95% intervals, in steps; None where
    they do not determine them.
    """
    found = statistics.summarise([shelves_of_runs.get(run) for run in range(num_runs)])
    measured = float(np.median([shelf.level for shelf in shelves_of_runs.values()]))
    return dict(
        digit=level.digit,
        known=level.known,
        exact=level.nats,
        measured=measured,
        runs=found.shown,
        share=found.share._asdict(),
        on_it=found.on_it,
        onset=found.onset._asdict(),
        length=found.length._asdict(),
    )


def summary(
    found: checkpoints.Sweep, outcome: Outcome, loss: np.ndarray, summaries: list[dict[str, Any]]
) -> dict[str, Any]:
    """summary.json."""
    return dict(
        runs=found.num_runs,
        steps=found.num_steps,
        epochs_saved=found.epochs,
        bytes=num_bytes(found),
        session=dict(
            seconds=round(outcome.seconds, 3),
            run_steps=outcome.run_steps,
            run_steps_per_second=round(outcome.run_steps / outcome.seconds, 3) if outcome.run_steps else None,
        ),
        diverged=outcome.diverged,
        stopped=outcome.stopped,
        final_loss={str(digit): row for digit, row in finals(found, loss).items()},
        shelves=summaries,
        hypers=sweep.rows(found.hypers),
    )


def num_bytes(found: checkpoints.Sweep) -> int:
    """What the directory holds."""
    return sum(path.stat().st_size for path in found.directory.rglob("*") if path.is_file())


def finals(found: checkpoints.Sweep, loss: np.ndarray) -> dict[int, dict[str, float | None]]:
    """By digit: median, least and largest over runs of the mean loss of a run's last steps, and of its last
    test loss.
    """
    tests = (
        metric(found, "test_loss")
        if "test_loss" in found.metrics
        else np.full((len(loss), 1, loss.shape[2]), np.nan)
    )
    last = {"loss": last_mean(loss, LAST_STEPS), "test_loss": last_mean(tests, 1)}
    rows = {}
    for column, digit in exact.digits(found.task).items():
        rows[digit] = {
            f"{statistic}_{name}": number(of, values[:, column])
            for name, values in last.items()
            for statistic, of in (("median", np.median), ("least", np.min), ("largest", np.max))
        }
    return rows


def last_mean(values: np.ndarray, steps: int) -> np.ndarray:
    """The mean of each run's last finite entries, [S, C]; a run that stopped early has NaN after them."""
    finite = np.isfinite(values).all(-1)
    ends = np.where(finite.any(1), values.shape[1] - np.argmax(finite[:, ::-1], 1), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a run without any finite entry has none
        return np.stack(
            [run[max(end - steps, 0) : end].mean(0) for run, end in zip(values, ends, strict=True)]
        )


def number(statistic: Callable[[np.ndarray], Any], values: np.ndarray) -> float | None:
    """A statistic of the finite values as a JSON number; None where there are none."""
    finite = values[np.isfinite(values)]
    return float(f"{statistic(finite):.6g}") if finite.size else None


def metric(found: checkpoints.Sweep, name: str) -> np.ndarray:
    """A metric of every step; UsageError, in one sentence, where its files are damaged."""
    try:
        return found.metrics[name]
    except ValueError as error:
        raise UsageError(str(error)) from None


def show(
    found: checkpoints.Sweep,
    outcome: Outcome,
    loss: np.ndarray,
    summaries: list[dict[str, Any]],
    console: rich.console.Console,
) -> None:
    """The summary on the terminal, then the paths."""
    table = rich.table.Table(
        title="shelves (nats; medians over runs in steps, with 95% intervals)", title_justify="left", box=None
    )
    for name in ("digit", "known", "exact", "measured", "runs", "onset", "length", "still on it"):
        table.add_column(name, justify="left" if name == "known" else "right", no_wrap=True)
    for row in summaries:
        exact_nats = "" if row["exact"] is None else f"{row['exact']:.4f}"
        table.add_row(
            str(row["digit"]),
            row["known"],
            exact_nats,
            f"{row['measured']:.4f}",
            f"{row['runs']} of {found.num_runs}",
            interval(row["onset"]),
            interval(row["length"]),
            str(row["on_it"]),
        )
    if summaries:
        console.print(table)
    for digit, row in sorted(finals(found, loss).items(), reverse=True):
        console.print(
            f"digit {digit}: loss of the last {LAST_STEPS} steps {row['median_loss']} "
            f"({row['least_loss']} to {row['largest_loss']}), on the evaluation set {row['median_test_loss']}",
            highlight=False,
        )
    for word, runs in (("diverged", outcome.diverged), ("stopped below --stop_below", outcome.stopped)):
        if runs:
            shown = ", ".join([*map(str, runs[:10]), *(["..."] if len(runs) > 10 else [])])
            console.print(f"{len(runs)} of {found.num_runs} runs {word}: {shown}", highlight=False)
    console.print(f"{size(num_bytes(found))} in {found.directory}:", soft_wrap=True, highlight=False)
    for name in ("summary.json", "shelves.csv", "figures", "metrics", "checkpoints"):
        console.print(f"  {found.directory / name}", soft_wrap=True, highlight=False)


def interval(row: dict[str, float | None]) -> str:
    """A median with its interval, as far as the runs determine it."""
    if row["value"] is None:
        return "not reached"
    ends = ["?" if end is None else f"{end:.0f}" for end in (row["low"], row["high"])]
    return f"{row['value']:.0f} ({ends[0]}-{ends[1]})"
