"""A figure as files: PNG and SVG, and the numbers in it as CSV beside them."""

import csv
import os
import pathlib
from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure

from grokjax.figures import style


def save(figure: Figure, stem: str | os.PathLike, data: Mapping[str, np.ndarray]) -> list[pathlib.Path]:
    """Write stem.png (300 dpi), stem.svg (text as text) and stem.csv; each appears whole. Returns the paths.

    data: columns of equal length, by name; the same figure and data give the same bytes.
    """
    lengths = {name: len(column) for name, column in data.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns of data have lengths {lengths}; they must be equal")
    stem = pathlib.Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    with style.settings():
        png = _at_once(
            stem, "png", lambda path: figure.savefig(path, format="png", dpi=300, metadata={"Software": None})
        )
        svg = _at_once(
            stem,
            "svg",
            lambda path: figure.savefig(
                path, format="svg", dpi=300, metadata={"Date": None, "Creator": None}
            ),
        )
    return [png, svg, _at_once(stem, "csv", lambda path: _write(path, data))]


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
