"""Does a description know every part of its sweep that lies beside it? An old copy of one does not."""

import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from grokjax.checkpoints import chunks, snapshots


def unknown_part(directory: pathlib.Path, found: Mapping[str, Any]) -> pathlib.Path | None:
    """Returns a folder with metrics or snapshots of a recorded sweep that none of its recorded parts has.

    Folders of other sweeps are none of its business. In format 1 files do not say whose they are: None.
    """
    if found["format"] == 1:
        return None
    for kind in ("metrics", "checkpoints"):
        for folder in sorted((directory / kind).glob("part-*")):
            index = re.fullmatch(r"part-(\d+)", folder.name)
            if index and int(index[1]) >= len(found["parts"]) and found["id"] in sweeps_of(folder):
                return folder
    return None


def sweeps_of(folder: pathlib.Path) -> Iterator[str]:
    """Yields the ids of the sweeps that the files of a part's folder name; damaged files name none."""
    for chunk in chunks.chunks(folder):
        try:
            yield chunks.read_stamp(chunk.path)["sweep"]
        except (ValueError, KeyError, OSError):
            continue
    for epoch in snapshots.epochs(folder):
        try:
            yield snapshots.manifest(folder, epoch)["sweep"]
        except (ValueError, KeyError, OSError):
            continue
