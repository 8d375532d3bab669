"""Losses against steps: every run thin, the median thick."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import SymmetricalLogLocator

from grokjax.figures import labels, style

MOST_POINTS = 400
"""Points of a curve that are drawn; of longer ones the means of equally many steps."""
SCALES = ("log", "linear")


class Thinned(NamedTuple):
    """Curves as they are drawn: the step of each point, its values, and how many steps it is the mean of."""

    step: Float[np.ndarray, " K"]
    values: Float[np.ndarray, "... K"]
    mean_of: int


def thinned(values: Float[np.ndarray, "... T"], steps: Int[np.ndarray, " T"] | None = None) -> Thinned:
    """Curves of at most `MOST_POINTS` points: means of equally many entries (of those left at the end as
    well), at their mean step.
    """
    values = np.asarray(values, float)
    steps = checked_steps(values, steps)
    many = -(-values.shape[-1] // MOST_POINTS) or 1
    starts = np.arange(0, values.shape[-1], many)
    sizes = np.diff(np.append(starts, values.shape[-1]))
    return Thinned(np.add.reduceat(steps, starts) / sizes, np.add.reduceat(values, starts, -1) / sizes, many)


def losses(
    loss: Float[np.ndarray, "S T C"],
    *,
    steps: Int[np.ndarray, " T"] | None = None,
    scale: str = "log",
    levels: Mapping[int, Sequence[tuple[str, float]]] | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """Loss (nats) of every run against optimiser steps, a panel per column, the highest digit first;
    `losses_data` has the numbers.

    scale: log or linear. levels: for a column, (name, nats) of its exact levels. names: of the columns, by
      default digit 0 (units), digit 1, ...
    """
    check_scale(scale)
    step, drawn, mean_of = thinned(np.moveaxis(loss, 1, -1), steps)
    count = drawn.shape[1]
    titles = digits(count) if names is None else names
    if len(titles) != count:
        raise ValueError(f"names has {len(titles)} entries; the loss has {count} columns")
    with style.settings():
        figure, panels = _panels(count)
        for column, axes in enumerate(panels):
            runs(axes, step, drawn[:, column], style.SKY, style.BLUE)
            axes.set_title(titles[column], loc="left")
        finish(panels, step, drawn, scale)
        figure.supxlabel(step_label(mean_of), fontsize=7.5)
        figure.supylabel("loss (nats)", fontsize=7.5)
        style.settle(figure)
        for column, axes in enumerate(panels):
            points = np.stack(np.broadcast_arrays(step, drawn[:, column]), -1).reshape(-1, 2)
            labels.horizontal(
                axes, (levels or {}).get(column, ()), points[np.isfinite(points[:, 1]) & (points[:, 1] > 0)]
            )
    return figure


def losses_data(
    loss: Float[np.ndarray, "S T C"], steps: Int[np.ndarray, " T"] | None = None
) -> dict[str, np.ndarray]:
    """The numbers that `losses` draws: for every column and point the step, the median over runs and each
    run.
    """
    step, drawn, _ = thinned(np.moveaxis(loss, 1, -1), steps)
    count = drawn.shape[1]
    each = {f"run_{run}": values.ravel() for run, values in enumerate(drawn)}
    return {
        "digit": np.repeat(np.arange(count), len(step)),
        "step": np.tile(step, count),
        "median": median(drawn).ravel(),
        **each,
    }


def digits(count: int) -> list[str]:
    """Titles of the columns of the metrics; one column needs none."""
    return ["digit 0 (units)", *(f"digit {k}" for k in range(1, count))] if count > 1 else [""]


def train_test(
    train: Float[np.ndarray, "S T"],
    test: Float[np.ndarray, "S E"],
    *,
    steps: Int[np.ndarray, " T"] | None = None,
    test_steps: Int[np.ndarray, " E"] | None = None,
    label: str = "loss (nats)",
    scale: str = "log",
) -> Figure:
    """Train and test curves of every run on one pair of axes, steps on a logarithmic axis; `train_test_data`
    has the numbers.
    """
    check_scale(scale)
    both = (sampled(train, steps), sampled(test, test_steps))
    with style.settings():
        figure, grid = style.canvas(style.SINGLE, 2.4)
        axes = grid[0, 0]
        for (step, values), thin, thick in zip(
            both, (style.SKY, style.ORANGE), (style.BLUE, style.VERMILLION), strict=True
        ):
            runs(axes, step, values, thin, thick)
        finish(
            [axes],
            np.concatenate([step for step, _ in both]),
            np.concatenate([values for _, values in both], 1),
            scale,
        )
        axes.set_xscale("symlog", linthresh=10, linscale=0.4)
        axes.xaxis.set_minor_locator(SymmetricalLogLocator(base=10, linthresh=10, subs=range(2, 10)))
        axes.set_xlabel(step_label(1))
        axes.set_ylabel(label)
        figure.draw_without_rendering()
        labels.ends(
            axes,
            ("train", "test"),
            [last(median(values)) for _, values in both],
            (style.BLUE, style.VERMILLION),
        )
        style.settle(figure)
    return figure


def train_test_data(
    train: Float[np.ndarray, "S T"],
    test: Float[np.ndarray, "S E"],
    steps: Int[np.ndarray, " T"] | None = None,
    test_steps: Int[np.ndarray, " E"] | None = None,
) -> dict[str, np.ndarray]:
    """The numbers that `train_test` draws, the points of the train curves first."""
    parts = (sampled(train, steps), sampled(test, test_steps))
    values = np.concatenate([values for _, values in parts], 1)
    return {
        "set": np.repeat(["train", "test"], [len(step) for step, _ in parts]),
        "step": np.concatenate([step for step, _ in parts]),
        "median": median(values),
        **{f"run_{run}": row for run, row in enumerate(values)},
    }


def sampled(
    values: Float[np.ndarray, "S T"], steps: Int[np.ndarray, " T"] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of at most `MOST_POINTS` entries, spaced evenly on a logarithmic axis; single steps,
    not means.
    """
    values = np.asarray(values, float)
    steps = checked_steps(values, steps)
    kept = np.unique(np.round(np.geomspace(1, max(values.shape[-1], 1), MOST_POINTS)).astype(int)) - 1
    return steps[kept].astype(float), values[:, kept]


