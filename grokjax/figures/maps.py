"""Pictures of arrays with two axes."""

import textwrap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from grokjax.figures import curves, style


def heatmap(
    values: Float[np.ndarray, "S K"],
    *,
    rows: str = "run",
    columns: str = "step",
    label: str = "value",
    scale: str = "linear",
    at: Int[np.ndarray, " K"] | None = None,
) -> Figure:
    """An image of `values` with a colour bar; rows, columns, label: what the axes and the colours are, with
    units.

    Cells without a number (a run that has ended) stay white. at: where the columns lie on their axis, evenly,
    by default 0, 1, ... More than `curves.MOST_POINTS` columns are drawn as means.
    """
    curves.check_scale(scale)
    values = np.asarray(values, float)
    if values.ndim != 2 or not values.size:
        raise ValueError(
            f"values has shape {values.shape}; it must be [{rows}, {columns}] with something in it"
        )
    place, drawn, mean_of = curves.thinned(values, at)
    half = (place[-1] - place[0]) / max(len(place) - 1, 1) / 2 or 0.5
    with style.settings():
        height = float(np.clip(0.7 + 0.03 * len(values), 1.8, 4.5))
        figure, grid = style.canvas(style.SINGLE, height)
        axes = grid[0, 0]
        image = axes.imshow(
            drawn,
            aspect="auto",
            interpolation="nearest",
            norm=_norm(drawn, scale),
            extent=(place[0] - half, place[-1] + half, len(values) - 0.5, -0.5),
        )
        axes.set_xlabel(columns if mean_of == 1 else f"{columns} (means of {mean_of})")
        axes.set_ylabel(rows)
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(
            image, ax=axes, label=textwrap.fill(label, int(14 * height)), pad=0.02, aspect=25
        )
        if scale == "log":
            bar.ax.yaxis.set_major_locator(
                LogLocator(subs=(1, 2, 5) if image.norm.vmax < 300 * image.norm.vmin else (1,))
            )
            bar.ax.yaxis.set_major_formatter("{x:g}")
            bar.ax.yaxis.set_minor_formatter(NullFormatter())
        bar.outline.set_visible(False)  # type: ignore[operator]
        style.settle(figure)
    return figure


def heatmap_data(
    values: Float[np.ndarray, "S K"],
    *,
    rows: str = "run",
    columns: str = "step",
    label: str = "value",
    at: Int[np.ndarray, " K"] | None = None,
    names: Sequence[int] | None = None,
) -> dict[str, np.ndarray]:
    """The numbers that `heatmap` draws, a line per cell; names: of the rows, by default 0, 1, ..."""
    place, drawn, _ = curves.thinned(np.asarray(values, float), at)
    names = range(len(drawn)) if names is None else names
    return {rows: np.repeat(names, len(place)), columns: np.tile(place, len(drawn)), label: drawn.ravel()}


def _norm(values, scale):
    seen = values[np.isfinite(values)]
    low, high = (
        np.quantile(seen, [0.0005, 0.9995]).tolist() if seen.size else (0.0, 1.0)
    )  # a spike must not take the colours
    if scale == "linear":
        return Normalize(low, high)
    positive = seen[seen > 0]
    return LogNorm(max(float(positive.min()), 1e-7 * high), high) if positive.size else LogNorm(1e-7, 1.0)
