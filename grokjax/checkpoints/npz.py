"""Arrays of an .npz file, read one by one, of no more bytes than the file has; the zip's CRC finds damage."""

import pathlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

SUFFIX = ".npy"


@contextmanager
def opened(path: pathlib.Path, what: str) -> Iterator[zipfile.ZipFile]:
    """Opens an archive; whatever goes wrong inside becomes one ValueError that names the file.

    what: is read from it, as the sentence names it
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except Exception as error:  # damaged files raise many kinds
        raise ValueError(
            f"{path} is damaged: {what} cannot be read ({str(error) or type(error).__name__})"
        ) from error


def names(path: pathlib.Path) -> list[str]:
    """Returns the names of the arrays. Raises ValueError, naming the file, if it is damaged."""
    with opened(path, "the list of its arrays") as archive:
        return [name.removesuffix(SUFFIX) for name in archive.namelist()]


def array(path: pathlib.Path, name: str) -> np.ndarray:
    """Returns one array, without reading the others.

    Raises ValueError, naming the file, if it is damaged, or holds less than its header says.
    """
    with opened(path, repr(name)) as archive:
        info = archive.getinfo(name + SUFFIX)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > path.stat().st_size:
            raise ValueError("it is compressed, or larger than its file")
        with archive.open(info) as file:
            shape, dtype = header(file)
            if info.file_size - file.tell() != int(np.prod(shape, dtype=object)) * dtype.itemsize:
                raise ValueError(f"{dtype}{list(shape)} is not what its {info.file_size} bytes hold")
            file.seek(0)
            found = np.lib.format.read_array(file, allow_pickle=False)
            file.read()  # the CRC is compared at the end of the member
            return found


def header(file) -> tuple[tuple[int, ...], np.dtype]:
    """Returns the shape and the type of an array before its data is read."""
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"its array format {version} is unknown")
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds objects")
    return shape, dtype
