"""What a page shows of a sweep, as plain data: facts, panels of curves, runs, settings with their tables."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from grokjax import sweep
from grokjax.checkpoints import Sweep
from grokjax.run import described
from grokjax.runner import exact, pictures, settings
from grokjax.runner.page import glossary, thinning
from grokjax.runner.request import swept
from grokjax.tasks import Task
from grokjax.tasks.protocol import Levels

if TYPE_CHECKING:
    from grokjax.runner.report import Part

Metrics = Mapping[str, np.ndarray]
Facts = list[tuple[str, str]]


class Contents(NamedTuple):
    """Everything that a page shows.

    title: what was trained, in a line;  facts: what was run, (name, value)
    panels: the plots, as the page's script reads them
    runs: a row of runs.csv for each run;  swept: the fields in which runs differ, but the seed
    parts: the tables of each setting;  glossary: (level name, its meaning)
    steps: those that every run has made
    stretches: the most points of a curve, or None where every step is there
    """

    title: str
    facts: Facts
    panels: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    swept: list[str]
    parts: Sequence["Part"]
    glossary: list[tuple[str, str]]
    steps: int
    stretches: int | None


def of(
    found: Sweep,
    metrics: Metrics,
    levels: Levels,
    shown: Sequence[exact.Shown],
    *,
    parts: Sequence["Part"],
    runs: list[dict[str, Any]],
) -> Contents:
    """Returns the contents of a page.

    metrics: those that `report.read` reads;  levels: by column;  shown: the levels that shelves show
    parts: the results of each setting;  runs: the rows of runs.csv
    """
    loss, task = metrics["loss"], found.task
    most = thinning.points(loss.shape[0] * (loss.shape[2] + 2))
    panels = [*losses(metrics, levels, shown, task, most), shares(metrics, task, most)]
    names = [name for named in levels.values() for name, _ in named]
    return Contents(
        title=f"{found.num_runs} runs of {described(task)}",
        facts=facts(found, loss.shape[1]),
        panels=panels,
        runs=runs,
        swept=swept(found.hypers),
        parts=parts,
        glossary=glossary.sentences(names),
        steps=loss.shape[1],
        stretches=most if loss.shape[1] > most else None,
    )


def facts(found: Sweep, steps: int) -> Facts:
    """Returns what was run, as (name, value)."""
    record, names = found.record, swept(found.hypers)
    rows = sweep.rows(found.hypers)
    values = {name: list(dict.fromkeys(settings.word(name, row[name]) for row in rows)) for name in names}
    machine = ", ".join(dict.fromkeys(record["machine"].values()))
    return [
        ("task", described(found.task)),
        ("model", described(found.config)),
        ("recipe", described(found.recipe)),
        ("runs", f"{found.num_runs}, {len({row['seed'] for row in rows})} seeds"),
        *((f"swept: {name}", shortened(values[name])) for name in names),
        *constants(found, names),
        ("steps", f"{steps:,} of {found.num_steps:,}, {found.epoch_steps} to an epoch"),
        ("saved", f"{len(found.epochs)} epochs ({record['save']})"),
        ("machine", f"{machine}; devices: {record['num_devices']}, runs in a block: {record['block']}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in record["versions"].items())),
        ("command", record["command"]),
        ("directory", os.fspath(found.directory)),
    ]


def constants(found: Sweep, names: Sequence[str]) -> Facts:
    """Returns the fields of Hyper that are the same for all runs and not their default."""
    defaults = type(found.hypers)()
    own = {
        name: np.asarray(value)[0]
        for name, value in vars(found.hypers).items()
        if name not in (*names, "seed") and np.asarray(value)[0] != np.float32(getattr(defaults, name))
    }
    words = [f"{name}={settings.word(name, float(str(value)))}" for name, value in own.items()]
    return [("hyper", ", ".join(words))] if words else []


def shortened(values: list[str], most: int = 24) -> str:
    """Returns values in a line, the first ones where there are many."""
    rest = f", … ({len(values)} values)" if len(values) > most else ""
    return ", ".join(values[:most]) + rest


def losses(
    metrics: Metrics, levels: Levels, shown: Sequence[exact.Shown], task: Task, most: int
) -> list[dict[str, Any]]:
    """Returns a panel for each answer digit, in the order of writing; of a finite task with its test loss."""
    drawn = exact.lines(levels, shown, task)
    panels = []
    for column, digit in exact.digits(task).items():
        series = [curves(metrics["loss"][..., column], None, most, "train" if task.finite else "loss")]
        if task.finite and has(metrics, "test_loss"):
            test = metrics["test_loss"][..., column]
            series.append(curves(test, metrics["test_step"], most, "test"))
        lines = [
            dict(name=name, nats=nats, meaning=glossary.meaning(name), drawn=(name, nats) in drawn[column])
            for name, nats in sorted(levels.get(column, []), key=lambda level: -level[1])
            if nats > 0
        ]
        name = f"loss of {pictures.title(digit, task)}" if len(task.columns) > 1 else "loss"
        panels.append(dict(title=name, label="nats", logarithmic=True, series=series, levels=lines))
    return panels[::-1]


def shares(metrics: Metrics, task: Task, most: int) -> dict[str, Any]:
    """Returns the panel of the share of examples with every answer right."""
    series = [curves(metrics["exact_match"], None, most, "train", logarithmic=False)]
    if has(metrics, "test_exact_match"):
        name = "test" if task.finite else "evaluation"
        test = metrics["test_exact_match"]
        series.append(curves(test, metrics["test_step"], most, name, logarithmic=False))
    title = "share of examples with every answer right"
    return dict(title=title, label="share", logarithmic=False, series=series, levels=[])


def has(metrics: Metrics, name: str) -> bool:
    """Returns whether a metric was measured at all."""
    return name in metrics and bool(np.isfinite(metrics[name]).any())


def curves(
    values: np.ndarray, steps: np.ndarray | None, most: int, name: str, logarithmic: bool = True
) -> dict[str, Any]:
    """Returns the curves [S, T] of all runs as the page's script reads them."""
    at = np.arange(values.shape[1]) if steps is None else np.asarray(steps)
    found = thinning.thinned(values, at, most)
    body: dict[str, Any] = dict(name=name, steps=found.steps.tolist())
    each = values.shape[1] <= most  # every step is there: the least and largest are the mean
    for part in ("mean",) if each else ("mean", "least", "largest"):
        body[part] = thinning.packed(getattr(found, part), logarithmic)
    return body
