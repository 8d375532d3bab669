"""Are damaged and hostile files of weights refused in a sentence, and do they run nothing?

Damaged: one run as safetensors, and checkpoints of PyTorch (the released models, where a folder of them is
named by the environment variable GROKJAX_REFERENCE, and one that is written here). Hostile: pickles that call
something, and contents that claim more than there is.
"""

import collections
import importlib.util
import io
import os
import pathlib
import pickle
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from experiments.reliability import outcomes, tiny
from grokjax import interop, sweep
from grokjax.run import Run

LARGEST = 3_000_000
"""Bytes of a released file that is damaged again and again."""
SLOWEST = 20.0
"""Seconds after which reading a hostile file counts as hanging."""
Damage = Callable[[bytearray, np.random.Generator], object]


def run(folder: pathlib.Path, damages: int) -> dict[str, Any]:
    """Damages files so many times, and tries every hostile one. Returns counts, and what went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    counts, failures, sources = collections.Counter[str](), list[str](), undamaged(folder)
    for i in range(damages):
        random = np.random.default_rng(i)
        path, read = sources[i % len(sources)]
        kind = sorted(DAMAGES)[i // len(sources) % len(DAMAGES)]
        changed = bytearray(path.read_bytes())
        DAMAGES[kind](changed, random)
        own = folder / f"damaged{path.suffix}"
        own.write_bytes(changed)
        found = outcomes.attempt(lambda read=read, own=own: read(own), own)  # type: ignore[misc]
        verdict = outcomes.verdict(found, read(path))
        counts[verdict] += 1
        if verdict not in (outcomes.FINE, outcomes.NOTICED):
            failures.append(f"{path.name}, {kind} (number {i}): {verdict} ({found!r:.80})")
    tried = 0
    for name, content in hostile(folder / "ran"):
        tried += 1
        failures += [f"{name}: {wrong}" for wrong in tempted(folder, content)]
    return dict(
        damages=damages, files=[path.name for path, _ in sources], outcomes=dict(counts), hostile=tried,
        failures=failures,
    )  # fmt: skip


def undamaged(folder: pathlib.Path) -> list[tuple[pathlib.Path, Callable[[pathlib.Path], Any]]]:
    """Returns files and what reads each: weights as numpy arrays."""
    asked = tiny.request()
    one = sweep.select(asked.hypers, 0)
    own = Run.init(asked.task, asked.config, asked.recipe, one)
    interop.save_safetensors(own, folder / "run.safetensors")
    exported = np.linspace(-1, 1, 1000, dtype=np.float32)
    (folder / "written.pt").write_bytes(archive(state(exported), exported.tobytes()))
    found: list[tuple[pathlib.Path, Callable[[pathlib.Path], Any]]] = [
        (folder / "run.safetensors", lambda path: interop.load_safetensors(path).params),
        (folder / "written.pt", lambda path: interop.load_torch(path).weights),
    ]
    for path in released():
        found.append((path, lambda path: interop.load_torch(path).weights))
    return found


def released() -> list[pathlib.Path]:
    """Returns the released checkpoints of this machine that are small enough."""
    given = os.environ.get("GROKJAX_REFERENCE")
    return [
        path
        for path in sorted(pathlib.Path(given).rglob("*.pt*") if given else ())
        if path.suffix in (".pt", ".pth") and path.stat().st_size <= LARGEST
    ]


def flip(content: bytearray, random: np.random.Generator) -> None:
    """One bit."""
    content[random.integers(len(content))] ^= 1 << random.integers(8)


def scribble(content: bytearray, random: np.random.Generator) -> None:
    """Up to 64 bytes in a row."""
    at = random.integers(len(content))
    content[at : at + 64] = random.bytes(len(content[at : at + 64]))


def header(content: bytearray, random: np.random.Generator) -> None:
    """One byte among the first hundred."""
    content[random.integers(min(100, len(content)))] = random.integers(256)


def tail(content: bytearray, random: np.random.Generator) -> None:
    """One byte among the last thousand, where an archive has its table of contents."""
    content[-1 - random.integers(min(1000, len(content)))] = random.integers(256)


def truncate(content: bytearray, random: np.random.Generator) -> None:
    """The end is missing."""
    del content[random.integers(len(content)) :]


def zeros(content: bytearray, random: np.random.Generator) -> None:
    """A page of 512 bytes of zeros, as a lost sector leaves."""
    at = 512 * random.integers(-(-len(content) // 512))
    content[at : at + 512] = bytes(len(content[at : at + 512]))


def exchange(content: bytearray, random: np.random.Generator) -> None:
    """Two stretches of 64 bytes change places."""
    a, b = (64 * random.integers(max(len(content) // 64, 1)) for _ in range(2))
    content[a : a + 64], content[b : b + 64] = content[b : b + 64], content[a : a + 64]


DAMAGES: dict[str, Damage] = {
    damage.__name__: damage for damage in (flip, scribble, header, tail, truncate, zeros, exchange)
}


def tempted(folder: pathlib.Path, content: bytes) -> Iterator[str]:
    """Reads a hostile file. Yields what went wrong: it ran, was read, was slow, was not refused in a line."""
    path, marker, began = folder / "hostile.pt", folder / "ran", time.monotonic()
    path.write_bytes(content)
    found = outcomes.attempt(lambda: interop.load_torch(path), path)
    if marker.exists():
        marker.unlink()
        yield "it ran"
    if not (isinstance(found, outcomes.Said) and found.names):
        yield f"it was not refused in a line: {found!r:.80}"
    if (seconds := time.monotonic() - began) > SLOWEST:
        yield f"it took {seconds:.0f} s"


class Call:
    """What a pickle turns into a call when it is read."""

    def __init__(self, function: Any, *arguments: Any):
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        return self.reduced


def hostile(marker: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    """Yields files that would leave `marker` if something in them ran, and files that claim too much."""
    text = str(marker)
    calls = {
        "os.system": Call(os.system, f"touch '{text}'"),
        "eval": Call(eval, f"open({text!r}, 'w')"),
        "exec": Call(exec, f"open({text!r}, 'w')"),
        "open": Call(open, text, "w"),
        "os.mkdir": Call(os.mkdir, text),
        "pathlib": Call(pathlib.Path.touch, marker),
        "getattr of a getattr": Call(getattr, Call(importlib.util.find_spec, "os"), "loader"),
        "numpy.memmap": Call(np.memmap, text, np.uint8, "w+", 0, 8),
    }
    for name, call in calls.items():
        for protocol in (2, 4, 5):
            evil = pickle.dumps(call, protocol)
            for place, content in dict(
                alone=evil, beside=pickle.dumps({"model": call, "x": 1}, protocol)
            ).items():
                yield f"{name} {place}, protocol {protocol}", archive(content, b"")
                if protocol == 2:
                    yield f"{name} {place}, before torch 1.6", content
    huge = b"\x80\x04" + b"\x8e" + (2**50).to_bytes(8, "little") + b"x."
    yield "bytes of a petabyte", archive(huge, b"")
    yield "a hundred thousand nested lists", archive(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", b"")
    bomb = b"\x80\x02(" + b"".join(b"(h\x00h\x00tq\x00" for _ in range(40)) + b"t."
    yield "doubled forty times", archive(b"\x80\x02)q\x00" + bomb[2:], b"")
    lying = io.BytesIO()
    with zipfile.ZipFile(lying, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("archive/data.pkl", state(np.zeros(4, np.float32)))
        zipped.writestr("archive/data/0", bytes(10**8))
    yield "a zip bomb", lying.getvalue()
    yield "a storage of 2 GB", archive(state(np.zeros(1, np.float32), size=2**31 - 1), bytes(4))


def archive(content: bytes, storage: bytes) -> bytes:
    """Returns a checkpoint in PyTorch's zip format, of a pickle and storage 0."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("archive/data.pkl", content)
        zipped.writestr("archive/data/0", storage)
        zipped.writestr("archive/version", "3\n")
    return file.getvalue()


def state(array: np.ndarray, size: int | None = None) -> bytes:
    """Returns the pickle of {"W": array} on storage 0, as `torch.save` writes it. size: of the storage"""
    number = lambda n: b"J" + int(n).to_bytes(4, "little", signed=True)
    text = lambda x: b"X" + len(x).to_bytes(4, "little") + x.encode()
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
    storage += number(size or array.size) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(0)
    tensor += b"(" + number(array.size) + b"t(" + number(1) + b"t\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02}(" + text("W") + tensor + b"u."
