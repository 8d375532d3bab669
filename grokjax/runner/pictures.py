"""The pictures of a sweep, each as PNG and SVG with its numbers as CSV beside it."""

import pathlib
import re
from collections.abc import Mapping, Sequence

import numpy as np

from grokjax import checkpoints, figures
from grokjax.curves import shelves, statistics
from grokjax.runner import exact, settings
from grokjax.tasks import Task
from grokjax.tasks.protocol import Levels

Measured = dict[exact.Shown, dict[int, shelves.Shelf]]
Metrics = Mapping[str, np.ndarray]


def write(
    found: checkpoints.Sweep,
    metrics: Metrics,
    levels: Levels,
    shown: Measured,
    own: Sequence[settings.Setting],
) -> None:
    """Draws everything that the metrics give, into the sweep's `figures`."""
    folder, loss = found.directory / "figures", metrics["loss"]
    losses(folder, found, loss, exact.lines(levels, shown, found.task), settings.by_run(list(own)))
    label = "loss (nats)" if loss.shape[-1] == 1 else "mean loss of the digits (nats)"
    figures.heatmap(loss.mean(-1), columns="optimiser step", label=label, scale="log").save(folder / "runs")
    if found.task.finite and "test_loss" in metrics and np.isfinite(metrics["test_loss"]).any():
        for setting in own:
            train_test(folder / slug(setting.name), metrics, setting.runs)
        if groups := settings.by_run(list(own)):
            train_test(folder, metrics, range(len(loss)), groups)
    if shown:
        shelf_levels(folder, shown)
        exits(folder, found, shown)


def losses(
    folder: pathlib.Path,
    found: checkpoints.Sweep,
    loss: np.ndarray,
    lines: Levels,
    groups: Sequence[str] | None,
) -> None:
    """Draws the loss per digit of all runs, on both scales, with exact levels; a colour per setting."""
    names = [title(digit, found.task) for digit in exact.digits(found.task).values()]
    for scale in ("log", "linear"):
        plot = figures.losses(loss, scale=scale, levels=lines, names=names, groups=groups)
        plot.save(folder / f"losses_{scale}")


def train_test(
    folder: pathlib.Path, metrics: Metrics, runs: Sequence[int], groups: Sequence[str] | None = None
) -> None:
    """Train and test curves of some runs: the loss, and the accuracy; a colour per group."""
    for name, label, scale, file in (
        ("loss", "loss (nats)", "log", "train_test"),
        ("accuracy", "accuracy", "linear", "train_test_accuracy"),
    ):
        train, test = (metrics[which][runs].mean(-1) for which in (name, f"test_{name}"))
        at = metrics["test_step"]
        plot = figures.train_test(train, test, test_steps=at, label=label, scale=scale, groups=groups)
        plot.save(folder / file)


def slug(name: str) -> str:
    """The name of a setting as a folder; none for a sweep of one setting."""
    return re.sub(r"[^\w.=+-]+", "_", name)


def shelf_levels(folder: pathlib.Path, shown: Measured) -> None:
    """How many runs have a shelf at each level, with the exact levels that they fit."""
    digit = np.array([level.digit for level, runs in shown.items() for _ in runs])
    nats = np.array([shelf.level for runs in shown.values() for shelf in runs.values()])
    lines = {round(level.nats, 2): (level.known, level.nats) for level in shown if level.nats}
    plot = figures.level_histogram(nats, exact=list(lines.values()), groups=digit)
    plot.save(folder / "shelf_levels")


def exits(folder: pathlib.Path, found: checkpoints.Sweep, shown: Measured) -> None:
    """For each digit's most common shelf that fits an exact level: the share of its runs still on it."""
    curves = {}
    for digit in sorted({level.digit for level in shown if level.nats is not None}, reverse=True):
        own = [level for level in shown if level.digit == digit and level.nats is not None]
        level = max(own, key=lambda level: len(shown[level]))
        runs = shown[level].values()
        left_at = [shelf.last_step + 1 for shelf in runs]
        name = f"{title(digit, found.task).removesuffix(' (units)')}, {level.known.replace('_', ' ')}"
        curves[name.lstrip(", ")] = statistics.survival(left_at, [shelf.left for shelf in runs])
    if curves:
        figures.survival(curves).save(folder / "shelf_exits")


def title(digit: int, task: Task) -> str:
    """What a column is called."""
    if not hasattr(task, "num_digits"):
        return f"answer {digit}" if len(exact.digits(task)) > 1 else "answer"
    return "digit 0 (units)" if digit == 0 else f"digit {digit}"
