"""Files that are either whole or not there, the lock of a sweep, and one sentence for a disk that refuses."""

import contextlib
import errno
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import IO

import filelock

try:
    import fcntl
except ImportError:  # Windows: the file alone is locked
    fcntl = None  # type: ignore[assignment]

TEMPORARY = ".tmp-"
ASIDE = "set-aside"
"""The folder of a sweep for what lay in its place and was not its own."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write(path: pathlib.Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Writes a file so that a kill at any moment leaves the old one or the new one.

    It goes into a temporary file, which is synced and renamed, and then the folder is synced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    try:
        with open(temporary, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    os.replace(temporary, path)
    sync(path.parent)


def sync(folder: pathlib.Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move(path: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Moves a file or folder into another folder, under a name that is free there. Returns its new path."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{path.parent.name}-{path.name}"
    number = 0
    while target.exists():
        number += 1
        target = target.with_name(f"{path.parent.name}-{path.name}-{number}")
    os.rename(path, target)
    return target


def discard(path: pathlib.Path, trash: pathlib.Path) -> None:
    """Removes a file or folder so that it is gone at once, also for who is killed on the way."""
    move(path, trash)
    shutil.rmtree(trash, ignore_errors=True)


@contextlib.contextmanager
def explained(what: str, directory: pathlib.Path) -> Iterator[None]:
    """Turn whatever a write raises into one OSError: what could not be written, where, why, what to do."""
    try:
        yield
    except Exception as error:
        raise OSError(sentence(what, directory, error)) from error


def sentence(what: str, directory: pathlib.Path, error: BaseException) -> str:
    """Returns one sentence about a failed write."""
    try:
        free = shutil.disk_usage(directory).free
    except OSError:
        free = None
    text = str(error)
    if (
        getattr(error, "errno", None) in FULL
        or any(os.strerror(number) in text for number in FULL)
        or free == 0
    ):
        many = "no room for more files, or a limit on them: " if (free or 0) > 1e8 else ""
        return (
            f"the disk is full: {what} could not be written to {directory} ({many}{(free or 0) / 1e6:.1f} MB "
            "are free); what was saved before is intact: make room and go on with --resume"
        )
    reason = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return f"{what} could not be written to {directory}: {reason}; what was saved before is intact"


class Lock:
    """The lock of a sweep's directory. The system frees it when its holder dies, and it does not go with its
    file: where the system can, the folder itself is locked too.
    """

    def __init__(self, directory: pathlib.Path):
        self._file = filelock.FileLock(directory / ".lock", thread_local=False)
        self._folder: int | None = None
        try:
            self._file.acquire(timeout=0)
            self._lock_folder(directory)
        except (filelock.Timeout, BlockingIOError):
            self.release()
            raise ValueError(
                f"{directory} is being written by another process: wait until it ends, or stop it"
            ) from None

    def _lock_folder(self, directory: pathlib.Path) -> None:
        if fcntl is None:
            return
        self._folder = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # a file system that does not lock folders; the file is locked
            pass

    def release(self) -> None:
        """Frees the lock."""
        self._file.release()
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None
