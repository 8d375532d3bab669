"""Distributions over runs: where the shelves lie, and how long runs stay on them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from grokjax.figures import curves, labels, style
from grokjax.figures.plot import Plot

Survival = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Times [K], share of runs that last longer [K], ends of its band [K] and [K], times of the censored runs
[J].
"""


def level_histogram(
    levels: Float[np.ndarray, " N"],
    *,
    exact: Sequence[tuple[str, float]] = (),
    groups: Int[np.ndarray, " N"] | None = None,
    scale: str = "log",
    group: str = "digit",
    ax: Axes | None = None,
) -> Plot:
    """Draws how many shelves lie at each level (nats), stacked by `groups` (integers, named by `group`).

    exact: (name, nats) of exact levels, which are numbered dashed lines, named in the legend
    """
    curves.check_scale(scale)
    levels, groups = _checked(levels, groups)
    edges = _edges(levels, scale)
    with style.settings():
        figure, axes = style.panel(ax, style.DOUBLE, 2.2)
        bottom = np.zeros(len(edges) - 1)
        for k, one in enumerate(np.unique(groups)):
            count = np.histogram(levels[groups == one], edges)[0]
            look: Any = {
                "color": style.CYCLE[k % len(style.CYCLE)],
                "linewidth": 0,
                "label": f"{group} {one}",
            }
            axes.bar(edges[:-1], count, np.diff(edges), bottom, align="edge", **look)
            bottom += count
        axes.set_xscale(scale)
        axes.set_ylim(0, 1.05 * bottom.max() or 1.0)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_xlabel("level of the shelf (nats)")
        axes.set_ylabel("shelves")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        figure.draw_without_rendering()
        labels.vertical(axes, exact)
        if len(np.unique(groups)) > 1 or exact:
            place: Any = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "frameon": False}
            axes.legend(handlelength=1.2, handleheight=0.8, **place)
        style.settle(figure, ax)
    return Plot(figure, _level_histogram_data(levels, groups=groups, scale=scale, group=group))


def _level_histogram_data(
    levels: Float[np.ndarray, " N"],
    *,
    groups: Int[np.ndarray, " N"] | None = None,
    scale: str = "log",
    group: str = "digit",
) -> dict[str, np.ndarray]:
    """The bars that `level_histogram` draws: for every group and bin its ends (nats) and its shelves."""
    levels, groups = _checked(levels, groups)
    edges, names = _edges(levels, scale), np.unique(groups)
    counts = [np.histogram(levels[groups == one], edges)[0] for one in names]
    return {
        group: np.repeat(names, len(edges) - 1),
        "from": np.tile(edges[:-1], len(names)),
        "to": np.tile(edges[1:], len(names)),
        "shelves": np.concatenate(counts) if counts else np.zeros(0, int),
    }


def survival(
    found: Mapping[str, Survival],
    *,
    xlabel: str = "optimiser step",
    ylabel: str = "share of runs still on the shelf",
    ax: Axes | None = None,
) -> Plot:
    """Kaplan-Meier curves with their bands, a tick for every censored run; each curve is named at its end, or
    all of them beside the axes where some end together.
    """
    with style.settings():
        figure, axes = style.panel(ax, style.SINGLE, 2.4)
        colours = [style.CYCLE[k % len(style.CYCLE)] for k in range(len(found))]
        end = max((float(time[-1]) for time, *_ in found.values()), default=1.0)
        for (name, (time, share, low, high, censored)), colour in zip(found.items(), colours, strict=True):
            axes.fill_between(time, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
            axes.step(time, share, where="post", color=colour, linewidth=1.2, label=name)
            height = np.asarray(share)[np.searchsorted(time, censored, "right") - 1]
            axes.plot(
                censored,
                height,
                linestyle="none",
                marker="|",
                markersize=5,
                markeredgewidth=0.8,
                color=colour,
            )
        axes.set_xlim(0, 1.02 * end)
        axes.set_ylim(0, 1.03)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        figure.draw_without_rendering()
        ends = [float(share[-1]) for _, share, *_ in found.values()]
        if len(set(ends)) < len(ends):
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        else:
            labels.ends(axes, list(found), ends, colours)
        style.settle(figure, ax)
    return Plot(figure, _survival_data(found))


def _survival_data(found: Mapping[str, Survival]) -> dict[str, np.ndarray]:
    """The numbers that `survival` draws: for every curve and time the share, its band and how many runs were
    censored then.
    """
    names = np.repeat(list(found), [len(curve[0]) for curve in found.values()])
    time, share, low, high = (np.concatenate([curve[k] for curve in found.values()]) for k in range(4))
    censored = np.concatenate([np.isclose(curve[0][:, None], curve[4]).sum(1) for curve in found.values()])
    return {"curve": names, "time": time, "share": share, "low": low, "high": high, "censored": censored}


def _checked(levels, groups):
    levels = np.asarray(levels, float)
    groups = np.zeros(len(levels), int) if groups is None else np.asarray(groups)
    if levels.shape != groups.shape:
        raise ValueError(
            f"groups has shape {groups.shape}; it must be one integer for each of the {len(levels)} levels"
        )
    return levels, groups


def _edges(levels, scale):
    """120 bins of one width on the scale, from below the lowest level to above the highest."""
    if scale == "linear":
        return np.linspace(0, 1.05 * max(levels, default=1.0) or 1.0, 121)
    positive = levels[levels > 0]
    low, high = (positive.min(), positive.max()) if len(positive) else (0.1, 1.0)
    return np.geomspace(low / 1.1, high * 1.1, 121)
