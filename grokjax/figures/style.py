"""The look of every figure: journal widths, legible type, colours that colour-blind readers tell apart. No
pyplot: nothing global.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SINGLE, DOUBLE = 3.5, 7.2
"""Widths in inches of one and of two journal columns."""
BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#F0E442",
)
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, "#000000")
"""Okabe and Ito's colours, those that are dark enough for lines first."""
SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlepad": 3,
    "axes.labelpad": 2,
    "image.cmap": "cividis",
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "svg.fonttype": "none",
    "svg.hashsalt": "grokjax",
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


@contextmanager
def settings() -> Iterator[None]:
    """matplotlib's settings for drawing and saving, put back afterwards."""
    with matplotlib.rc_context(SETTINGS):
        yield


def canvas(
    width: float, height: float, rows: int = 1, columns: int = 1, **shared
) -> tuple[Figure, np.ndarray]:
    """Returns an empty figure of so many inches and its axes [rows, columns], made without pyplot."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def panel(ax: Axes | None, width: float, height: float) -> tuple[Figure, Axes]:
    """Returns the figure and the axes to draw on: the caller's, or new ones of so many inches."""
    if ax is not None:
        return ax.get_figure(root=True), ax  # type: ignore[return-value]
    figure, grid = canvas(width, height)
    return figure, grid[0, 0]


def legend(figure: Figure, names: Sequence[str], title: str = "") -> None:
    """Puts one legend right of all axes: the named series in this order; none for a single one."""
    if len(names) > 1:
        shown = {
            text: handle
            for axes in figure.axes
            for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            [shown[name] for name in names],
            names,
            loc="outside right center",
            frameon=False,
            title=title or None,
            title_fontsize=7,
        )


def settle(figure: Figure, ax: Axes | None = None) -> None:
    """Lays the figure out for good, unless it is the caller's (`ax`).

    Labels are placed on the axes' final sizes, and each save is spared the work.
    """
    figure.draw_without_rendering()
    if ax is None:
        figure.set_layout_engine(None)
