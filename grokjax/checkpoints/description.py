"""config.json and hypers.npz read back: what is not as it was written is one sentence that names the file."""

import dataclasses
import json
import pathlib
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from grokjax.checkpoints import npz, schedule
from grokjax.config import INTEGERS

FORMAT = 2
"""The format of new directories. In format 1 nothing says which sweep a file belongs to; such a directory is
read, and gone on with, as it is.
"""
READABLE = (1, FORMAT)
MOST_BYTES = 2**26
MOST_STEPS = 2**31 - 1
MOST_EPOCHS = 10**7
MOST_RUNS = 10**7
DEEPEST = 50
HYPERS = "hypers.npz"


def sealed(found: dict[str, Any]) -> dict[str, Any]:
    """Returns a description with a checksum of its own."""
    body = {name: value for name, value in found.items() if name != "crc32"}
    return body | {"crc32": zlib.crc32(json.dumps(body, sort_keys=True).encode())}


def read(directory: pathlib.Path) -> dict[str, Any]:
    """Returns the content of config.json.

    Raises FileNotFoundError where there is no sweep, ValueError where it is damaged or of an unknown format.
    """
    path = directory / "config.json"
    if not directory.is_dir():
        raise FileNotFoundError(f"{directory} is not a directory: there is no sweep")
    if not path.is_file():
        raise FileNotFoundError(
            f"{directory} holds no sweep: it has no config.json "
            "(if one was killed at its very start, use --resume)"
        )
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        found = json.loads(path.read_text())
        number = found["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{path} is damaged: it is not the description of a sweep ({reason})") from error
    if number not in READABLE or isinstance(number, bool):
        formats = " and ".join(map(str, READABLE))
        raise ValueError(f"{path} has format {number!r}, this version of grokjax reads formats {formats}")
    for complaint in complaints(found):
        raise ValueError(f"{path} is damaged: {complaint}")
    if number > 1 and sealed(found)["crc32"] != found.get("crc32"):
        raise ValueError(
            f"{path} is damaged: it is not what was written (a sweep's settings cannot be edited)"
        )
    return found


