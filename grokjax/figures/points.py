"""Estimates with their intervals at each of several settings, a few series beside each other."""

import collections
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from grokjax.figures import curves, labels, style
from grokjax.figures.plot import Plot

MARKERS = "osD^vPX"
MOST_TICKS, MOST_MARKERS = 8, 40
LETTERS = 13
"""Letters that stand beside each other in an inch of a panel's share of the width; longer rows of names stand
upright.
"""


class Points(NamedTuple):
    """One series: where its points lie (numbers, or names of places in a row), and (value, low, high) of
    each; None: not determined.

    A point of which only the low end is known is an arrow up there: it lies higher. One of which only the
    high end is known is an arrow down. An interval of which one end is not determined goes on to the panel's
    edge. Points of one series at one place, such as its runs, stand beside each other and shine through.
    """

    at: Sequence[float] | Sequence[str]
    estimates: Sequence[tuple[float | None, float | None, float | None]]

    @classmethod
    def of_runs(cls, at: Sequence[float] | Sequence[str], values: Iterable[Iterable[float]]) -> "Points":
        """Returns a point for every run, without intervals: values[i] are those of the runs at at[i]."""
        each = [[float(x) for x in of] for of in values]
        where: list[Any] = [place for place, of in zip(at, each, strict=True) for _ in of]
        return cls(where, [(x, None, None) for of in each for x in of])


Panels = Mapping[str, Mapping[str, Points]]


def points(
    panels: Panels,
    *,
    xlabel: str | Mapping[str, str],
    ylabel: str | Mapping[str, str],
    scale: str = "linear",
    xscale: str = "linear",
    joined: bool | Collection[str] = True,
    levels: Mapping[str, Sequence[tuple[str, float]]] | None = None,
    legend: str = "",
    sharey: bool = True,
) -> Plot:
    """Draws a panel per title with all its series: points, joined by lines, and bars for their intervals.

    xlabel, ylabel: one for all panels, or each title's own;  legend: what the series are
    joined: False leaves the lines out, titles keep those of these panels; named places are never joined
    levels: for a title, (name, value) of dashed lines;  sharey: False where panels show different quantities
    """
    curves.check_scale(scale)
    curves.check_scale(xscale)
    if not panels:
        raise ValueError("panels is empty; it must have at least one title")
    columns = len(panels) if len(panels) <= 3 else 2 if len(panels) == 4 else 3
    rows = -(-len(panels) // columns)
    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    with style.settings():
        figure, grid = style.canvas(style.DOUBLE, 0.6 + 1.9 * rows, rows, columns, sharey=sharey)
        for empty in grid.ravel()[len(panels) :]:
            empty.remove()
        for axes, (title, series) in zip(grid.ravel(), panels.items(), strict=False):
            axes.set_xlabel("" if isinstance(xlabel, str) else xlabel[title])
            axes.set_ylabel("" if isinstance(ylabel, str) else ylabel[title])
            axes.set_xscale(xscale)
            if scale == "log":
                _logarithmic(axes, series)
            _panel(axes, title, series, names, joined if isinstance(joined, bool) else title in joined)
        if isinstance(xlabel, str):
            figure.supxlabel(xlabel, fontsize=7.5)
        if isinstance(ylabel, str):
            figure.supylabel(ylabel, fontsize=7.5)
        style.legend(figure, names, legend)
        style.settle(figure)
        for axes in figure.axes:
            labels.horizontal(axes, (levels or {}).get(axes.get_title("left"), ()), _drawn(axes))
    return Plot(figure, _points_data(panels))


def _drawn(axes: Axes) -> np.ndarray:
    """The points [N, 2] on a panel, from which names of levels keep away."""
    points = np.concatenate([np.zeros((0, 2)), *(line.get_xydata() for line in axes.lines)])
    return points[np.isfinite(points).all(1)]


def _points_data(panels: Panels) -> dict[str, np.ndarray]:
    """The numbers that `points` draws, a line per point: panel, series, at, value, low, high."""
    rows = [
        (title, name, x, *(np.nan if end is None else float(end) for end in estimate))
        for title, series in panels.items()
        for name, one in series.items()
        for x, estimate in zip(one.at, one.estimates, strict=True)
    ]
    return {
        name: np.array([row[i] for row in rows])
        for i, name in enumerate(("panel", "series", "at", "value", "low", "high"))
    }


def _panel(axes: Axes, title: str, series: Mapping[str, Points], names: Sequence[str], joined: bool) -> None:
    """All series of one panel, and a tick at each of their places."""
    axes.set_title(title, loc="left")
    at = [x for one in series.values() for x in one.at]
    places = list(dict.fromkeys(x for x in at if isinstance(x, str)))
    numbers = sorted({float(x) for x in at if not isinstance(x, str)})
    gap = min(np.diff(numbers), default=1.0)
    for index, (name, one) in enumerate(series.items()):
        side = (index - (len(series) - 1) / 2) / len(series)
        beside = [side + away / len(series) for away in _apart(one.at)]
        drawn = [
            places.index(x) + 0.6 * aside
            if isinstance(x, str)
            else x * 1.06**aside
            if axes.get_xscale() == "log"
            else x + 0.25 * gap * aside
            for x, aside in zip(list[Any](one.at), beside, strict=True)
        ]
        _draw(axes, name, np.array(drawn, float), one, names, joined)
    _ticks(axes, at, places)


def _apart(at: Sequence[float] | Sequence[str]) -> list[float]:
    """How far each point stands from the middle of those at its place, between -.5 and .5."""
    counts, seen = collections.Counter[Any](at), collections.Counter[Any]()
    apart = []
    for x in at:
        apart.append((seen[x] - (counts[x] - 1) / 2) / counts[x])
        seen[x] += 1
    return apart


def _logarithmic(axes: Axes, series: Mapping[str, Points]) -> None:
    """A logarithmic axis of the values, where one of them can be drawn on it."""
    estimates = [estimate for one in series.values() for estimate in one.estimates]
    if any(end is not None and end > 0 for estimate in estimates for end in estimate):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())


