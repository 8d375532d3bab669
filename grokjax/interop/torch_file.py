"""Reads PyTorch checkpoints, zip or older format, without torch and without running their pickle."""

import io
import os
import pathlib
import struct
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from grokjax.interop import pickled
from grokjax.interop.pickled import Storage, Tensor

MOST_BYTES = 2**30
"""Of all weights of a file together."""
MOST_PICKLED = 2**28
"""Bytes of the pickle, which has names and settings but no weights."""
MAGIC = 0x1950A86A20F9469CFC6C
"""The number that a file of torch before 1.6 begins with."""
WHOLE = ("model", "state_dict", "model_state_dict")
"""The keys under which checkpoints keep their weights, where the file is not the weights alone."""

Read = Callable[[Storage], np.ndarray]


class Checkpoint(NamedTuple):
    """Weights by name, and what else the file holds: settings, losses; empty for the weights alone."""

    weights: dict[str, np.ndarray]
    rest: dict[str, Any]


def load_torch(path: str | os.PathLike) -> Checkpoint:
    """The weights and settings of a checkpoint. Raises ValueError, saying what was found, for other files."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file")
    try:
        with open(path, "rb") as file:
            content, read = _zipped(file) if zipfile.is_zipfile(file) else _legacy(_whole(file))
            named, rest = _weights(content)
            return Checkpoint(_arrays(named, read), rest)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, struct.error) as error:
        raise ValueError(f"{path} is a damaged checkpoint: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not a checkpoint of weights: it has {error}") from None


def _zipped(file: BinaryIO) -> tuple[Any, Read]:
    """The content of the zip format, and what reads its storages."""
    archive = zipfile.ZipFile(file)
    entries = {entry.filename: entry for entry in archive.infolist()}
    pickles = [name for name in entries if name.split("/")[-1] == "data.pkl"]
    if len(pickles) != 1:
        raise ValueError(f"{len(pickles)} files data.pkl instead of one, among {sorted(entries)[:5]}")
    folder = pickles[0].removesuffix("data.pkl")
    order = f"{folder}byteorder"
    if order in entries and archive.read(_bounded(entries[order], 16)).strip() != b"little":
        raise ValueError("numbers in big-endian byte order")

    def read(storage: Storage) -> np.ndarray:
        name = f"{folder}data/{storage.key}"
        if name not in entries:
            raise ValueError(f"no storage {name}")
        return _numbers(archive.read(_bounded(entries[name], MOST_BYTES)), storage)

    stream = io.BytesIO(archive.read(_bounded(entries[pickles[0]], MOST_PICKLED)))
    return pickled.read(stream), read


def _bounded(entry: zipfile.ZipInfo, most: int) -> zipfile.ZipInfo:
    """The entry, refused where it is too large or compressed, which torch never does."""
    if entry.file_size > most:
        raise ValueError(f"{entry.file_size:,} bytes in {entry.filename}, more than {most:,}")
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise ValueError(f"a compressed {entry.filename}, which torch does not write")
    return entry


def _whole(file: BinaryIO) -> BinaryIO:
    """The file in memory, where a read of more than there is costs nothing; ValueError if it is large."""
    file.seek(0)
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES:,} bytes, and is no zip archive")
    return io.BytesIO(data)


def _legacy(file: BinaryIO) -> tuple[Any, Read]:
    """The content of the format before torch 1.6: pickles one after the other, then all storages."""
    if not file.read(2).startswith(b"\x80"):
        raise ValueError("neither a zip archive nor a pickle at its beginning")
    file.seek(0)
    if pickled.read(file) != MAGIC:
        raise ValueError("a pickle at its beginning that is not torch's magic number")
    pickled.read(file), pickled.read(file)
    content, keys = pickled.read(file), pickled.read(file)
    if not isinstance(keys, list):
        raise ValueError("no list of storages")
    places: dict[str, tuple[int, int]] = {}
    sizes = _storages(content)
    for key in keys:
        if str(key) not in sizes:
            raise ValueError(f"a storage {key!r} that no tensor names")
        count = int.from_bytes(file.read(8), "little", signed=True)
        width = _width(sizes[str(key)])
        if not 0 <= count <= MOST_BYTES // width:
            raise ValueError(f"a storage of {count} numbers")
        places[str(key)] = (file.tell(), count * width)
        file.seek(count * width, os.SEEK_CUR)

    def read(storage: Storage) -> np.ndarray:
        if storage.key not in places:
            raise ValueError(f"no storage {storage.key!r}")
        start, size = places[storage.key]
        file.seek(start)
        return _numbers(file.read(size), storage)

    return content, read


def _storages(content: Any) -> dict[str, str]:
    """The type of each storage by key, of a content whose pickle was read; every object is visited once."""
    found: dict[str, str] = {}
    seen: set[int] = set()
    waiting = [content]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, Tensor):
            found[thing.storage.key] = thing.storage.dtype
        elif isinstance(thing, dict | list | tuple) and id(thing) not in seen:
            seen.add(id(thing))
            waiting.extend(thing.values() if isinstance(thing, dict) else thing)
    return found


def _width(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _numbers(data: bytes, storage: Storage) -> np.ndarray:
    """The numbers of a storage; bfloat16 as float32."""
    if len(data) != storage.size * _width(storage.dtype):
        raise ValueError(f"{len(data)} bytes in storage {storage.key!r} instead of {storage.size} numbers")
    if storage.dtype == "bfloat16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, storage.dtype)


def _weights(content: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors by name in a checkpoint's content, and its other entries."""
    rest: dict[str, Any] = {}
    if isinstance(content, dict):
        for key in WHOLE:
            if isinstance(content.get(key), dict):
                content, rest = content[key], {name: x for name, x in content.items() if name != key}
                break
        else:
            several = content.get("state_dicts")
            if isinstance(several, list) and several:
                content, rest = several[-1], {name: x for name, x in content.items() if name != "state_dicts"}
    if not isinstance(content, dict) or not content:
        raise ValueError(f"a {type(content).__name__} instead of tensors by name")
    odd = [name for name, x in content.items() if not isinstance(name, str) or not isinstance(x, Tensor)]
    if odd:
        raise ValueError(f"no tensor under {odd[0]!r}, but a {type(content[odd[0]]).__name__}")
    return content, rest


def _arrays(tensors: dict[str, Tensor], read: Read) -> dict[str, np.ndarray]:
    """The tensors as arrays; storages that several share are read once."""
    storages: dict[str, np.ndarray] = {}
    arrays, total = {}, 0
    for name, tensor in tensors.items():
        count = int(np.prod(tensor.shape, dtype=object))
        span = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True)) + 1
        if count > tensor.storage.size or (count and span > tensor.storage.size):
            raise ValueError(f"a tensor {name!r} of shape {tensor.shape} that its storage cannot hold")
        total += count * 8
        if total > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes of weights")
        if tensor.storage.key not in storages:
            storages[tensor.storage.key] = read(tensor.storage)
        numbers = storages[tensor.storage.key]
        strides = [stride * numbers.itemsize for stride in tensor.strides]
        view = np.lib.stride_tricks.as_strided(
            numbers[tensor.offset :], tensor.shape, strides, writeable=False
        )
        arrays[name] = view.copy()
    return arrays
