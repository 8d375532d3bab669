"""The sections of the campaign, their sizes, and the file that they are merged into."""

import datetime
import functools
import importlib
import json
import pathlib
import time
from collections.abc import Sequence
from typing import IO, Any, NamedTuple

from experiments.frame.finding import commit, described_machine
from grokjax.checkpoints import disk


class Section(NamedTuple):
    """A section: its module `experiments.reliability.NAME`, and the arguments of its `run` by size.

    small: None where other tests show the same sooner

    `run(folder, **arguments)` returns counts and numbers, and `failures`: a sentence for each thing that went
    wrong.
    """

    name: str
    full: dict[str, Any]
    small: dict[str, Any] | None


SECTIONS = (
    Section("kills", dict(count=52, stages=2), dict(count=5, stages=1)),
    Section("signals", dict(rounds=2), None),
    Section("damages", dict(count=450, schedules=2), dict(count=20, schedules=1)),
    Section("disks", dict(cases=99), None),
    Section("machines", dict(configs=10, company=2, processes=True), None),
    Section("inputs", dict(examples=520), dict(examples=12)),
    Section("weights", dict(damages=700), dict(damages=28)),
    Section("numbers", dict(examples=100_000, steps=20_000), None),
    Section("memory", dict(epochs=2000, sizes=3), None),
    Section("statistics", dict(samples=1500, bootstraps=300), None),
)
SIZES = ("full", "small")
LONGEST = 240
"""Characters of a failure in the file."""


def run(names: Sequence[str], size: str, folder: pathlib.Path, file: pathlib.Path | None) -> dict[str, Any]:
    """Runs some sections, each merged into the file when it is done. Returns all that the file then holds."""
    measured = read(file)
    for section in SECTIONS:
        if section.name in names:
            measured[section.name] = one(section, size, folder / section.name)
            if file is not None:
                text = json.dumps(
                    {name: measured[name] for name in order(measured)}, indent=1, allow_nan=False
                )
                disk.write(file, functools.partial(_put, text))
    return measured


def one(section: Section, size: str, folder: pathlib.Path) -> dict[str, Any]:
    """Runs one section. Returns what it measured, with when, where and at which commit."""
    began, arguments = time.monotonic(), getattr(section, size)
    if arguments is None:
        raise ValueError(f"--only={section.name} has no small size: other tests show the same sooner")
    found = importlib.import_module(f"experiments.reliability.{section.name}").run(folder, **arguments)
    found["failures"] = [brief(failure) for failure in found["failures"]]
    return dict(
        size=size,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        commit=commit(),
        machine=described_machine(),
        seconds=round(time.monotonic() - began),
        **found,
    )


def brief(failure: str) -> str:
    """Returns a failure as one line of at most LONGEST characters: arrays are not printed whole."""
    line = " ".join(failure.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def read(file: pathlib.Path | None) -> dict[str, Any]:
    """Returns what a file of an earlier campaign holds; nothing where there is none."""
    if file is None or not file.is_file() or not file.stat().st_size:
        return {}
    try:
        found = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file} is not the file of a campaign ({error}): choose another") from error
    return found if isinstance(found, dict) else {}


def order(measured: dict[str, Any]) -> list[str]:
    """Returns the names of what was measured, in the order of the sections."""
    return [section.name for section in SECTIONS if section.name in measured]


def _put(text: str, file: IO[bytes]) -> None:
    file.write(text.encode() + b"\n")
