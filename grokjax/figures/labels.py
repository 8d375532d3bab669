"""Labels beside what they name, moved apart where they would overlap."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

SIZE = 6.5
"""Type size of the names of levels, in points."""
PAPER = {"facecolor": "white", "alpha": 0.6, "linewidth": 0, "pad": 0.4}
"""Behind a name that may lie on curves; path effects would turn the text of an SVG into outlines."""


def spread(
    wanted: ArrayLike, sizes: ArrayLike, low: float = 0.0, high: float = 1.0
) -> Float[np.ndarray, " N"]:
    """Returns centres as near as possible to the wanted ones, in their order, in bounds, without overlaps.

    sizes: the extent of each label, or one for all; they shrink together where there is no room for all
    """
    wanted = np.asarray(wanted, float)
    if not len(wanted):
        return wanted
    order = np.argsort(wanted, kind="stable")
    sizes = np.broadcast_to(np.asarray(sizes, float), wanted.shape)[order]
    apart = np.concatenate([[0.0], np.cumsum((sizes[1:] + sizes[:-1]) / 2)])
    apart *= min(1.0, (high - low) / apart[-1]) if apart[-1] else 1.0
    nearest = isotonic_regression(wanted[order] - apart).x
    out = np.empty(len(order))
    out[order] = np.clip(nearest, low, max(low, high - apart[-1])) + apart
    return out


def horizontal(axes: Axes, levels: Sequence[tuple[str, float]], curves: Float[np.ndarray, "N 2"]) -> None:
    """Marks the levels that the y axis shows by dashed lines, named where fewest points of `curves` lie.

    The names of a bundle of lines stand above it, or below where that is full.
    """
    low, high = axes.get_ylim()
    shown = sorted((nats, name) for name, nats in levels if low < nats < high)
    if not shown:
        return
    width, height = _points(axes)
    fraction = lambda points: axes.transAxes.inverted().transform(axes.transData.transform(points))
    lines, points = fraction([(1, nats) for nats, _ in shown])[:, 1], fraction(curves)
    centres = beside(lines, 1.2 * SIZE / height)
    for (nats, name), y in zip(shown, centres, strict=True):
        axes.axhline(nats, color="black", linewidth=0.5, dashes=(4, 3), zorder=4)
        text = _named(name, nats)
        near = points[np.abs(points[:, 1] - y) < 0.8 * SIZE / height, 0]
        x, side = free_place(near, 0.6 * SIZE * len(text) / width)
        look: Any = {"ha": side, "va": "center", "fontsize": SIZE, "bbox": PAPER, "zorder": 6}
        axes.text(x, y, text, transform=axes.transAxes, **look)


def free_place(near: Float[np.ndarray, " n"], wide: float) -> tuple[float, str]:
    """Returns where a name of some width (of the axes, 0 to 1) covers fewest points, and its alignment.

    near: the places along the axis of the points at the height of the name. The right end is preferred.
    """
    places = [(0.995, "right"), (0.01, "left"), *((x, "left") for x in np.arange(0.9 - wide, 0.05, -0.05))]

    def covered(place: tuple[float, str]) -> int:
        x, side = place
        start = x - wide if side == "right" else x
        return int(((near > start - 0.01) & (near < start + wide + 0.01)).sum())

    return min(places, key=covered)


def beside(lines: ArrayLike, height: float) -> Float[np.ndarray, " N"]:
    """Centres for labels of ascending lines (0 to 1), so that no line crosses one: above each bundle, or
    below where that is full.

    Where neither has room they stand above, over the next line rather than over the names of the last one.
    """
    lines = np.asarray(lines, float)
    bundles = [[0]]
    for k in range(1, len(lines)):
        near = lines[k] - lines[bundles[-1][-1]] < 1.3 * height
        bundles = [*bundles[:-1], [*bundles[-1], k]] if near else [*bundles, [k]]
    centres, floor = np.empty(len(lines)), 0.0
    for i, bundle in enumerate(bundles):
        ceiling = lines[bundles[i + 1][0]] if i + 1 < len(bundles) else 1.06
        size = height * len(bundle)
        up = lines[bundle[-1]] + size <= ceiling or lines[bundle[0]] - size < floor
        start = lines[bundle[-1]] + 0.12 * height if up else lines[bundle[0]] - size - 0.02 * height
        centres[bundle] = start + height * (np.arange(len(bundle)) + 0.5)
        floor = start + size if up else lines[bundle[-1]]
    return centres


def vertical(axes: Axes, levels: Sequence[tuple[str, float]]) -> None:
    """Marks the levels that the x axis shows by numbered dashed lines; the legend tells what they are."""
    low, high = axes.get_xlim()
    shown = sorted((nats, name) for name, nats in levels if low <= nats <= high)
    if not shown:
        return
    at = axes.transAxes.inverted().transform(axes.transData.transform([(nats, 0) for nats, _ in shown]))[:, 0]
    places = spread(at, 1.6 * SIZE / _points(axes)[0], 0.0, 1.0)
    for number, ((nats, name), x, line) in enumerate(zip(shown, places, at, strict=True), 1):
        text = f"{number}: {_named(name, nats)}"
        axes.axvline(nats, color="black", linewidth=0.5, dashes=(4, 3), zorder=4, label=text)
        leader: Any = {"arrowstyle": "-", "linewidth": 0.4, "shrinkA": 0, "shrinkB": 0, "relpos": (0.5, 0.0)}
        across = ("axes fraction", "axes fraction")
        look: Any = {"ha": "center", "va": "bottom", "fontsize": SIZE, "arrowprops": leader}
        axes.annotate(str(number), (line, 1.0), (x, 1.04), *across, **look)


def ends(axes: Axes, names: Sequence[str], heights: Sequence[float], colours: Sequence[str]) -> None:
    """Names curves to the right of the axes where they end (data), in their colours.

    Of equal heights the first name stands highest; a name that had to move is tied to its curve by a line.
    """
    points = axes.transData.transform([(1, height) for height in heights])
    at = axes.transAxes.inverted().transform(points)[::-1, 1]
    folded = [textwrap.fill(name, 16) for name in names]
    sizes = 8.5 * np.array([name.count("\n") + 1 for name in folded])[::-1] / _points(axes)[1]
    for name, y, end, colour in zip(
        folded, spread(at, sizes)[::-1], np.clip(at, 0, 1)[::-1], colours, strict=True
    ):
        moved = abs(y - end) > 0.5 * sizes.min()
        axes.annotate(
            name,
            (1.0, end),
            (1.0 + 8 * moved / _points(axes)[0], y),
            "axes fraction",
            "axes fraction",
            color=colour,
            va="center",
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": colour, "shrinkA": 1, "shrinkB": 0}
            if moved
            else None,
        )


def _named(name, nats):
    return f"{name.replace('_', ' ')}  {nats:.4g}"


def _points(axes):
    """Width and height of the axes in points."""
    box = axes.get_window_extent()
    return box.width * 72 / axes.figure.dpi, box.height * 72 / axes.figure.dpi
