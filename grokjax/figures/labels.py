"""Labels beside what they name, moved apart where they would overlap."""

import textwrap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

SIZE = 6.5
"""Type size of the names of levels, in points."""
PAPER = {"facecolor": "white", "alpha": 0.6, "linewidth": 0, "pad": 0.4}
"""Behind a name that may lie on curves; path effects would turn the text of an SVG into outlines."""


def spread(wanted: ArrayLike, gap: float, low: float, high: float) -> Float[np.ndarray, " N"]:
    """Positions as near as possible to the wanted ones, in their order, at least `gap` apart (less if they do
    not fit) and in bounds.
    """
    wanted = np.asarray(wanted, float)
    order = np.argsort(wanted, kind="stable")
    count = len(order)
    gap = min(gap, (high - low) / max(count - 1, 1))
    shifted = wanted[order] - gap * np.arange(count)
    placed = np.clip(_ascending(shifted), low, high - gap * (count - 1)) + gap * np.arange(count)
    out = np.empty(count)
    out[order] = placed
    return out


def _ascending(values):
    """The nearest values that do not descend, by pooling neighbours that do (isotonic regression)."""
    groups: list[list[float]] = []
    for value in values:
        groups.append([value, 1])
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            mean, size = groups.pop()
            groups[-1] = [
                (groups[-1][0] * groups[-1][1] + mean * size) / (groups[-1][1] + size),
                groups[-1][1] + size,
            ]
    return np.array([mean for mean, size in groups for _ in range(int(size))])


def horizontal(axes: Axes, levels: Sequence[tuple[str, float]], curves: Float[np.ndarray, "N 2"]) -> None:
    """Mark the levels that the y axis shows by dashed lines, named at the end where fewer of the points of
    `curves` are in the way.

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
        near = points[np.abs(points[:, 1] - y) < 0.7 * SIZE / height, 0]
        wide = 0.6 * SIZE * len(text) / width
        left = (near < wide).sum() < (near > 1 - wide).sum()
        axes.text(
            0.01 if left else 0.995,
            y,
            text,
            transform=axes.transAxes,
            ha="left" if left else "right",
            va="center",
            fontsize=SIZE,
            bbox=PAPER,
            zorder=6,
        )


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
    """Mark the levels that the x axis shows by dashed lines, each with its name upright above the axes and a
    leader to its line.
    """
    low, high = axes.get_xlim()
    shown = sorted((nats, name) for name, nats in levels if low <= nats <= high)
    if not shown:
        return
    at = axes.transAxes.inverted().transform(axes.transData.transform([(nats, 0) for nats, _ in shown]))[:, 0]
    for (nats, name), x, line in zip(
        shown, spread(at, 1.4 * SIZE / _points(axes)[0], 0.0, 1.0), at, strict=True
    ):
        axes.axvline(nats, color="black", linewidth=0.5, dashes=(4, 3), zorder=4)
        leader = {"arrowstyle": "-", "linewidth": 0.4, "shrinkA": 0, "shrinkB": 0, "relpos": (0.5, 0.0)}
        axes.annotate(
            _named(name, nats),
            (line, 1.0),
            (x, 1.06),
            "axes fraction",
            "axes fraction",
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=SIZE,
            arrowprops=leader,
        )


def ends(axes: Axes, names: Sequence[str], heights: Sequence[float], colours: Sequence[str]) -> None:
    """Name curves to the right of the axes at the heights (data) at which they end, in their colours; of
    equals the first highest.
    """
    at = axes.transAxes.inverted().transform(axes.transData.transform([(1, height) for height in heights]))[
        :, 1
    ]
    folded = [textwrap.fill(name, 16) for name in names]
    gap = 8.5 * max(name.count("\n") + 1 for name in folded) / _points(axes)[1]
    for name, y, colour in zip(folded, spread(at[::-1], gap, 0.0, 1.0)[::-1], colours, strict=True):
        axes.annotate(name, (1.0, y), (3, 0), "axes fraction", "offset points", color=colour, va="center")


def _named(name, nats):
    return f"{name.replace('_', ' ')}  {nats:.4g}"


def _points(axes):
    """Width and height of the axes in points."""
    box = axes.get_window_extent()
    return box.width * 72 / axes.figure.dpi, box.height * 72 / axes.figure.dpi
