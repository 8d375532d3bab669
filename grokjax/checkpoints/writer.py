"""Write a sweep: `with create(directory, spec)` or `resume(directory, spec) as writer`, and for each part
restore, record, finish.
"""

import logging
import pathlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

from grokjax.checkpoints import disk, identity, multihost, paths
from grokjax.checkpoints import spec as specs
from grokjax.checkpoints.part import Part
from grokjax.checkpoints.saver import quiet
from grokjax.checkpoints.spec import Spec

OWN = (".lock", "hypers.npz")
"""What a directory may hold that a kill left before it became a sweep."""
DATA = ("metrics", "checkpoints")
"""The folders of a sweep's results: without config.json nothing says whose they are."""


class Writer:
    """A sweep's directory, locked for writing.

    parts: to be trained one after another
    notes: sentences for the user
    """

    def __init__(self, directory: pathlib.Path, spec: Spec, *, notes: list[str], lock: disk.Lock | None):
        self.directory, self.spec, self.notes, self._lock = directory, spec, notes, lock
        self.parts = [
            Part(directory, spec, place) for place in identity.places(directory, specs.read(directory))
        ]

    def __enter__(self) -> Self:
        logging.getLogger("absl").addFilter(quiet)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for part in self.parts:
                try:
                    part.close()
                except Exception:
                    if error is None:
                        raise
        finally:
            logging.getLogger("absl").removeFilter(quiet)
            if self._lock is not None:
                self._lock.release()


def create(directory: str | pathlib.Path, spec: Spec) -> Writer:
    """Returns a writer for a new sweep.

    Raises ValueError if the directory already holds one, or anything else, or is being written.
    """
    directory = paths.local(directory)
    return opened(directory, spec, lambda: begin(directory, spec))


def resume(directory: str | pathlib.Path, spec: Spec) -> Writer:
    """Returns a writer that goes on with a sweep, or begins it where none began yet.

    The spec may ask for more steps and more runs. Raises ValueError naming the fields if the directory holds
    another sweep.
    """
    directory = paths.local(directory)
    return opened(
        directory,
        spec,
        lambda: go_on(directory, spec) if (directory / "config.json").exists() else begin(directory, spec),
    )


def opened(directory: pathlib.Path, spec: Spec, prepare: Callable[[], list[str]]) -> Writer:
    """Returns a writer over a directory that the first process has locked and prepared."""
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"{directory} is a file: name a directory for the sweep")

    def first() -> tuple[disk.Lock, list[str]]:
        with disk.explained("the directory of the sweep", directory):
            strangers = foreign(directory) if not (directory / "config.json").exists() else []
            directory.mkdir(parents=True, exist_ok=True)
        if data := [name for name in strangers if name in DATA]:
            raise ValueError(
                f"{directory} holds {' and '.join(data)} of a sweep, but no config.json that says of which: "
                "put its config.json back, or choose another directory"
            )
        if strangers:
            raise ValueError(
                f"{directory} holds other files ({', '.join(strangers[:3])}) and no sweep: "
                "choose an empty or a new directory"
            )
        held = disk.Lock(directory)
        try:
            return held, prepare()
        except BaseException:
            held.release()
            raise

    lock, notes = multihost.on_first(first) or (None, [])
    return Writer(directory, spec, notes=notes, lock=lock)


def foreign(directory: pathlib.Path) -> list[str]:
    """Returns names in a directory that no sweep of ours left there."""
    if not directory.is_dir():
        return []
    return sorted(
        path.name
        for path in directory.iterdir()
        if path.name not in OWN and not path.name.startswith(disk.TEMPORARY)
    )


def begin(directory: pathlib.Path, spec: Spec) -> list[str]:
    """Records a new sweep. Returns sentences for the user."""
    if (directory / "config.json").exists():
        raise ValueError(
            f"{directory} already holds a sweep: go on with --resume, or choose another directory"
        )
    specs.write(directory, spec, specs.parts_of(0, spec.num_runs, spec.part_runs))
    return specs.notes(None, spec)


def go_on(directory: pathlib.Path, spec: Spec) -> list[str]:
    """Checks that the recorded sweep is the requested one, and records its new length.

    Returns sentences about what changed around it.
    """
    found = specs.read(directory)
    specs.refuse_differences(directory, found, spec)
    parts = found["parts"] + specs.parts_of(specs.num_runs_of(found), spec.num_runs, spec.part_runs)
    notes = specs.notes(found, spec)
    specs.write(directory, spec, parts, found)
    return notes
