"""`Plot`, a figure with the numbers that it draws, and how it becomes files."""

import csv
import dataclasses
import functools
import io
import os
import pathlib
from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokjax.figures import style

KINDS: tuple[str, ...] = ("png", "svg", "csv")
"""The files of a plot, by their endings."""


@dataclasses.dataclass(frozen=True, repr=False)
class Plot:
    """A picture: `figure`, matplotlib's, and `data`, its numbers as columns of equal length by name.

    Raises ValueError where the columns differ in length.
    """

    figure: Figure
    data: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.data.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns of data have lengths {lengths}; they must be equal")

    def __repr__(self) -> str:
        rows = len(next(iter(self.data.values()), ()))
        return f"plot of {rows} rows of {', '.join(list(self.data)[:6])}{', ...' * (len(self.data) > 6)}"

    @property
    def axes(self) -> list[Axes]:
        """The axes of the figure, panels first, in reading order."""
        return self.figure.axes

    def save(self, stem: str | os.PathLike) -> list[pathlib.Path]:
        """Writes stem.png (300 dpi), stem.svg (text as text) and stem.csv, and returns the three paths.

        A name that ends in one of these, `curves.png`, asks for that file alone.
        Each file appears whole or not at all. The same plot gives the same bytes.
        """
        stem, kinds = pathlib.Path(stem), KINDS
        if (asked := stem.suffix.removeprefix(".")) in KINDS:
            stem, kinds = stem.with_suffix(""), (asked,)
        stem.parent.mkdir(parents=True, exist_ok=True)
        plain = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
        with style.settings():
            write = functools.partial(self.figure.savefig, dpi=300)
            drawn = [
                _at_once(stem, kind, functools.partial(write, format=kind, metadata=metadata))
                for kind, metadata in plain.items()
                if kind in kinds
            ]
        tables = [_at_once(stem, "csv", lambda path: _write(path, self.data))] if "csv" in kinds else []
        return [*drawn, *tables]

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        buffer = io.BytesIO()
        with style.settings():
            self.figure.savefig(buffer, format="png", dpi=150)
        return buffer.getvalue()


def _at_once(stem: pathlib.Path, kind: str, write: Callable[[pathlib.Path], None]) -> pathlib.Path:
    path = stem.with_name(f"{stem.name}.{kind}")
    unfinished = stem.with_name(f".{stem.name}.{kind}.tmp")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _write(path, data):
    columns = [_text(np.asarray(column)) for column in data.values()]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(data)
        writer.writerows(zip(*columns, strict=True))


def _text(column):
    """Numbers to six digits, which is more than a picture shows; a missing one is empty."""
    if column.dtype.kind != "f":
        return column.tolist()
    return ["" if value != value else f"{value:.6g}" for value in column.tolist()]
