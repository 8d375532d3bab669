"""The pictures of a sweep, each as PNG and SVG with its numbers as CSV beside it."""

import numpy as np

from grokjax import checkpoints, figures
from grokjax.curves import shelves, statistics
from grokjax.runner import exact

Measured = dict[exact.Shown, dict[int, shelves.Shelf]]


def write(found: checkpoints.Sweep, loss: np.ndarray, levels: exact.Levels, shown: Measured) -> None:
    """Everything that the metrics give, into the sweep's `figures`."""
    folder, mean = found.directory / "figures", loss.mean(-1)
    losses(found, loss, exact.lines(levels, shown, found.task))
    step, label = "optimiser step", "loss (nats)" if loss.shape[-1] == 1 else "mean loss of the digits (nats)"
    figures.save(
        figures.heatmap(mean, columns=step, label=label, scale="log"),
        folder / "runs",
        figures.heatmap_data(mean, columns=step, label=label),
    )
    if found.task.finite and "test_loss" in found.metrics:
        test, steps = found.metrics["test_loss"].mean(-1), found.metrics["test_step"]
        figures.save(
            figures.train_test(mean, test, test_steps=steps),
            folder / "train_test",
            figures.train_test_data(mean, test, test_steps=steps),
        )
    if shown:
        shelf_levels(found, shown)
        exits(found, shown)


def losses(found: checkpoints.Sweep, loss: np.ndarray, lines: exact.Levels) -> None:
    """Loss per digit of all runs, on both scales, with the exact levels."""
    names = [title(digit, found.task) for digit in exact.digits(found.task).values()]
    for scale in ("log", "linear"):
        figures.save(
            figures.losses(loss, scale=scale, levels=lines, names=names),
            found.directory / "figures" / f"losses_{scale}",
            figures.losses_data(loss),
        )


def shelf_levels(found: checkpoints.Sweep, shown: Measured) -> None:
    """How many runs have a shelf at each level, with the exact levels that they fit."""
    digit = np.array([level.digit for level, runs in shown.items() for _ in runs])
    nats = np.array([shelf.level for runs in shown.values() for shelf in runs.values()])
    lines = {round(level.nats, 2): (level.known, level.nats) for level in shown if level.nats}
    figures.save(
        figures.level_histogram(nats, exact=list(lines.values()), groups=digit),
        found.directory / "figures" / "shelf_levels",
        figures.level_histogram_data(nats, groups=digit),
    )


def exits(found: checkpoints.Sweep, shown: Measured) -> None:
    """Of each digit's most common shelf that fits an exact level, the share of its runs that have not left
    it.
    """
    curves = {}
    for digit in sorted({level.digit for level in shown if level.nats is not None}, reverse=True):
        own = [level for level in shown if level.digit == digit and level.nats is not None]
        level = max(own, key=lambda level: len(shown[level]))
        runs = shown[level].values()
        survival = statistics.survival(
            [shelf.last_step + 1 for shelf in runs], [shelf.left for shelf in runs]
        )
        curves[
            f"{title(digit, found.task).removesuffix(' (units)')}, {level.known}".lstrip(", ").replace(
                "_", " "
            )
        ] = survival
    if curves:
        figures.save(
            figures.survival(curves),
            found.directory / "figures" / "shelf_exits",
            figures.survival_data(curves),
        )


def title(digit: int, task: object) -> str:
    """What a column is called."""
    if not hasattr(task, "num_digits"):
        return f"answer {digit}"
    return "digit 0 (units)" if digit == 0 else f"digit {digit}"