def checked_steps(
    values: Float[np.ndarray, "... T"], steps: Int[np.ndarray, " T"] | None
) -> Int[np.ndarray, " T"]:
    """The steps of the entries, by default 0, 1, ...; raises a ValueError where they do not fit."""
    steps = np.arange(values.shape[-1]) if steps is None else np.asarray(steps)
    if steps.shape != values.shape[-1:]:
        raise ValueError(
            f"steps has shape {steps.shape}; it must be one step for each of the {values.shape[-1]} entries of a curve"
        )
    return steps


def median(values: Float[np.ndarray, "S ..."]) -> Float[np.ndarray, "..."]:
    """The median over the runs that still go on; NaN where none does."""
    middle, going = np.median(values, axis=0), np.isfinite(values).any(0)
    some = ~np.isfinite(middle) & going
    middle[some] = np.nanmedian(np.where(np.isfinite(values), values, np.nan)[:, some], axis=0)
    return middle


def last(values: Float[np.ndarray, " K"]) -> float:
    """The last value that is a number, or NaN."""
    return float(next((value for value in values[::-1] if np.isfinite(value)), np.nan))


def runs(
    axes: Axes, step: Float[np.ndarray, " K"], values: Float[np.ndarray, "S K"], thin: str, thick: str
) -> None:
    """Draw every run thin and the median thick; many runs as one picture inside the SVG, which would else be
    huge.
    """
    segments = [np.stack([step, run], 1)[np.isfinite(run)] for run in values]
    alpha = float(np.clip(4 / len(values), 0.15, 0.9))
    axes.add_collection(
        LineCollection(segments, colors=thin, linewidths=0.4, alpha=alpha, rasterized=values.size > 20_000)
    )
    axes.plot(step, median(values), color="white", linewidth=2.2)
    axes.plot(step, median(values), color=thick, linewidth=1.2)


def finish(
    panels: Sequence[Axes], step: Float[np.ndarray, " K"], values: Float[np.ndarray, "..."], scale: str
) -> None:
    """Limits that hold the medians and all runs but for their spikes, on the scale asked for."""
    seen = values[np.isfinite(values)]
    middle = median(values)
    low, high = (
        (0.0, 1.0)
        if not seen.size
        else (float(np.quantile(seen, 0.001)), float(max(np.quantile(seen, 0.99), np.nanmax(middle))))
    )
    high = high or 1.0
    for axes in panels:
        axes.set_xlim(0 if step.min() < 0.02 * step.max() else step.min(), max(step.max(), step.min() + 1))
        if scale == "log":
            axes.set_ylim(
                0.6 * max(low, 1e-13 * high), 2 * high
            )  # before the scale, which would look for positive data
            axes.set_yscale("log")
        else:
            axes.set_ylim(min(0.0, low), 1.15 * high)


def step_label(mean_of: int) -> str:
    """The label of an axis of steps."""
    return "optimiser step" if mean_of == 1 else f"optimiser step (means of {mean_of} steps)"


def check_scale(scale: str) -> None:
    """Raise a ValueError that says which scales there are."""
    if scale not in SCALES:
        raise ValueError(f"scale={scale!r} must be one of {', '.join(SCALES)}")


def _panels(count):
    """A figure with a panel per column, the highest column first in reading order; returned by column."""
    columns = {1: 1, 2: 2, 4: 2}.get(count, 3 if count <= 9 else 4)
    rows = -(-count // columns)
    figure, grid = style.canvas(
        style.SINGLE if count == 1 else style.DOUBLE,
        2.4 if count == 1 else 0.3 + 1.75 * rows,
        rows,
        columns,
        sharex=True,
        sharey=True,
    )
    for empty in grid.ravel()[count:]:
        empty.remove()
    for above in grid[rows - 2, columns - (rows * columns - count) :] if rows > 1 else ():
        above.xaxis.set_tick_params(labelbottom=True)
    return figure, list(grid.ravel()[:count])[::-1]
