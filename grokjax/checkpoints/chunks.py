"""The metrics of a part as immutable files that are appended, never rewritten, each a stretch of steps.

A file proves itself: its member `identity` names sweep, part, runs, its number in the row of files, its
steps, and type, shape and checksum of every array.
"""

import json
import pathlib
import re
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from grokjax.checkpoints import disk, npz
from grokjax.checkpoints.identity import Identity

AXIS_FREE = ("test_step",)
"""Metrics without a run axis, [E]; all others are [S, T or E, ...]."""
IDENTITY = "identity"
Header = dict[str, Any]
"""The stamp of a file: sweep, part, first, runs; number, first_step, last_step; arrays: name -> dtype, shape,
crc32. {} in format 1."""


class Chunk(NamedTuple):
    """A file with the metrics of steps first … last - 1."""

    first: int
    last: int
    path: pathlib.Path


def chunks(directory: pathlib.Path) -> list[Chunk]:
    """Returns the chunks of a part in order of their steps."""
    if not directory.is_dir():
        return []
    named = ((re.fullmatch(r"steps-(\d+)-(\d+)\.npz", path.name), path) for path in directory.iterdir())
    return sorted(Chunk(int(match[1]), int(match[2]), path) for match, path in named if match)


def write(
    directory: pathlib.Path,
    identity: Identity,
    number: int,
    span: tuple[int, int],
    arrays: Mapping[str, np.ndarray],
) -> None:
    """Writes the metrics of steps span[0] … span[1] - 1 as one file, number `number` of the part."""
    first, last = span
    path = directory / f"steps-{first:08d}-{last:08d}.npz"
    compacted = {name: compact(name, array) for name, array in arrays.items()}
    if stamp := identity.stamp():
        stamp |= dict(number=number, first_step=first, last_step=last)
        stamp |= dict(arrays={name: described(array) for name, array in compacted.items()})
        compacted[IDENTITY] = np.frombuffer(json.dumps(stamp).encode(), np.uint8)
    with disk.explained(f"the metrics of steps {first} to {last}", directory):
        disk.write(path, lambda file: np.savez(file, allow_pickle=False, **compacted))


def compact(name: str, array: np.ndarray) -> np.ndarray:
    """Returns an array as it is stored: float32 for everything that belongs to runs."""
    return np.asarray(array) if name in AXIS_FREE else np.asarray(array, np.float32)


def described(array: np.ndarray) -> dict[str, Any]:
    """Returns the type, the shape and the checksum of an array."""
    crc = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return dict(dtype=array.dtype.name, shape=list(array.shape), crc32=crc)


def header(chunk: Chunk, identity: Identity, number: int | None) -> Header:
    """Returns the stamp of a file, once it has proved to be this part's number `number` (None: any).

    Raises ValueError, naming the file, if it has not.
    """
    if identity.sweep is None:
        return {}
    stamp = read_stamp(chunk.path)
    identity.refuse(stamp, str(chunk.path))
    own = dict(number=number, first_step=chunk.first, last_step=chunk.last)
    for name, right in own.items():
        if right is not None and stamp.get(name) != right:
            raise ValueError(
                f"{chunk.path} is not the file that was written there, or one before it is missing: its "
                f"{name} is {stamp.get(name)}, not {right}"
            )
    return stamp


def read_stamp(path: pathlib.Path) -> Header:
    """Returns what a file says of itself. Raises ValueError, naming it, if it is damaged."""
    try:
        stamp = json.loads(npz.array(path, IDENTITY).tobytes())
        if isinstance(stamp["arrays"], dict):
            return stamp
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        sentence = str(error) if "is damaged" in str(error) else f"{path} is damaged: {type(error).__name__}"
        raise ValueError(sentence) from error
    raise ValueError(f"{path} is damaged: it does not say what it holds")


def row(directory: pathlib.Path, identity: Identity) -> list[tuple[Chunk, Header]]:
    """Returns the chunks of a part, each proven.

    Raises ValueError if one is missing, or is not this part's.
    """
    found, covered = [], 0
    for number, chunk in enumerate(chunks(directory)):
        if chunk.first != covered:
            raise ValueError(f"{directory} is damaged: after step {covered} comes {chunk.path.name}")
        found.append((chunk, header(chunk, identity, number)))
        covered = chunk.last
    if found and identity.sweep is None and found[0][0].last:
        raise ValueError(
            f"{directory} is damaged: the file of step 0, steps-00000000-00000000.npz, is missing"
        )
    return found


def until(directory: pathlib.Path, identity: Identity, step: int) -> int:
    """Returns how many chunks lead from step 0 to exactly this one.

    Raises ValueError if any is missing, or another's.
    """
    leading = [chunk for chunk in chunks(directory) if chunk.last <= step]
    covered = 0
    for number, chunk in enumerate(leading):
        if chunk.first == covered:
            header(chunk, identity, number)
            covered = chunk.last
    if covered != step or (identity.sweep is None and (not leading or leading[0].last)):
        raise ValueError(f"{directory} lacks metrics of steps up to {step}")
    return len(leading)


def array(chunk: Chunk, stamp: Header, name: str, identity: Identity) -> np.ndarray:
    """Returns one metric of a proven chunk.

    Raises ValueError, naming the file, if it is not what was written.
    """
    found = npz.array(chunk.path, name)
    if stamp and described(found) != stamp["arrays"].get(name):
        raise ValueError(f"{chunk.path} is damaged: {name!r} is not what was written")
    length = chunk.last - chunk.first
    if name in AXIS_FREE:
        fits = found.ndim == 1 and found.dtype.kind in "iu"
    else:
        fits = found.dtype == np.float32 and found.ndim >= 2 and found.shape[0] >= identity.runs
        fits &= name.startswith("test_") or found.shape[1:2] == (length,)
    if not fits:
        raise ValueError(
            f"{chunk.path} is damaged: {name!r} is {found.dtype}{list(found.shape)}, of {identity.runs} runs "
            f"and {length} steps"
        )
    return found


def damaged(directory: pathlib.Path, identity: Identity, number: int) -> list[str]:
    """Returns a sentence for each of the first `number` chunks whose content is not what was written."""
    found = []
    for i, chunk in enumerate(chunks(directory)[:number]):
        try:
            stamp = header(chunk, identity, i)
            for name in names(chunk, stamp):
                array(chunk, stamp, name, identity)
        except ValueError as error:
            found.append(f"{error}; remove that file to have its steps trained again")
    return found


def names(chunk: Chunk, stamp: Header) -> list[str]:
    """Returns the metrics in a chunk."""
    return list(stamp["arrays"]) if stamp else npz.names(chunk.path)


def discard_from(
    directory: pathlib.Path, identity: Identity, step: int | None, aside: pathlib.Path
) -> list[str]:
    """Drops the chunks that go beyond a step (None: all), whose steps will be computed again.

    A file that does not prove to be this part's is moved to `aside`. Returns a sentence for each of those.
    """
    notes = []
    for chunk in reversed(chunks(directory)):
        if step is not None and chunk.last <= step:
            continue
        try:
            header(chunk, identity, None)
            chunk.path.unlink()
        except ValueError:
            notes.append(
                f"{chunk.path} was not written by this sweep: moved to {disk.move(chunk.path, aside)}"
            )
    return notes