def _draw(axes: Axes, name: str, at: np.ndarray, one: Points, names: Sequence[str], joined: bool) -> None:
    """One series: its points, their bars, and arrows where an end is not determined."""
    index = names.index(name)
    ends = np.array(
        [[np.nan if end is None else end for end in estimate] for estimate in one.estimates], float
    )
    value, low, high = ends.reshape(-1, 3).T
    crowded = len(set(one.at)) < len(one.at)
    look: dict[str, Any] = {
        "color": style.CYCLE[index % len(style.CYCLE)],
        "markersize": 2.5 if crowded else 3.5,
    }
    top = np.where(np.isfinite(high), high, value)
    bottom = np.where(np.isfinite(low), low, value)
    axes.vlines(at, bottom, top, color=look["color"], linewidth=0.9)
    named = any(isinstance(x, str) for x in one.at)
    axes.plot(
        at,
        value,
        linestyle="-" if joined and not crowded and not named else "none",
        linewidth=0.7,
        marker="" if joined and len(at) > MOST_MARKERS else MARKERS[index % len(MARKERS)],
        alpha=0.6 if crowded else 1,
        label=name,
        **look,
    )
    for end, other, arrow, edge in ((low, high, r"$\uparrow$", 1), (high, low, r"$\downarrow$", 0)):
        half = np.isfinite(end) & ~np.isfinite(other)
        beyond = ~np.isfinite(value) & half
        axes.plot(at[beyond], end[beyond], linestyle="none", marker=arrow, **{**look, "markersize": 7})
        for x, y in zip(at[~beyond & half], value[~beyond & half], strict=True):
            axes.annotate(
                "",
                xy=(x, edge),
                xycoords=("data", "axes fraction"),
                xytext=(x, y),
                textcoords="data",
                arrowprops=dict(arrowstyle="->", color=look["color"], linewidth=0.9, shrinkA=0, shrinkB=0),
            ).set_in_layout(False)


def _ticks(axes: Axes, at: Sequence[float | str], places: Sequence[str]) -> None:
    """A tick at every setting where there are few."""
    if places:
        grid = axes.get_subplotspec()
        inches = axes.figure.bbox.width / axes.figure.dpi
        upright = sum(len(place) + 2 for place in places) > LETTERS * inches / (
            grid.get_gridspec().ncols if grid else 1
        )
        axes.set_xticks(range(len(places)), places, rotation=90 if upright else 0)
        axes.set_xlim(-0.6, len(places) - 0.4)
    elif len(numbers := sorted({float(x) for x in at})) <= MOST_TICKS:
        axes.set_xticks(numbers, [f"{x:g}" for x in numbers])
        axes.xaxis.set_minor_locator(NullLocator())
    elif axes.get_xscale() == "log":
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
