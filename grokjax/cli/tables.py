"""What a sweep says on a terminal: its plan before, its tables after; readable in 80 columns."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import rich.console
import rich.table

from grokjax.run import described
from grokjax.runner import Session
from grokjax.runner.plan import Plan, size
from grokjax.runner.request import Request

if TYPE_CHECKING:
    from grokjax.runner.report import Part, Report

MOST_GROUPS = 12
"""Settings of a grid that the terminal lists; all are in summary.json."""


def show_plan(session: Session, console: rich.console.Console) -> None:
    """Prints what will be done, and what it takes."""
    table = rich.table.Table(box=None, show_header=False, pad_edge=False)
    for name, text in plan_rows(session.request, session.plan):
        table.add_row(name, text)
    table.add_row("directory", str(session.directory))
    console.print(table, highlight=False)


def plan_rows(request: Request, made: Plan) -> list[tuple[str, str]]:
    """The plan in words: what and how much."""
    config, task = request.config, request.task
    sizes = f"{task.num_positions} tokens of {task.vocabulary}, {len(task.columns)} answers"
    together = (
        "all at once"
        if made.num_parts == 1
        else f"in {made.num_parts} parts of at most {made.part_runs}, which fit into memory"
    )
    layers = f"{config.num_layers} layer{'s' * (config.num_layers > 1)}"
    mlp = f"MLP {config.mlp_width}" if config.mlp else "no MLP"
    kind = made.devices[0].platform
    return [
        ("task", f"{described(task)}: {sizes}"),
        ("model", f"{layers}, width {config.d_model}, {config.num_heads} heads, {mlp}"),
        ("runs", f"{made.num_runs}, {together}"),
        ("devices", f"{kind} devices: {len(made.devices)}, runs in a block: {made.block}"),
        ("parameters", f"{made.parameters:,} a run, {made.parameters * made.num_runs:,} in all"),
        ("steps", f"{request.steps:,} of each run, {request.epoch_steps} to an epoch"),
        ("saved", f"{len(made.epochs)} epochs ({request.save}), about {size(made.disk)} on disk"),
        ("memory", f"about {size(made.memory)}"),
        ("time", "known after the first epoch"),
    ]


def show_report(report: "Report", session: Session, console: rich.console.Console) -> None:
    """Prints the tables of a finished sweep, then where everything lies."""
    for setting in report.settings[:MOST_GROUPS]:
        if setting.name:
            console.print(f"\n{setting.name}: {setting.num_runs} runs", highlight=False, style="bold")
        shelf_table(setting, console)
        final_table(setting, console)
        generalisation(setting, console)
    if len(report.settings) > MOST_GROUPS:
        console.print(f"... and {len(report.settings) - MOST_GROUPS} more settings, in summary.json")
    for word, runs in (("diverged", session.diverged), ("stopped below --stop_below", session.stopped)):
        if runs:
            shown = ", ".join([*map(str, runs[:10]), *(["..."] if len(runs) > 10 else [])])
            console.print(f"{len(runs)} of {report.num_runs} runs {word}: {shown}", highlight=False)
    console.print(f"{size(report.num_bytes)} in {session.directory}:", soft_wrap=True, highlight=False)
    console.print(
        "  report.html  summary.json  runs.csv  shelves.csv  figures/  metrics/  checkpoints/",
        soft_wrap=True,
        highlight=False,
    )


def table_of(headings: Iterable[str], left: str = "") -> rich.table.Table:
    """An empty table; the column `left` may wrap, and all others are numbers."""
    table = rich.table.Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in headings:
        table.add_column(name, justify="left" if name == left else "right", no_wrap=name != left)
    return table


def shelf_table(setting: "Part", console: rich.console.Console) -> None:
    """The shelves that runs show, with the exact levels that they fit."""
    if not setting.shelves:
        return
    console.print("loss shelves (nats; steps are medians over runs, with 95% intervals)", highlight=False)
    table = table_of(("digit", "level", "exact", "found", "runs", "from step", "for steps"), left="level")
    for row in setting.shelves:
        table.add_row(
            str(row["digit"]),
            words(row["known"]),
            nats(row["exact"]),
            nats(row["measured"]),
            f"{row['runs']}/{setting.num_runs}",
            interval(row["onset"]),
            interval(row["length"]) if row["length"]["value"] is not None else "not left",
        )
    console.print(table, highlight=False)


def final_table(setting: "Part", console: rich.console.Console) -> None:
    """Losses and accuracy at the end: medians over runs, and from the least to the largest."""
    evaluated = any(row["median_test_loss"] is not None for row in setting.finals.values())
    console.print("at the end (nats; medians over runs of the last 50 steps)", highlight=False)
    kind = "evaluation" if setting.generalised is None else "test"
    headings = ["digit", "loss", "(range)", "accuracy"]
    table = table_of([*headings, *([f"{kind} loss", "accuracy "] if evaluated else [])])
    for digit, row in sorted(setting.finals.items(), reverse=True):
        cells = [
            str(digit),
            number(row["median_loss"]),
            f"({number(row['least_loss'])} to {number(row['largest_loss'])})",
            percent(row["median_accuracy"]),
        ]
        cells += [number(row["median_test_loss"]), percent(row["median_test_accuracy"])] if evaluated else []
        table.add_row(*cells)
    console.print(table, highlight=False)


def generalisation(setting: "Part", console: rich.console.Console) -> None:
    """How many runs of a finite task generalised, when, and how long after they had memorised."""
    found = setting.generalised
    if found is None:
        return
    right = f"{100 * found['right']:.0f}%"
    line = f"{found['runs']} of {setting.num_runs} runs generalised (over {right} of the test set right)"
    if found["step"]["value"] is not None:
        line += f", median step {interval(found['step'])}"
    if found["delay"]["value"] is not None:
        line += f", {interval(found['delay'])} steps after memorising"
    console.print(line, highlight=False)


def words(known: str) -> str:
    """The name of a level, cut where it may wrap."""
    return "no exact level" if known == "none" else known.replace("_", " ").replace("+", " + ")


def nats(loss: float | None) -> str:
    """A loss in six letters, or nothing."""
    if loss is None:
        return ""
    return f"{loss:.4f}" if loss >= 0.001 or not loss else f"{loss:.0e}"


def number(value: float | None) -> str:
    """Four digits, or nothing."""
    return "" if value is None else f"{value:.4g}"


def percent(share: float | None) -> str:
    """A share as per cent."""
    return "" if share is None else f"{100 * share:.1f}%"


def interval(row: dict[str, float | None]) -> str:
    """A median of steps with its interval, as far as the runs determine it: few runs determine none."""
    value, low, high = (steps(row[name]) for name in ("value", "low", "high"))
    if row["low"] is None and row["high"] is None:
        return value
    return f"{value} ({low}+)" if row["high"] is None else f"{value} ({low}-{high})"


def steps(value: float | None) -> str:
    """A number of steps in at most five letters; ? where the runs do not determine it."""
    if value is None:
        return "?"
    return f"{value:.0f}" if value < 100_000 else f"{value / 1000:.0f}k"
