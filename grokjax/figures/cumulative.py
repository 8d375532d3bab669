"""Distributions beside their controls."""

from collections.abc import Mapping

import numpy as np

from grokjax.figures import style
from grokjax.figures.plot import Plot

MOST_POINTS = 400
"""Steps of a curve that are drawn; of more values quantiles."""

Panels = Mapping[str, Mapping[str, np.ndarray]]


def cumulative(panels: Panels, *, xlabel: str, ylabel: str = "share at or below", legend: str = "") -> Plot:
    """A panel per title: for each series of values the share of them at or below x. Values that are not
    finite take no part.
    """
    if not panels:
        raise ValueError("panels is empty; it must have at least one title")
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    with style.settings():
        figure, grid = style.canvas(style.DOUBLE, 0.6 + 1.75 * rows, rows, columns, sharex=True, sharey=True)
        for empty in grid.ravel()[len(panels) :]:
            empty.remove()
        for axes, (title, series) in zip(grid.ravel(), panels.items(), strict=False):
            axes.set_title(title, loc="left")
            axes.set_ylim(0, 1.02)
            for name, values in series.items():
                colour = style.CYCLE[names.index(name) % len(style.CYCLE)]
                axes.step(*_curve(values), where="post", label=name, linewidth=1.2, color=colour)
        for above in grid[rows - 2, columns - (rows * columns - len(panels)) :] if rows > 1 else ():
            above.xaxis.set_tick_params(labelbottom=True)
        figure.supxlabel(xlabel, fontsize=7.5)
        figure.supylabel(ylabel, fontsize=7.5)
        style.legend(figure, names, legend)
        style.settle(figure)
    return Plot(figure, _cumulative_data(panels))


def _cumulative_data(panels: Panels) -> dict[str, np.ndarray]:
    """The curves that `cumulative` draws, a line per step: panel, series, value, share."""
    rows = [
        (title, name, x, y)
        for title, series in panels.items()
        for name, values in series.items()
        for x, y in zip(*_curve(values), strict=True)
    ]
    return {
        name: np.array([row[i] for row in rows])
        for i, name in enumerate(("panel", "series", "value", "share"))
    }


def _curve(values):
    """Ascending values and the share of them at or below each; (nothing, nothing) of no values."""
    values = np.sort(np.asarray(values, float)[np.isfinite(values)])
    if len(values) > MOST_POINTS:
        share = np.linspace(0, 1, MOST_POINTS)
        return np.quantile(values, share), share
    return values, np.arange(1, len(values) + 1) / max(len(values), 1)
