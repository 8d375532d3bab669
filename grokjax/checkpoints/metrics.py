"""Metrics of every step in immutable chunk files that are appended, never rewritten; the zip's CRC finds
damage.
"""

import pathlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from grokjax.checkpoints import disk

AXIS_FREE = ("test_step",)
"""Metrics without a run axis, [E]; all others are [S, T or E, ...]."""


class Chunk(NamedTuple):
    """A file with the metrics of steps first … last - 1."""

    first: int
    last: int
    path: pathlib.Path


def chunks(directory: pathlib.Path) -> list[Chunk]:
    """The chunks of a part in order of their steps."""
    if not directory.is_dir():
        return []
    named = ((re.fullmatch(r"steps-(\d+)-(\d+)\.npz", path.name), path) for path in directory.iterdir())
    return sorted(Chunk(int(match[1]), int(match[2]), path) for match, path in named if match)


def end(directory: pathlib.Path) -> int:
    """The steps from 0 on that the chunks cover without a gap or an overlap."""
    covered = 0
    for chunk in chunks(directory):
        if chunk.first != covered:
            break
        covered = chunk.last
    return covered


def covers(directory: pathlib.Path, step: int) -> bool:
    """Whether a chain of chunks leads from step 0 to exactly this one."""
    covered = 0
    for chunk in chunks(directory):
        if chunk.first == covered <= step and chunk.last <= step:
            covered = chunk.last
    return covered == step


def discard_from(directory: pathlib.Path, step: int | None) -> None:
    """Drop the chunks that go beyond a step (None: all): those steps will be computed again."""
    for chunk in reversed(chunks(directory)):
        if step is None or chunk.last > step:
            chunk.path.unlink()


def write(directory: pathlib.Path, first: int, last: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the metrics of steps first … last - 1 as one file."""
    path = directory / f"steps-{first:08d}-{last:08d}.npz"
    with disk.explained(f"the metrics of steps {first} to {last}", directory):
        disk.write(
            path,
            lambda file: np.savez(
                file, allow_pickle=False, **{name: compact(name, array) for name, array in arrays.items()}
            ),
        )


def compact(name: str, array: np.ndarray) -> np.ndarray:
    """Float32 for everything that belongs to runs."""
    return array if name in AXIS_FREE else array.astype(np.float32)


def join(pieces: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The metrics of consecutive stretches as those of one."""
    return {
        name: np.concatenate([piece[name] for piece in pieces], axis=step_axis(name)) for name in pieces[0]
    }


def step_axis(name: str) -> int:
    """Where steps are counted."""
    return 0 if name in AXIS_FREE else 1


def num_steps(arrays: Mapping[str, np.ndarray]) -> int:
    """T of metrics whose training arrays are [S, T, ...]; 0 where there are none."""
    lengths = {array.shape[1] for name, array in arrays.items() if not name.startswith("test_")}
    if len(lengths) > 1:
        raise ValueError(f"metrics of one epoch have different numbers of steps: {sorted(lengths)}")
    return lengths.pop() if lengths else 0


def member(path: pathlib.Path, name: str) -> np.ndarray:
    """One array of a chunk, without reading the others; ValueError that names the file if it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            file.read()  # the CRC is compared at the end of the member
            return array
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(
            f"{path} is damaged: {name!r} cannot be read ({str(error) or type(error).__name__})"
        ) from error


def names(path: pathlib.Path) -> list[str]:
    """The metrics in a chunk."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


class Metrics(Mapping[str, np.ndarray]):
    """The metrics of a sweep by name, read from the disk when asked for: "loss" [S, T, C], "test_loss" [S, E,
    C], "test_step" [E].

    A part that has fewer steps than another is filled with NaN.
    """

    def __init__(self, directories: list[pathlib.Path], num_runs: list[int]):
        self.directories, self.num_runs = directories, num_runs

    def __iter__(self) -> Iterator[str]:
        first = next((chunks(directory)[0].path for directory in self.directories if chunks(directory)), None)
        return iter(names(first) if first else [])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in list(iter(self))

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self:
            raise KeyError(f"no metric {name!r}; there are {', '.join(self) or 'none yet'}")
        parts = [
            [member(chunk.path, name) for chunk in contiguous(directory)] for directory in self.directories
        ]
        if name in AXIS_FREE:
            return max((np.concatenate(part) for part in parts if part), key=len)
        return side_by_side(parts, self.num_runs)


def contiguous(directory: pathlib.Path) -> list[Chunk]:
    """The chunks of a part; ValueError if a stretch of steps between them is missing."""
    found, covered = chunks(directory), 0
    for chunk in found:
        if chunk.first != covered:
            raise ValueError(f"{directory} is damaged: after step {covered} comes {chunk.path.name}")
        covered = chunk.last
    return found


def side_by_side(parts: list[list[np.ndarray]], num_runs: list[int]) -> np.ndarray:
    """Chunks [S_part, T_chunk, ...] of several parts as one array [S, T, ...], NaN where a part is shorter."""
    length = max(sum(chunk.shape[1] for chunk in part) for part in parts)
    example = next(part[0] for part in parts if part)
    whole = np.full((sum(num_runs), length, *example.shape[2:]), np.nan, example.dtype)
    first = 0
    for part, runs in zip(parts, num_runs, strict=True):
        step = 0
        for chunk in part:
            whole[first : first + runs, step : step + chunk.shape[1]] = chunk[:runs]
            step += chunk.shape[1]
        first += runs
    return whole
