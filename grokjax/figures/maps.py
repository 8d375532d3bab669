"""Pictures of arrays with two axes."""

import textwrap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from grokjax.figures import curves, series, style
from grokjax.figures.plot import Plot


def heatmap(
    values: Float[np.ndarray, "S K"],
    *,
    rows: str = "run",
    columns: str = "step",
    label: str = "value",
    scale: str = "linear",
    at: Int[np.ndarray, " K"] | None = None,
    names: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draws an image of `values` [S, K] with a colour bar.

    rows, columns, label: what the axes and the colours are, with units
    scale: of the colours, linear or log; linear ones of both signs lie about 0
    at: where the columns lie on their axis, evenly spaced (0, 1, ...); names: of the rows, in the data only
    Cells without a number (a run that has ended) stay white. More than `series.MOST_POINTS` columns are drawn
    as means. Raises ValueError for values of another shape.
    """
    curves.check_scale(scale)
    values = np.asarray(values, float)
    if values.ndim != 2 or not values.size:
        raise ValueError(
            f"values has shape {values.shape}; it must be [{rows}, {columns}] with something in it"
        )
    place, drawn, mean_of = series.thinned(values, at)
    half = (place[-1] - place[0]) / max(len(place) - 1, 1) / 2 or 0.5
    with style.settings():
        height = float(np.clip(0.7 + 0.03 * len(values), 1.8, 4.5))
        figure, axes = style.panel(ax, style.SINGLE, height)
        image = axes.imshow(
            drawn,
            aspect="auto",
            interpolation="nearest",
            norm=(norm := _norm(drawn, scale)),
            cmap="RdBu_r" if scale == "linear" and norm.vmin < 0 < norm.vmax else None,
            extent=(place[0] - half, place[-1] + half, len(values) - 0.5, -0.5),
        )
        _axes(axes, rows, columns if mean_of == 1 else f"{columns} (means of {mean_of})", place)
        _colour_bar(figure, axes, image, textwrap.fill(label, int(14 * height)), scale)
        style.settle(figure, ax)
    names = range(len(drawn)) if names is None else names
    cells = {rows: np.repeat(names, len(place)), columns: np.tile(place, len(drawn)), label: drawn.ravel()}
    return Plot(figure, cells)


def _axes(axes: Axes, rows: str, columns: str, place: Float[np.ndarray, " K"]) -> None:
    axes.set_xlabel(columns)
    axes.set_ylabel(rows)
    axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    if (place == np.round(place)).all():
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.spines[:].set_visible(False)


def _colour_bar(figure: Figure, axes: Axes, image: AxesImage, label: str, scale: str) -> None:
    bar = figure.colorbar(image, ax=axes, label=label, pad=0.02, aspect=25)
    if scale == "log":
        few = image.norm.vmax < 300 * image.norm.vmin  # type: ignore[operator]
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
        bar.ax.yaxis.set_major_formatter("{x:g}")
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.outline.set_visible(False)  # type: ignore[operator]


def _norm(values, scale):
    seen = values[np.isfinite(values)]
    # a spike must not take the colours
    low, high = np.quantile(seen, [0.0005, 0.9995]).tolist() if seen.size else (0.0, 1.0)
    if scale == "linear":
        most = max(-low, high)
        return Normalize(-most, most) if low < 0 < high else Normalize(low, high)
    positive = seen[seen > 0]
    return LogNorm(max(float(positive.min()), 1e-7 * high), high) if positive.size else LogNorm(1e-7, 1.0)
