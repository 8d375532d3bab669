"""The look of every figure: journal widths, legible type, colours that colour-blind readers tell apart. No
pyplot: nothing global.
"""

import functools
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
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
    """An empty figure of so many inches and its axes [rows, columns]; a notebook shows it without pyplot."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure._repr_png_ = functools.partial(_png, figure)  # type: ignore[attr-defined]  # IPython asks the object before it asks pyplot
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def legend(figure: Figure, names: Sequence[str], title: str = "") -> None:
    """One legend for all axes, right of them: the named series in this order, none where there is only one."""
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


def settle(figure: Figure) -> None:
    """Lay the figure out for good: labels are placed on the axes' final sizes, and each save is spared the
    work.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine(None)


def _png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()
