"""Damages of single files, whatever they are: flipped, cut, emptied, zeroed, longer, removed, renamed."""

import pathlib
from collections.abc import Callable

from experiments.reliability.damages.planted import Kind, Planted, Random, pick, short
from experiments.reliability.tiny import Sweeps


def flipped(path: pathlib.Path, rng: Random) -> None:
    """One to three bits."""
    content = bytearray(path.read_bytes())
    for _ in range(rng.integers(1, 4)):
        if content:
            content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


def cut(path: pathlib.Path, rng: Random) -> None:
    """A random number of bytes is left."""
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(max(len(content), 1))])


def emptied(path: pathlib.Path, rng: Random) -> None:
    """Nothing is left."""
    path.write_bytes(b"")


def zeroed(path: pathlib.Path, rng: Random) -> None:
    """A stretch of zeros, as a lost page leaves it."""
    content = bytearray(path.read_bytes())
    first = int(rng.integers(max(len(content), 1)))
    content[first : first + 512] = bytes(len(content[first : first + 512]))
    path.write_bytes(content)


def longer(path: pathlib.Path, rng: Random) -> None:
    """Some bytes more."""
    path.write_bytes(path.read_bytes() + rng.bytes(int(rng.integers(1, 100))))


def removed(path: pathlib.Path, rng: Random) -> None:
    """It is not there."""
    path.unlink()


def renamed(path: pathlib.Path, rng: Random) -> None:
    """It has another name."""
    path.rename(path.with_name(f"{path.name}.old"))


def a_folder(path: pathlib.Path, rng: Random) -> None:
    """A folder has its name."""
    path.unlink()
    path.mkdir()


PLACES: dict[str, Callable[[pathlib.Path, Random], pathlib.Path]] = {
    "checkpoint": lambda own, rng: pick(own / "checkpoints", rng),
    "array data": lambda own, rng: pick(own / "checkpoints", rng, "d/*"),
    "metrics": lambda own, rng: pick(own / "metrics", rng),
    "config.json": lambda own, rng: own / "config.json",
    "hypers.npz": lambda own, rng: own / "hypers.npz",
}


def kind(action: Callable[[pathlib.Path, Random], None], place: str) -> Kind:
    """Returns the damage of a file of one place."""

    def plant(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
        path = PLACES[place](own, rng)
        action(path, rng)
        return Planted(f"{short(path, own)} {action.__name__}")

    return plant


ACTIONS = (flipped, cut, emptied, zeroed, longer, removed, renamed, a_folder)
KINDS = {f"{place}: {action.__name__}": kind(action, place) for place in PLACES for action in ACTIONS}
