"""A function of one run, measured over epochs and runs of a sweep, block by block: stopped, it goes on.

Every block of runs at an epoch is one file. Together they become one npz with the name, axes and unit of
every array, which `read` opens. One line makes a dataset of it: `xarray.Dataset(measured.read(path))`.
"""

import functools
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

import jax
import numpy as np
from jaxtyping import PyTree
from rich.console import Console
from rich.progress import track

from grokjax import checkpoints
from grokjax.checkpoints import disk
from grokjax.mapping import map_runs
from grokjax.run import Run

Variable = tuple[tuple[str, ...], np.ndarray, dict[str, str]]
"""Names of the axes, values, and {"unit": ...}: what `xarray.Dataset` takes for a variable."""


def over_training(
    sweep: checkpoints.Sweep,
    function: Callable[[Any, PyTree], Mapping[str, Any]],
    data: PyTree,
    *,
    epochs: Sequence[int],
    folder: pathlib.Path,
    settings: Mapping[str, Any],
    block: int,
    at_once: int = 1,
    runs_at: Callable[[int], Run] | None = None,
    console: Console,
) -> dict[str, np.ndarray]:
    """Returns what a function gives of every epoch and run, by name, [E, S, ...].

    function: of (run, its data), written for one run;  data: of every run, leaves [S, ...]
    folder: of the blocks that are done; ValueError where it holds blocks made with other settings
    block: runs to a file, a multiple of at_once;  at_once: runs side by side on a device
    runs_at: gives the runs of an epoch, `sweep.runs` unless given: each run may be at a step of its own
    """
    claim(folder, settings)
    lifted = map_runs(function if at_once == 1 else jax.vmap(function))
    group = (-1,) if at_once == 1 else (-1, at_once)
    cells = [(epoch, first) for epoch in epochs for first in range(0, sweep.num_runs, block)]
    open_cells = [cell for cell in cells if not _file(folder, *cell).exists()]
    runs, read = None, None
    for epoch, first in track(open_cells, "blocks of runs", console=console, disable=not open_cells):
        if read != epoch:
            runs, read = (runs_at or sweep.runs)(epoch), epoch
        chosen = np.minimum(np.arange(first, first + block), sweep.num_runs - 1)
        picked = jax.tree.map(functools.partial(_picked, chosen, group), (runs, data))
        found = {name: x.reshape(block, *x.shape[len(group) :]) for name, x in lifted(*picked).items()}
        kept = {name: x[: sweep.num_runs - first] for name, x in found.items()}
        disk.write(_file(folder, epoch, first), functools.partial(_save, kept))
    return _joined(folder, epochs, range(0, sweep.num_runs, block))


def claim(folder: pathlib.Path, settings: Mapping[str, Any]) -> None:
    """Write down what the blocks of a folder are made with; ValueError where others already are there."""
    path, text = folder / "settings.json", json.dumps(settings, indent=1, sort_keys=True)
    if not path.exists():
        disk.write(path, lambda file: file.write(text.encode()))
        return
    there = json.loads(path.read_text())
    wanted = json.loads(text)
    for name in sorted(set(there) | set(wanted)):
        if there.get(name) != wanted.get(name):
            raise ValueError(
                f"{folder} holds results made with {name}={there.get(name)!r}, not {wanted.get(name)!r}: "
                "give another --name, or remove it"
            )


def write(path: pathlib.Path, variables: Mapping[str, Variable]) -> None:
    """Write named arrays with their axes and units into one npz."""
    about = {name: {"axes": axes, **attributes} for name, (axes, _, attributes) in variables.items()}
    arrays = {name: values for name, (_, values, _) in variables.items()}
    text = np.array(json.dumps(about))
    disk.write(path, functools.partial(_save, {"about": text, **arrays}))


def read(path: pathlib.Path) -> dict[str, Variable]:
    """The variables of a file that `write` wrote, by name."""
    with np.load(path) as file:
        about = json.loads(str(file["about"]))
        return {
            name: (tuple(known["axes"]), file[name], {"unit": known["unit"]}) for name, known in about.items()
        }


def _save(arrays: Mapping[str, np.ndarray], file: IO[bytes]) -> None:
    np.savez(file, **arrays)  # type: ignore[arg-type]


def _picked(rows: np.ndarray, group: tuple[int, ...], leaf: Any) -> np.ndarray:
    """Some runs of a leaf [S, ...], in groups."""
    return np.asarray(leaf)[rows].reshape(*group, *np.shape(leaf)[1:])


def _file(folder: pathlib.Path, epoch: int, first: int) -> pathlib.Path:
    return folder / f"epoch{epoch:07d}_run{first:06d}.npz"


def _joined(folder: pathlib.Path, epochs: Sequence[int], firsts: Sequence[int]) -> dict[str, np.ndarray]:
    """All blocks as arrays [E, S, ...]."""

    def of_epoch(epoch: int) -> dict[str, np.ndarray]:
        blocks = []
        for first in firsts:
            with np.load(_file(folder, epoch, first)) as file:
                blocks.append(dict(file))
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}

    found = [of_epoch(epoch) for epoch in epochs]
    return {name: np.stack([epoch[name] for epoch in found]) for name in found[0]}
