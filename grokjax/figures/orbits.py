"""How points in a plane move over training: digits on the principal components of an embedding."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg

from grokjax.figures import style
from grokjax.figures.plot import Plot

COLOURS = matplotlib.colormaps["cividis"]
MOST_LABELS = 5

Lines = Mapping[str, Mapping[str, np.ndarray]]


def orbits(
    frames: Any,
    titles: Sequence[str] | None = None,
    *,
    shown: Sequence[int] | None = None,
    spectra: Mapping[str, Float[np.ndarray, "E F"]] | None = None,
    lines: Lines | None = None,
    xlabel: str = "",
    ylabel: str = "",
) -> Plot:
    """A panel for each frame in `shown` (None: all): the values 0, 1, … where they are, joined in order, and
    their ways there.

    frames: [E, V, 2], or the `interp.pca.orbits` of two components
    titles: one for each frame, such as the step; None counts them
    Below, by title: spectra, the share of each frequency 1, 2, … in every frame; and lines, by name a number
      for every frame.
    xlabel, ylabel: of the plane, once for all its panels
    """
    frames = getattr(frames, "scores", frames)
    titles = [str(frame) for frame in range(len(frames))] if titles is None else titles
    frames, shown = _checked(frames, titles), list(range(len(frames)) if shown is None else shown)
    spectra, lines = spectra or {}, lines or {}
    height = 0.25 + min((style.DOUBLE - 0.1) / len(shown), 2.2) + 0.15 * bool(xlabel)
    with style.settings():
        figure, blank = style.canvas(style.DOUBLE, height + (2.0 if spectra or lines else 0))
        blank[0, 0].remove()
        rows = 1 + bool(spectra or lines)
        upper, *lower = figure.subfigures(rows, 1, squeeze=False, height_ratios=(height, 2.0)[:rows])[:, 0]
        for axes, frame in zip(upper.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            _panel(axes, frames, frame, titles[frame])
        upper.supxlabel(xlabel, fontsize=7.5)
        upper.supylabel(ylabel, fontsize=7.5)
        for part in lower:
            grid = part.subplots(1, len(spectra) + len(lines), squeeze=False)[0]
            _spectra(part, grid[: len(spectra)], spectra, titles)
            for axes, (title, series) in zip(grid[len(spectra) :], lines.items(), strict=True):
                _lines(axes, title, series, titles)
        style.settle(figure)
    return Plot(figure, _orbits_data(frames, titles))


def _orbits_data(frames: Float[np.ndarray, "E V 2"], titles: Sequence[str]) -> dict[str, np.ndarray]:
    """The places that `orbits` draws, a line per frame and value."""
    frames = _checked(frames, titles)
    count, (x, y) = frames.shape[1], np.moveaxis(frames, -1, 0)
    return {
        "title": np.repeat(np.asarray(titles), count),
        "value": np.tile(np.arange(count), len(frames)),
        "x": x.ravel(),
        "y": y.ravel(),
    }


def orbits_animation(
    path: str | os.PathLike,
    frames: Float[np.ndarray, "E V 2"],
    titles: Sequence[str],
    *,
    frames_per_second: float = 4.0,
) -> pathlib.Path:
    """Write the frames one after another as an animated GIF, which appears whole; returns its path."""
    frames, path = _checked(frames, titles), pathlib.Path(path)
    unfinished = path.with_name(f".{path.stem}.tmp.gif")
    with style.settings():
        figure, grid = style.canvas(style.SINGLE, style.SINGLE)
        FigureCanvasAgg(figure)
        writer = PillowWriter(fps=frames_per_second)  # type: ignore[arg-type]
        try:
            with writer.saving(figure, str(unfinished), 110):
                for frame, title in enumerate(titles):
                    grid[0, 0].clear()
                    _panel(grid[0, 0], frames, frame, title)
                    writer.grab_frame()
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


def _panel(axes: Axes, frames: np.ndarray, frame: int, title: str) -> None:
    """The values at one frame; limits hold all frames, so that panels and an animation can be compared."""
    now, reach = frames[frame], 1.12 * float(np.abs(frames).max() or 1.0)
    colours = COLOURS(np.linspace(0, 0.9, len(now)))
    for value, colour in enumerate(colours):
        axes.plot(*frames[: frame + 1, value].T, color=colour, linewidth=0.5, alpha=0.35)
    axes.plot(*now.T, color="0.75", linewidth=0.6, zorder=1)
    if len(now) <= 20:
        for value, (place, colour) in enumerate(zip(now, colours, strict=True)):
            axes.text(
                place[0], place[1], str(value), color=colour, ha="center", va="center", fontweight="bold"
            )
    else:
        axes.scatter(now[:, 0], now[:, 1], color=colours, s=6, zorder=2)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set(visible=True, color="0.8")
    axes.set_title(title, loc="left")


def _spectra(part, grid, spectra, titles):
    """Frequencies against frames, one colour bar for all."""
    top = max((np.max(values) for values in spectra.values()), default=1.0)
    for axes, (title, values) in zip(grid, spectra.items(), strict=True):
        values = np.asarray(values, float)
        image = axes.imshow(
            values.T,
            aspect="auto",
            origin="lower",
            interpolation="nearest",
            vmin=0,
            vmax=top,
            extent=(-0.5, len(values) - 0.5, 0.5, values.shape[1] + 0.5),
        )
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.spines[:].set_visible(False)
        axes.set_ylabel("frequency" if axes is grid[0] else "")
        _ticks(axes, title, titles)
    if spectra:
        part.colorbar(
            image, ax=list(grid), label="share of variance", pad=0.02, aspect=18
        ).outline.set_visible(False)


def _lines(axes, title, series, titles):
    """A number against the frames."""
    for (name, values), colour in zip(series.items(), style.CYCLE, strict=False):
        axes.plot(
            np.arange(len(values)), values, color=colour, linewidth=1.2, marker="o", markersize=2, label=name
        )
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.2)
    axes.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    _ticks(axes, title, titles)


def _ticks(axes, title, titles):
    """A few of the frames, evenly, whatever lies between them."""
    at = np.unique(np.linspace(0, len(titles) - 1, min(len(titles), MOST_LABELS)).round().astype(int))
    axes.set_xticks(at, [titles[frame].removeprefix("step ") for frame in at])
    axes.set_xlabel("saved optimiser step" if titles[0].startswith("step ") else "")
    axes.set_title(title, loc="left")


def _checked(frames, titles):
    frames = np.asarray(frames, float)
    if frames.ndim != 3 or frames.shape[2] != 2 or not frames.size or len(titles) != len(frames):
        raise ValueError(
            f"frames has shape {frames.shape} with {len(titles)} titles; it must be [E, V, 2] with E titles"
        )
    return frames
