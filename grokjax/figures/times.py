"""When each run got somewhere: a row of dots for each setting, runs that never did at the end of the row."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.ticker import LogLocator, NullFormatter

from grokjax.figures import style
from grokjax.figures.plot import Plot

Event = tuple[Float[np.ndarray, " S"], Bool[np.ndarray, " S"]]
"""When each run got there (steps), and whether it did; one that did not lasted so long at least."""


def times(rows: Mapping[str, Mapping[str, Event]], *, xlabel: str = "optimiser step") -> Plot:
    """Draws a dot for every run and event, on a logarithmic axis; the same events have the same colour.

    rows: for each setting its events by name, (time, ended), as `statistics.Times` is
    A run that never got there is an arrow at the step that it had reached. The median is a bar, where at
    least half of the runs got there. Right of the row stands how many did, in the order of the legend.
    """
    if not rows:
        raise ValueError("rows is empty; it must have at least one setting")
    names = list(dict.fromkeys(name for events in rows.values() for name in events))
    with style.settings():
        figure, grid = style.canvas(style.DOUBLE, 0.8 + 0.17 * len(rows) * max(len(names), 1))
        axes = grid[0, 0]
        axes.set_xscale("log")
        for place, events in enumerate(rows.values()):
            for name, event in events.items():
                k = names.index(name)
                height = place + (k - (len(names) - 1) / 2) * 0.7 / len(names)
                _row(axes, height, event, style.CYCLE[k % len(style.CYCLE)], 0.3 / len(names))
        for k, name in enumerate(names):
            axes.plot([], [], "o", markersize=3, color=style.CYCLE[k % len(style.CYCLE)], label=name)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(xlabel)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        counts = axes.secondary_yaxis("right")
        counts.set_yticks(range(len(rows)), [_counted(events) for events in rows.values()])
        counts.tick_params(length=0)
        counts.spines["right"].set_visible(False)
        look = dict(transform=axes.transAxes, fontsize=6.5, va="bottom")
        axes.text(1.01, 1.0, f"runs: {', '.join(names)}", **look)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(names), frameon=False)
        style.settle(figure)
    return Plot(figure, _times_data(rows))


def _row(axes, height, event, colour, half):
    """The dots and arrows of one event, and the bar of its median."""
    time, ended = (np.asarray(part) for part in event)
    spread = height + half * np.linspace(-1, 1, len(time)) if len(time) > 1 else np.array([height])
    at = np.maximum(time, 1)  # a run may be there before its first step
    look = dict(linestyle="none", color=colour, alpha=0.7, markeredgewidth=0)
    axes.plot(at[ended], spread[ended], marker="o", markersize=3, **look)
    axes.plot(at[~ended], spread[~ended], marker=r"$\rightarrow$", markersize=5, **look)
    if ended.mean() >= 0.5:
        middle = float(np.median(np.where(ended, at, np.inf)))
        if np.isfinite(middle):
            axes.plot([middle] * 2, [height - 2 * half, height + 2 * half], color=colour, linewidth=1.5)


def _counted(events):
    """How many runs of each event got there: 8, 7 of 8."""
    found = [int(np.asarray(ended).sum()) for _, ended in events.values()]
    runs = max(len(ended) for _, ended in events.values())
    return f"{', '.join(map(str, found))} of {runs}"


def _times_data(rows: Mapping[str, Mapping[str, Event]]) -> dict[str, np.ndarray]:
    """The numbers that `times` draws, a line per run and event: setting, event, time, ended."""
    lines = [
        (row, name, float(t), bool(over))
        for row, events in rows.items()
        for name, (time, ended) in events.items()
        for t, over in zip(time, ended, strict=True)
    ]
    return {
        name: np.array([line[i] for line in lines])
        for i, name in enumerate(("row", "event", "time", "ended"))
    }
