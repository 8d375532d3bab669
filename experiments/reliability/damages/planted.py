"""Tools with which damages are planted: chosen files, swaps, copies; and what a damage says of itself."""

import pathlib
import shutil
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments.reliability.tiny import Sweeps

Random = np.random.Generator


class Planted(NamedTuple):
    """A damage that was done.

    text: what was done, with names
    foreign: contents of files of another sweep that were put in, which nothing may delete
    """

    text: str
    foreign: tuple[bytes, ...] = ()


Kind = Callable[[pathlib.Path, Sweeps, Random], Planted]
"""A kind of damage: does it to a copy of a sweep (the first argument)."""


def pick(folder: pathlib.Path, rng: Random, pattern: str = "*") -> pathlib.Path:
    """Returns a random file below a folder."""
    files = sorted(path for path in folder.rglob(pattern) if path.is_file() and path.name != ".lock")
    return files[rng.integers(len(files))]


def epoch_folders(own: pathlib.Path, rng: Random, number: int = 2) -> list[pathlib.Path]:
    """Returns different random epochs of one random part."""
    part = own / "checkpoints" / f"part-{rng.integers(2)}"
    found = sorted(path for path in part.iterdir() if path.name.isdigit())
    return [found[i] for i in rng.choice(len(found), number, replace=False)]


def chunk_files(own: pathlib.Path, rng: Random, number: int = 2) -> list[pathlib.Path]:
    """Returns different random files of metrics of one random part."""
    found = sorted((own / "metrics" / f"part-{rng.integers(2)}").glob("steps-*.npz"))
    return [found[i] for i in rng.choice(len(found), min(number, len(found)), replace=False)]


def swap(a: pathlib.Path, b: pathlib.Path) -> None:
    """Exchanges two files or folders."""
    aside = a.with_name("moved")
    a.rename(aside)
    b.rename(a)
    aside.rename(b)


def put(source: pathlib.Path, target: pathlib.Path) -> None:
    """Puts a copy of a file or folder in the place of another."""
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    copy = shutil.copytree if source.is_dir() else shutil.copy
    copy(source, target)


def stamps(folder: pathlib.Path) -> tuple[bytes, ...]:
    """Returns the contents of the files of a sweep that tell whose they are: checksums and metrics."""
    if folder.is_file():
        return (folder.read_bytes(),)
    files = [*folder.rglob("checksums/metadata"), *folder.rglob("steps-*.npz")]
    return tuple(path.read_bytes() for path in files)


def there(directory: pathlib.Path) -> set[bytes]:
    """Returns the contents of all such files that are still somewhere in a directory."""
    files = [*directory.rglob("metadata"), *directory.rglob("*.npz*")]
    return {path.read_bytes() for path in files if path.is_file()}


def short(path: pathlib.Path, own: pathlib.Path) -> str:
    """Returns a path as seen from the sweep's directory."""
    return str(path.relative_to(own))
