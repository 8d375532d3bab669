"""Small matrices side by side, each row and column named: attention grids, OV and QK circuits, neurons
against digits.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from grokjax.figures import style
from grokjax.figures.plot import Plot

SIZE = 6.0
"""Type size of the names of rows and columns, in points. Where there is no room for all, those at equal
distances stand.
"""


def matrices(
    panels: Mapping[str, Float[np.ndarray, "N M"]],
    *,
    rows: str,
    columns: str,
    label: str,
    row_names: Sequence[str] | None = None,
    column_names: Sequence[str] | None = None,
    across: int = 4,
    centred: bool = True,
    square: bool = True,
) -> Plot:
    """Draws an image per title, all with one colour bar; cells without a number stay white.

    centred: colours to both sides of 0, else from 0 up;  square: the cells are square, else the panels
    """
    values = _checked(panels)
    seen = np.concatenate([panel[np.isfinite(panel)] for panel in values.values()])
    most = float(np.abs(seen).max(initial=0)) or 1.0
    wide = min(across, len(values))
    deep = -(-len(values) // wide)
    tallest, widest = (max(panel.shape[axis] for panel in values.values()) for axis in (0, 1))
    colours: Any = dict(vmin=-most if centred else 0, vmax=most, cmap="RdBu_r" if centred else "cividis")
    with style.settings():
        each = (style.DOUBLE - 1.3) / max(wide, 2)
        height = each * (tallest / widest if square else 0.8)
        width = style.DOUBLE if wide > 1 else style.SINGLE + 0.6
        figure, grid = style.canvas(
            width, 0.55 + deep * (height + 0.25), deep, wide, sharex=True, sharey=True
        )
        for axes in grid.ravel()[len(values) :]:
            axes.remove()
        for axes, (title, panel) in zip(grid.ravel(), values.items(), strict=False):
            image = axes.imshow(
                panel, aspect="equal" if square else "auto", interpolation="nearest", **colours
            )
            axes.set_title(title, loc="left")
            axes.spines[:].set_visible(False)
            _name(axes, _names(row_names, tallest), _names(column_names, widest), height, each)
        figure.supxlabel(columns, fontsize=7.5)
        figure.supylabel(rows, fontsize=7.5)
        left = [axes for axes in grid.ravel() if axes.figure is not None]
        figure.colorbar(image, ax=left, label=label, pad=0.01, aspect=25).outline.set_visible(False)  # type: ignore[operator]
        style.settle(figure)
    return Plot(figure, _cells(values, (rows, columns, label), row_names, column_names))


def _cells(
    panels: Mapping[str, Float[np.ndarray, "N M"]],
    heads: tuple[str, str, str],
    row_names: Sequence[str] | None,
    column_names: Sequence[str] | None,
) -> dict[str, np.ndarray]:
    """The numbers that `matrices` draws, a line per cell."""
    cells = [
        (title, _names(row_names, len(panel))[i], _names(column_names, panel.shape[1])[j], value)
        for title, panel in panels.items()
        for (i, j), value in np.ndenumerate(panel)
    ]
    return {
        head: np.array(column)
        for head, column in zip(("panel", *heads), zip(*cells, strict=True), strict=True)
    }


def _name(axes: Axes, rows: Sequence[str], columns: Sequence[str], height: float, width: float) -> None:
    """Names the rows and columns of a panel of this size in inches; long names of columns stand upright."""
    upright = 0.65 * SIZE * max(map(len, columns)) * len(columns) > 72 * width
    _ticks(axes.set_xticks, columns, 72 * width, rotation=90 if upright else 0)
    _ticks(axes.set_yticks, rows, 72 * height)


def _names(names, count):
    return [str(k) for k in range(count)] if names is None else list(names)


def _ticks(set_ticks, names, points, **look):
    stride = max(1, -(-int(len(names) * SIZE) // int(points)))
    set_ticks(range(0, len(names), stride), names[::stride], fontsize=SIZE, **look)


def _checked(panels):
    if not panels:
        raise ValueError("panels is empty; it must have at least one title")
    values = {title: np.asarray(panel, float) for title, panel in panels.items()}
    for title, panel in values.items():
        if panel.ndim != 2 or not panel.size:
            raise ValueError(f"{title} has shape {panel.shape}; it must be [N, M] with something in it")
    return values
