"""A function of one run, measured over epochs and runs of a sweep, block by block: stopped, it goes on.

Every block of runs at an epoch is one file. Together they become one npz with the name, axes and unit of
every array, which `read` opens. One line makes a dataset of it: `xarray.Dataset(measured.read(path))`.
"""

import functools
import itertools
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

import jax
import numpy as np
from jaxtyping import PyTree
from rich.console import Console
from rich.progress import track

from grokjax import checkpoints, mapping
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
    cells = [(epoch, first) for epoch in epochs for first in range(0, sweep.num_runs, block)]
    open_cells = [cell for cell in cells if not _file(folder, *cell).exists()]
    runs = functools.lru_cache(1)(runs_at or sweep.runs)
    size = lambda first: min(block, sweep.num_runs - first)
    together = mapping.stacks_at_once(-(-size(0) // at_once))
    groups = [open_cells[i : i + together] for i in range(0, len(open_cells), together)]
    for cells in track(groups, "blocks of runs", console=console, disable=not groups):
        stacks = [
            jax.tree.map(functools.partial(_picked, _rows(first, size(first), at_once)), (runs(epoch), data))
            for epoch, first in cells
        ]
        found = lifted(*mapping.stacked(stacks))
        ends = np.cumsum([0, *(run.hyper.seed.shape[0] for run, _ in stacks)])
        for (epoch, first), (begin, end) in zip(cells, itertools.pairwise(ends), strict=True):
            kept = {name: _in_line(x[begin:end], at_once)[: size(first)] for name, x in found.items()}
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


def _rows(first: int, number: int, at_once: int) -> np.ndarray:
    """The places of some runs; in groups [S / at_once, at_once], the last one filled with its last run."""
    rows = np.minimum(np.arange(first, first + number + -number % at_once), first + number - 1)
    return rows if at_once == 1 else rows.reshape(-1, at_once)


def _picked(rows: np.ndarray, leaf: Any) -> np.ndarray:
    return np.asarray(leaf)[rows]


def _in_line(x: np.ndarray, at_once: int) -> np.ndarray:
    """What groups of runs gave, run by run."""
    return x if at_once == 1 else x.reshape(-1, *x.shape[2:])


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
