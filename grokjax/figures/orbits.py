"""How points in a plane move over training, such as the digits on the principal components of an embedding."""
import os
import pathlib
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from grokjax.figures import style

COLOURS = matplotlib.colormaps["cividis"]
MOST_LABELS = 7


def orbits(frames: Float[np.ndarray, "E V 2"], titles: Sequence[str], *, shown: Sequence[int] | None = None,
           spectra: Mapping[str, Float[np.ndarray, "E F"]] | None = None, label: str = "share of variance") -> Figure:
    """A panel for each frame in `shown` (None: all): the values 0, 1, … where they are, joined in order, and their ways there.

    titles: one for each frame, such as the step. spectra: a second row of pictures, by title, of each frequency 1, 2, … in every frame.
    """
    frames, shown = _checked(frames, titles), list(range(len(frames)) if shown is None else shown)
    below = {title: np.asarray(values, float) for title, values in (spectra or {}).items()}
    columns = max(len(shown), len(below))
    with style.settings():
        width = (style.DOUBLE - 0.6) / columns
        figure, grid = style.canvas(style.DOUBLE, 0.4 + min(width, 2.2) + (1.9 if below else 0), 1 + bool(below), columns)
        for axes, frame in zip(grid[0], shown, strict=False):
            _panel(axes, frames, frame, titles[frame])
        top = max((values.max() for values in below.values()), default=1.0)
        for k, (axes, (title, values)) in enumerate(zip(grid[-1], below.items(), strict=False)):
            image = _spectrum(axes, values, titles, top)
            axes.set_title(title, loc="left")
            axes.set_ylabel("" if k else "frequency")
        for axes in [*grid[0, len(shown):], *(grid[-1, len(below):] if below else ())]:
            axes.remove()
        if below:
            bar = figure.colorbar(image, ax=list(grid[-1, :len(below)]), label=label, pad=0.01, aspect=18)
            bar.outline.set_visible(False)  # type: ignore[operator]
        style.settle(figure)
    return figure


def orbits_data(frames: Float[np.ndarray, "E V 2"], titles: Sequence[str]) -> dict[str, np.ndarray]:
    """The places that `orbits` draws, a line per frame and value."""
    frames = _checked(frames, titles)
    values, (x, y) = frames.shape[1], np.moveaxis(frames, -1, 0)
    return {"title": np.repeat(np.asarray(titles), values), "value": np.tile(np.arange(values), len(frames)), "x": x.ravel(), "y": y.ravel()}


def orbits_animation(path: str | os.PathLike, frames: Float[np.ndarray, "E V 2"], titles: Sequence[str], *,
                     frames_per_second: float = 4.0) -> pathlib.Path:
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
        axes.plot(*frames[:frame + 1, value].T, color=colour, linewidth=0.5, alpha=0.35)
    axes.plot(*now.T, color="0.75", linewidth=0.6, zorder=1)
    if len(now) <= 20:
        for value, (place, colour) in enumerate(zip(now, colours, strict=True)):
            axes.text(place[0], place[1], str(value), color=colour, ha="center", va="center", fontweight="bold")
    else:
        axes.scatter(now[:, 0], now[:, 1], color=colours, s=6, zorder=2)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
    axes.set_title(title, loc="left")


def _spectrum(axes, values, titles, top):
    """Frequencies against frames; ticks at a few of them."""
    image = axes.imshow(values.T, aspect="auto", origin="lower", interpolation="nearest", vmin=0, vmax=top,
                        extent=(-0.5, len(values) - 0.5, 0.5, values.shape[1] + 0.5))
    at = np.unique(np.linspace(0, len(values) - 1, min(len(values), MOST_LABELS)).round().astype(int))
    axes.set_xticks(at, [titles[frame].removeprefix("step ") for frame in at], rotation=60)
    axes.set_xlabel("optimiser step" if titles[0].startswith("step ") else "")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.spines[:].set_visible(False)
    return image


def _checked(frames, titles):
    frames = np.asarray(frames, float)
    if frames.ndim != 3 or frames.shape[2] != 2 or not frames.size or len(titles) != len(frames):
        raise ValueError(f"frames has shape {frames.shape} and there are {len(titles)} titles; it must be [E, V, 2] with E titles")
    return frames
