"""Whose a file is: every snapshot and every chunk of metrics names its sweep, part and runs, and is refused
elsewhere.
"""

import pathlib
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple


class Identity(NamedTuple):
    """A part of a sweep: the sweep's id, the part's index, its first run and the number of its runs.

    sweep: None in a directory of format 1, whose files do not say whose they are
    """

    sweep: str | None
    part: int
    first: int
    runs: int

    def stamp(self) -> dict[str, Any]:
        """Returns what is written into each file; {} where the format has none."""
        return {} if self.sweep is None else self._asdict()

    def refuse(self, found: Mapping[str, Any], what: str) -> None:
        """Raises a ValueError if a file's stamp is another's. what: the file, as a sentence names it."""
        for name, own in self.stamp().items():
            if found.get(name) != own:
                raise ValueError(
                    f"{what} does not belong here: its {'id of the sweep' if name == 'sweep' else name} is "
                    f"{found.get(name, 'not there')}, not {own}"
                )


class Place(NamedTuple):
    """Where a part lies in a sweep's directory, and whose files may lie there."""

    metrics: pathlib.Path
    snapshots: pathlib.Path
    identity: Identity


def new_id() -> str:
    """Returns a random id for a sweep."""
    return secrets.token_hex(16)


def places(directory: pathlib.Path, record: Mapping[str, Any]) -> list[Place]:
    """Returns the places of the parts of a recorded sweep."""
    return [
        Place(
            directory / "metrics" / f"part-{index}",
            directory / "checkpoints" / f"part-{index}",
            Identity(record.get("id"), index, part["first"], part["runs"]),
        )
        for index, part in enumerate(record["parts"])
    ]
