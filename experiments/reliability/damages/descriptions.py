"""Damages of config.json, hypers.npz and the checksums of a snapshot: edited, old, another sweep's."""

import json
import pathlib
import shutil
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.reliability.damages.planted import Kind, Planted, Random, epoch_folders, put, short
from experiments.reliability.tiny import Sweeps

JUNK: tuple[Any, ...] = (None, True, -1, 0, 1.5, 10**12, 10**30, "x", "", "..", [], {}, [[]], {"class": 1})


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Returns the paths to every entry of nested JSON."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [
        *([path] if path else []),
        *(place for key, value in inner for place in places(value, (*path, key))),
    ]


def changed(tree: Any, rng: Random) -> str:
    """Removes a random entry of nested JSON, or gives it another value; says which."""
    found = places(tree)
    *above, last = found[rng.integers(len(found))]
    node = tree
    for key in above:
        node = node[key]
    if rng.integers(4) == 0:
        del node[last]
        return f"{'.'.join(map(str, [*above, last]))} removed"
    old, node[last] = node[last], JUNK[rng.integers(len(JUNK))]
    if type(old) is type(node[last]) and old == node[last]:
        node[last] = "y"
    return f"{'.'.join(map(str, [*above, last]))} is {node[last]!r}"


def entry_edited(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """One entry of config.json."""
    path = own / "config.json"
    tree = json.loads(path.read_text())
    text = changed(tree, rng)
    path.write_text(json.dumps(tree, indent=1))
    return Planted(f"config.json: {text}")


def number_edited(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """A number of config.json, as somebody would who wants another sweep."""
    path = own / "config.json"
    tree = json.loads(path.read_text())
    name = ("steps", "epoch_steps", "block", "save")[rng.integers(4)]
    tree[name] = {"steps": 8, "epoch_steps": 6, "block": 2, "save": "0"}[name]
    path.write_text(json.dumps(tree, indent=1))
    return Planted(f"config.json: {name} is {tree[name]}")


def absurd(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """Texts that are no description."""
    texts = (
        '{"format": 1}',
        '{"format": 2}',
        "[" * 100_000,
        "[]",
        "null",
        '{"format": NaN}',
        "\x00\xff",
        "{",
    )
    text = texts[rng.integers(len(texts))]
    (own / "config.json").write_text(text)
    return Planted(f"config.json is {text[:20]!r}")


def of_another(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """config.json, hypers.npz, or both are another sweep's."""
    names = (("config.json",), ("hypers.npz",), ("config.json", "hypers.npz"))[rng.integers(3)]
    sweep = ("twin", "other")[rng.integers(2)] if "config.json" in names else "other"
    for name in names:
        put(getattr(sweeps, sweep) / name, own / name)
    return Planted(f"{' and '.join(names)} of the {sweep} sweep")


def older(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """config.json, hypers.npz, or both as they were at an earlier time."""
    names = (("config.json",), ("hypers.npz",), ("config.json", "hypers.npz"))[rng.integers(3)]
    for name in names:
        put(sweeps.earlier / name, own / name)
    return Planted(f"{' and '.join(names)} of an earlier copy")


Columns = dict[str, np.ndarray]
EDITS: dict[str, Callable[[Columns, str], object]] = {
    "dropped": lambda columns, name: columns.pop(name),
    "rewritten": lambda columns, name: columns.update({name: columns[name] + 1}),
    "one more": lambda columns, name: columns.update(another=columns[name]),
    "scalar": lambda columns, name: columns.update({name: columns[name][0]}),
    "text": lambda columns, name: columns.update({name: np.array(["a", "b", "c"])}),
    "shorter": lambda columns, name: columns.update({name: columns[name][:-1]}),
    "other type": lambda columns, name: columns.update({name: columns[name].astype(np.float64)}),
    "all dropped": lambda columns, name: columns.clear(),
}


def column_edited(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """A column of hypers.npz is changed by somebody who keeps the rest."""
    path = own / "hypers.npz"
    with np.load(path) as archive:
        columns = dict(archive)
    name, edit = sorted(columns)[rng.integers(len(columns))], list(EDITS)[rng.integers(len(EDITS))]
    EDITS[edit](columns, name)
    np.savez(path, **columns)  # type: ignore[arg-type]
    return Planted(f"hypers.npz: {name} {edit}")


def column_of_terabytes(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """A header of hypers.npz promises more than the file has."""
    path = own / "hypers.npz"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"'shape': (3,), }  ", b"'shape': (9" + b"0" * 3 + b",), }", 1))
    return Planted("hypers.npz: a header of another shape")


def checksums_edited(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """An entry of the checksums of a snapshot."""
    (a,) = epoch_folders(own, rng, 1)
    path = a / "checksums" / "metadata"
    tree = json.loads(path.read_text())
    text = changed(tree, rng)
    path.write_text(json.dumps(tree))
    return Planted(f"checksums of {short(a, own)}: {text}")


def checksums_resealed(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """The same by somebody who knows how the checksums are sealed; the arrays prove them wrong."""
    (a,) = epoch_folders(own, rng, 1)
    path = a / "checksums" / "metadata"
    tree = json.loads(path.read_text())
    items = tree["manifest"]["items"]
    text = changed(items, rng)
    tree["crc32"] = zlib.crc32(json.dumps(tree["manifest"], sort_keys=True).encode())
    path.write_text(json.dumps(tree))
    return Planted(f"checksums of {short(a, own)}, sealed again: {text}")


def lock_and_leftovers(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """What kills leave: half-written files and folders, a lock file of a dead process, or no lock file."""
    (own / ".tmp-config.json").write_text('{"format"')
    (own / "metrics" / "part-0" / ".tmp-steps-00000012-00000016.npz").write_bytes(b"PK")
    shutil.copytree(
        own / "checkpoints" / "part-0" / "3", own / "checkpoints" / "part-0" / "4.orbax-checkpoint-tmp"
    )
    (own / "checkpoints" / "trash").mkdir()
    (own / ".lock").unlink(missing_ok=True)
    if rng.integers(2):
        (own / ".lock").write_text("another process")
    return Planted("leftovers of kills")


KINDS: dict[str, Kind] = {
    f"description: {action.__name__}": action
    for action in (
        entry_edited,
        number_edited,
        absurd,
        of_another,
        older,
        column_edited,
        column_of_terabytes,
        checksums_edited,
        checksums_resealed,
        lock_and_leftovers,
    )
}
