"""Stretches that were found on curves: on single ones, or those of many runs by when and at which level."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from grokjax.figures import curves as curve_figures
from grokjax.figures import labels, style
from grokjax.figures.plot import Plot

Stretch = tuple[float, int, int]
"""Level (nats), first and last step."""


def shelves(
    curves: Sequence[Float[np.ndarray, " T"]],
    found: Sequence[Sequence[Stretch]],
    *,
    truth: Sequence[Sequence[Stretch]] | None = None,
    names: Sequence[str] | None = None,
    scale: str = "linear",
) -> Plot:
    """Loss curves (nats), a panel each, with a bar on every shelf found; where the truth is known it lies
    below as a broader pale bar.
    """
    curve_figures.check_scale(scale)
    if len(curves) != len(found) or (truth is not None and len(truth) != len(curves)):
        raise ValueError(
            f"found has {len(found)} entries for {len(curves)} curves; found and truth must have one for each"
        )
    columns = min(len(curves), 3)
    rows = -(-len(curves) // columns)
    with style.settings():
        figure, grid = style.canvas(
            style.DOUBLE if columns > 1 else style.SINGLE, 0.3 + 1.45 * rows, rows, columns
        )
        for k, axes in enumerate(grid.ravel()):
            if k >= len(curves):
                axes.remove()
                continue
            length = len(curves[k])
            axes.plot(range(length), curves[k], color="0.6", linewidth=0.4, rasterized=length > 2000)
            _bars(axes, truth[k] if truth is not None else (), color=style.ORANGE, alpha=0.45, linewidth=6)
            _bars(axes, found[k], color=style.BLUE, linewidth=1.6)
            axes.set_yscale(scale)
            axes.set_xlim(0, length)
            axes.set_title(names[k] if names else "", loc="left")
        figure.supxlabel("optimiser step", fontsize=7.5)
        figure.supylabel("loss (nats)", fontsize=7.5)
        style.settle(figure)
    return Plot(figure, _shelves_data(curves, found))


def _bars(axes: Axes, stretches: Sequence[Stretch], **look: Any) -> None:
    """A line from the first to the last step of each stretch, at its level."""
    for level, first, last in stretches:
        axes.plot([first, last], [level, level], solid_capstyle="butt", **look)


def _shelves_data(
    curves: Sequence[Float[np.ndarray, " T"]], found: Sequence[Sequence[Stretch]]
) -> dict[str, np.ndarray]:
    """The numbers that `shelves` draws: for every curve and step the loss and the level of the shelf found
    there (NaN beside shelves).
    """
    levels = [np.full(len(curve), np.nan) for curve in curves]
    for values, stretches in zip(levels, found, strict=True):
        for level, first, last in stretches:
            values[first : last + 1] = level
    lengths = [len(curve) for curve in curves]
    return {
        "curve": np.repeat(np.arange(len(curves)), lengths),
        "step": np.concatenate([np.arange(length) for length in lengths]),
        "loss": np.concatenate(curves),
        "shelf": np.concatenate(levels),
    }


def shelf_map(
    found: Mapping[str, Sequence[Stretch]],
    *,
    levels: Mapping[str, Sequence[tuple[str, float]]] | None = None,
    scale: str = "log",
) -> Plot:
    """The shelves of many runs, a panel per title: each a line from its first to its last step at its level
    (nats).

    levels: for a title, (name, nats) of its exact levels, drawn as dashed lines.
    Panels share their axis of steps unless one ends before half of it.
    """
    curve_figures.check_scale(scale)
    columns = min(len(found), 2 if len(found) <= 4 else 3)
    rows = -(-len(found) // columns)
    width = style.DOUBLE if columns > 1 else style.SINGLE
    seen = np.array([level for stretches in found.values() for level, *_ in stretches if level > 0] or [1.0])
    ends = [max((last for *_, last in stretches), default=0) for stretches in found.values()]
    end = max([*ends, 1])
    alike = min(own or end for own in ends) > end / 2 if ends else True
    with style.settings():
        figure, grid = style.canvas(width, 0.4 + 1.9 * rows, rows, columns, sharex=alike, sharey=True)
        for empty in grid.ravel()[len(found) :]:
            empty.remove()
        for above in grid[rows - 2, columns - (rows * columns - len(found)) :] if rows > 1 else ():
            above.xaxis.set_tick_params(labelbottom=True)
        for axes, (title, stretches), own in zip(grid.ravel(), found.items(), ends, strict=False):
            _bars(axes, stretches, color=style.BLUE, alpha=0.5, linewidth=1.2)
            axes.set_title(title, loc="left")
            axes.set_xlim(0, end if alike else own or end)
        axes.set_yscale(scale)
        axes.set_ylim((0.6 * seen.min(), 1.8 * seen.max()) if scale == "log" else (0, 1.1 * seen.max()))
        figure.supxlabel("optimiser step", fontsize=7.5)
        figure.supylabel("level of the shelf (nats)", fontsize=7.5)
        style.settle(figure)
        for axes, (title, stretches) in zip(figure.axes, found.items(), strict=True):
            drawn = np.array(
                [(step, level) for level, first, last in stretches for step in np.linspace(first, last, 20)]
            ).reshape(-1, 2)
            labels.horizontal(axes, (levels or {}).get(title, ()), drawn)
    return Plot(figure, _shelf_map_data(found))


def _shelf_map_data(found: Mapping[str, Sequence[Stretch]]) -> dict[str, np.ndarray]:
    """The numbers that `shelf_map` draws, a line per shelf."""
    rows = [(title, *stretch) for title, stretches in found.items() for stretch in stretches]
    return {
        name: np.array([row[i] for row in rows])
        for i, name in enumerate(("panel", "level", "first_step", "last_step"))
    }