def complaints(found: dict[str, Any]) -> list[str]:
    """Returns a sentence for each entry of a description that is not what it must be."""
    if wrong := [name for name, fits in ENTRIES.items() if not attempt(fits, found.get(name, ...))]:
        name = wrong[0]
        return [f"{name!r} is {shortened(found[name])}" if name in found else f"it has no {name!r}"]
    if -(-found["steps"] // found["epoch_steps"]) > MOST_EPOCHS:
        return [f"it has more than {MOST_EPOCHS} epochs"]
    first = 0
    for part in found["parts"]:
        if part["first"] != first:
            return [f"'parts' names runs that do not follow each other: {shortened(found['parts'])}"]
        first += part["runs"]
    if first > MOST_RUNS:
        return [f"it names {first} runs, more than {MOST_RUNS}"]
    own = found["format"] == 1 or (isinstance(found.get("id"), str) and "crc32" in found["hypers"])
    return [] if own else ["it has no 'id' and checksums"]


def attempt(fits: Callable[[Any], Any], value: Any) -> bool:
    """Returns whether a value fits; one that cannot even be looked at does not."""
    try:
        return bool(fits(value))
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def shortened(value: Any) -> str:
    """Returns a value as a short text for a sentence."""
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."


def count(value: Any, least: int = 1, most: int = MOST_STEPS) -> bool:
    """Returns whether it is an integer in the range."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def texts(value: Any) -> bool:
    """Returns whether it is a dict of texts."""
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def encoded(value: Any, depth: int = 0) -> bool:
    """Returns whether it is what `record.encode` may have written."""
    if depth > DEEPEST:
        return False
    if isinstance(value, list):
        return all(encoded(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return True
    inner = [*value.get("fields", {}).values(), *value.get("keywords", {}).values()]
    names = [value[key] for key in ("class", "object", "partial", "unknown") if key in value]
    return (
        len(names) == 1
        and isinstance(names[0], str)
        and ("class" in value) == ("fields" in value)
        and all(encoded(item, depth + 1) for item in [*inner, *value.get("arguments", [])])
    )


def settings(value: Any) -> bool:
    """Returns whether it is an encoded dataclass."""
    return isinstance(value, dict) and "class" in value and encoded(value)


def hypers(value: Any) -> bool:
    """Returns whether it names a class and the file beside it.

    Checksums of the columns came with format 2.
    """
    sums = value.get("crc32", {})
    return isinstance(value["class"], str) and value["file"] == HYPERS and all(map(count_or_0, sums.values()))


def count_or_0(value: Any) -> bool:
    """Returns whether it is a checksum."""
    return count(value, 0, 2**32)


def parts(value: Any) -> bool:
    """Returns whether it is a list of stretches of runs."""
    return bool(value) and all(
        isinstance(part, dict) and count(part["first"], 0) and count(part["runs"]) for part in value
    )


ENTRIES: dict[str, Callable[[Any], Any]] = {
    "task": settings,
    "config": settings,
    "recipe": settings,
    "hypers": hypers,
    "steps": count,
    "epoch_steps": count,
    "save": lambda value: schedule.epochs(value, 1),
    "block": lambda value: value is None or count(value),
    "parts": parts,
    "num_devices": count,
    "num_processes": count,
    "command": lambda value: isinstance(value, str),
    "machine": texts,
    "versions": texts,
}
"""Every entry of config.json, and whether a value can be it."""


def checksum(column: np.ndarray) -> int:
    """Returns the CRC-32 of a column of the hypers."""
    return zlib.crc32(np.ascontiguousarray(column).view(np.uint8).data)


def read_hypers(directory: pathlib.Path, found: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns the recorded fields of the hypers, arrays [S].

    Raises ValueError if they are not those that were written.
    """
    path = directory / HYPERS
    num_runs = sum(part["runs"] for part in found["parts"])
    sums = found["hypers"].get("crc32")
    try:
        columns = {name: npz.array(path, name) for name in npz.names(path)}
    except ValueError as error:
        raise ValueError(str(error).replace("is damaged", "is missing or damaged", 1)) from error
    for name, column in columns.items():
        if column.ndim != 1 or column.dtype not in (np.int32, np.float32):
            raise ValueError(
                f"{path} is damaged: {name!r} is {column.dtype}{list(column.shape)}, not a column"
            )
        if len(column) < num_runs:
            raise ValueError(
                f"{path} is damaged: config.json names {num_runs} runs, its {name!r} has {len(column)}"
            )
    # More rows than runs: a kill came between writing the longer hypers and config.json.
    columns = {name: column[:num_runs] for name, column in columns.items()}
    if not columns or (sums is not None and {name: checksum(x) for name, x in columns.items()} != sums):
        wrong = [name for name in {**(sums or {}), **columns} if not_written(name, sums or {}, columns)]
        raise ValueError(f"{path} is damaged: {', '.join(wrong) or 'its content'} is not what was written")
    return columns


def completed(columns: Mapping[str, np.ndarray], cls: Any) -> dict[str, np.ndarray]:
    """Returns recorded columns with those of knobs that came later, at their defaults."""
    size = len(next(iter(columns.values())))
    kind = lambda name: np.int32 if name in INTEGERS else np.float32
    later = {
        field.name: np.full(size, field.default, kind(field.name))
        for field in dataclasses.fields(cls)
        if field.name not in columns and field.default is not dataclasses.MISSING
    }
    return {**columns, **later}


def not_written(name: str, sums: Mapping[str, int], columns: Mapping[str, np.ndarray]) -> bool:
    """Returns whether a column is missing, new, or other than its checksum says."""
    return name not in columns or sums.get(name) != checksum(columns[name])
