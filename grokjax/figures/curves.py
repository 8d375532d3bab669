"""Losses against steps: every run thin, the median thick."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from grokjax.figures import labels, series, style
from grokjax.figures.plot import Plot

SCALES = ("log", "linear")


def losses(
    loss: Any,
    *,
    steps: Int[np.ndarray, " T"] | None = None,
    scale: str = "log",
    levels: Mapping[int, Sequence[tuple[str, float]]] | None = None,
    names: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
) -> Plot:
    """Draws the loss (nats) of every run against optimiser steps, a panel per column, the highest first.

    loss: [S, T, C], or a sweep, or the list of the epochs of `train`;  scale: log or linear
    levels: for a column, (name, nats) of its exact levels
    names: of the columns, by default digit 0 (units), digit 1, ...
    groups: of each run what it was trained with; every group has a colour and a median of its own
    Raises ValueError where the lengths do not fit each other.
    """
    check_scale(scale)
    found = series.metrics_of(loss)
    loss = np.asarray(loss if found is None else found["loss"], float)
    if loss.ndim != 3:
        raise ValueError(f"loss has shape {loss.shape}; it must be [runs, steps, columns], or a sweep")
    step, drawn, mean_of = series.thinned(np.moveaxis(loss, 1, -1), steps)
    count = drawn.shape[1]
    titles = digits(count) if names is None else names
    if len(titles) != count:
        raise ValueError(f"names has {len(titles)} entries; the loss has {count} columns")
    members = grouped(groups, len(drawn))
    with style.settings():
        figure, panels = _panels(count)
        for column, axes in enumerate(panels):
            for (name, own), (thin, thick) in zip(members.items(), colours(len(members)), strict=True):
                runs(axes, step, drawn[own, column], thin, thick, name)
            axes.set_title(titles[column], loc="left")
        finish(panels, step, drawn, scale)
        figure.supxlabel(step_label(mean_of), fontsize=7.5)
        figure.supylabel("loss (nats)", fontsize=7.5)
        style.legend(figure, list(members))
        style.settle(figure)
        for column, axes in enumerate(panels):
            points = np.stack(np.broadcast_arrays(step, drawn[:, column]), -1).reshape(-1, 2)
            labels.horizontal(
                axes, (levels or {}).get(column, ()), points[np.isfinite(points[:, 1]) & (points[:, 1] > 0)]
            )
    return Plot(figure, _losses_data(step, drawn, members))


def _losses_data(step, drawn, members):
    """The numbers that `losses` draws, a line per column and step: the medians, then every run."""
    count = drawn.shape[1]
    medians = {f"median {name}".strip(): series.median(drawn[own]).ravel() for name, own in members.items()}
    each = {f"run_{run}": values.ravel() for run, values in enumerate(drawn)}
    return {"digit": np.repeat(np.arange(count), len(step)), "step": np.tile(step, count)} | medians | each


def grouped(groups: Sequence[str] | None, count: int) -> dict[str, Int[np.ndarray, " n"]]:
    """Returns the runs of each group by its name, in the order in which the names first occur."""
    names = [""] * count if groups is None else [str(name) for name in groups]
    if len(names) != count:
        raise ValueError(f"groups has {len(names)} entries; there are {count} runs")
    return {name: np.flatnonzero([name == other for other in names]) for name in dict.fromkeys(names)}


def colours(count: int) -> list[tuple[str, str]]:
    """Returns a colour for single runs and one for their median, for each of so many groups."""
    if count == 1:
        return [(style.SKY, style.BLUE)]
    return [(style.CYCLE[k % len(style.CYCLE)],) * 2 for k in range(count)]


def digits(count: int) -> list[str]:
    """Titles of the columns of the metrics; one column needs none."""
    return ["digit 0 (units)", *(f"digit {k}" for k in range(1, count))] if count > 1 else [""]


def runs(
    axes: Axes,
    step: Float[np.ndarray, " K"],
    values: Float[np.ndarray, "S K"],
    thin: str,
    thick: str,
    name: str = "",
    dash: Any = "solid",
) -> None:
    """Draws every run thin and the median thick, both with dashes where they are given.

    Many runs are one picture inside the SVG, which would else be huge.
    """
    segments = [np.stack([step, run], 1)[np.isfinite(run)] for run in values]
    alpha = float(np.clip(4 / len(values), 0.15, 0.9))
    axes.add_collection(
        LineCollection(
            segments,
            colors=thin,
            linewidths=0.4,
            alpha=alpha,
            linestyles=dash,
            rasterized=values.size > 20_000,
        )
    )
    axes.plot(step, series.median(values), color="white", linewidth=2.2)
    axes.plot(step, series.median(values), color=thick, linewidth=1.2, linestyle=dash, label=name or None)


def finish(
    panels: Sequence[Axes], step: Float[np.ndarray, " K"], values: Float[np.ndarray, "..."], scale: str
) -> None:
    """Limits that hold the medians and all runs but for their spikes, on the scale asked for."""
    seen = values[np.isfinite(values)]
    middle = series.median(values)
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
