"""Confusion matrices over training, side by side or one after another."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from grokjax.figures import style
from grokjax.figures.plot import Plot

MOST_COLUMNS = 6


def confusion(matrices: Float[np.ndarray, "E V V"], titles: Sequence[str]) -> Plot:
    """A panel for each matrix: rows the true answer, columns the predicted one, colours the average
    probability, 0 to 1 in all.

    titles: one for each, such as the step.
    """
    matrices = _checked(matrices, titles)
    rows = -(-len(matrices) // MOST_COLUMNS)
    columns = -(-len(matrices) // rows)
    with style.settings():
        width = style.DOUBLE if columns > 2 else style.SINGLE
        figure, grid = style.canvas(width, 0.3 + rows * (0.25 + (width - 1.2) / columns), rows, columns)
        for k, axes in enumerate(grid.ravel()):
            if k >= len(matrices):
                axes.remove()
                continue
            image = _panel(axes, matrices[k], titles[k])
        left = [axes for axes in grid.ravel() if axes.figure is not None]
        bar = figure.colorbar(image, ax=left, label="mean probability", pad=0.01, aspect=20)
        bar.outline.set_visible(False)  # type: ignore[operator]
        figure.supxlabel("predicted", fontsize=7.5)
        figure.supylabel("true answer", fontsize=7.5)
        style.settle(figure)
    return Plot(figure, _confusion_data(matrices, titles))


def _confusion_data(matrices: Float[np.ndarray, "E V V"], titles: Sequence[str]) -> dict[str, np.ndarray]:
    """The numbers that `confusion` draws, a line per cell."""
    matrices = _checked(matrices, titles)
    size = matrices.shape[1]
    _, true, predicted = np.indices(matrices.shape).reshape(3, -1)
    return {
        "title": np.repeat(np.asarray(titles), size * size),
        "true": true,
        "predicted": predicted,
        "probability": matrices.ravel(),
    }


def confusion_animation(
    path: str | os.PathLike,
    matrices: Float[np.ndarray, "E V V"],
    titles: Sequence[str],
    *,
    frames_per_second: float = 8.0,
) -> pathlib.Path:
    """Write the matrices one after another as an animated GIF, which appears whole; returns its path."""
    matrices, path = _checked(matrices, titles), pathlib.Path(path)
    unfinished = path.with_name(f".{path.stem}.tmp.gif")
    with style.settings():
        figure, grid = style.canvas(style.SINGLE, style.SINGLE - 0.4)
        FigureCanvasAgg(figure)
        image = _panel(grid[0, 0], matrices[0], titles[0])
        grid[0, 0].set_xlabel("predicted")
        grid[0, 0].set_ylabel("true answer")
        figure.colorbar(image, ax=grid[0, 0], label="mean probability", pad=0.02, aspect=25)
        writer = PillowWriter(fps=frames_per_second)  # type: ignore[arg-type]
        try:
            with writer.saving(figure, str(unfinished), 110):
                for matrix, title in zip(matrices, titles, strict=True):
                    image.set_data(matrix)
                    grid[0, 0].set_title(title, loc="left")
                    writer.grab_frame()
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


def _panel(axes: Axes, matrix: np.ndarray, title: str) -> AxesImage:
    image = axes.imshow(matrix, vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, loc="left")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
    axes.spines[:].set_visible(False)
    return image


def _checked(matrices, titles):
    matrices = np.asarray(matrices, float)
    if (
        matrices.ndim != 3
        or matrices.shape[1] != matrices.shape[2]
        or not matrices.size
        or len(titles) != len(matrices)
    ):
        raise ValueError(
            f"matrices has shape {matrices.shape} with {len(titles)} titles; "
            "it must be [E, V, V] with E titles"
        )
    return matrices
