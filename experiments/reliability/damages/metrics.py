"""Damages of the files of metrics: exchanged, copied, removed, another's, and their arrays edited."""

import pathlib
import shutil
from collections.abc import Callable

import numpy as np

from experiments.reliability.damages.planted import (
    Kind,
    Planted,
    Random,
    chunk_files,
    put,
    short,
    stamps,
    swap,
)
from experiments.reliability.tiny import Sweeps


def swapped(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """Two files of a part."""
    a, b = chunk_files(own, rng)
    swap(a, b)
    return Planted(f"{short(a, own)} and {b.name} exchanged")


def over_another(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """A copy of one in the place of another."""
    a, b = chunk_files(own, rng)
    put(a, b)
    return Planted(f"{short(b, own)} is a copy of {a.name}")


def for_other_steps(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """One has the name of other steps."""
    (a,) = chunk_files(own, rng, 1)
    name = f"steps-{rng.integers(20):08d}-{rng.integers(20):08d}.npz"
    a.rename(a.with_name(name))
    return Planted(f"{short(a, own)} is now {name}")


def first_removed(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """The evaluation before the first step."""
    path = own / "metrics" / f"part-{rng.integers(2)}" / "steps-00000000-00000000.npz"
    path.unlink()
    return Planted(f"{short(path, own)} removed")


def all_removed(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """All of a part or of all; or a file in their place."""
    folder = (own / "metrics", own / "metrics" / "part-0", own / "metrics" / "part-1")[rng.integers(3)]
    shutil.rmtree(folder)
    if rng.integers(2):
        folder.write_text("nothing")
    return Planted(f"{short(folder, own)} removed, or a file")


def of(sweep: str, own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """One of another sweep."""
    (a,) = chunk_files(own, rng, 1)
    source = getattr(sweeps, sweep) / a.relative_to(own)
    foreign = stamps(source)
    put(source, a)
    return Planted(f"{short(a, own)} from the {sweep} sweep", foreign)


def of_a_twin(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """One of a sweep of the same settings."""
    return of("twin", own, sweeps, rng)


def of_another(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """One of a sweep of other seeds."""
    return of("other", own, sweeps, rng)


def all_of_another(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """All are another sweep's."""
    put(sweeps.other / "metrics", own / "metrics")
    return Planted("metrics of the other sweep", stamps(sweeps.other / "metrics"))


def of_another_part(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """One of the other runs of this sweep."""
    (a,) = chunk_files(own, rng, 1)
    part = {"part-0": "part-1", "part-1": "part-0"}[a.parent.name]
    put(a.parent.with_name(part) / a.name, a)
    return Planted(f"{short(a, own)} from {part}")


def older(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """They are those of an earlier time."""
    put(sweeps.earlier / "metrics" / "part-0", own / "metrics" / "part-0")
    return Planted("metrics/part-0 of an earlier copy")


Arrays = dict[str, np.ndarray]
EDITS: dict[str, Callable[[Arrays, str], object]] = {
    "NaN": lambda arrays, name: arrays[name].fill(np.nan),
    "sign": lambda arrays, name: arrays.update({name: -arrays[name]}),
    "type": lambda arrays, name: arrays.update({name: arrays[name].astype(np.float64)}),
    "shorter": lambda arrays, name: arrays.update({name: arrays[name][:, :-1]}),
    "longer": lambda arrays, name: arrays.update({name: np.repeat(arrays[name], 2, 1)}),
    "fewer runs": lambda arrays, name: arrays.update({name: arrays[name][:-1]}),
    "scalar": lambda arrays, name: arrays.update({name: np.zeros((), np.float32)}),
    "text": lambda arrays, name: arrays.update({name: np.array(["a", "b"])}),
    "dropped": lambda arrays, name: arrays.pop(name),
    "one more": lambda arrays, name: arrays.update(another=arrays[name]),
    "no stamp": lambda arrays, name: arrays.pop("identity"),
    "other stamp": lambda arrays, name: arrays.update(identity=np.zeros(9, np.uint8)),
}


def edited(name: str) -> Kind:
    """Returns the kind: an array of one file is changed by somebody who keeps the rest."""

    def plant(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
        path = chunk_files(own, rng, 9)[-1]
        with np.load(path) as archive:
            arrays = dict(archive)
        metric = ("loss", "accuracy", "gradient_norm")[rng.integers(3)]
        EDITS[name](arrays, metric)
        np.savez(path, **arrays)  # type: ignore[arg-type]
        return Planted(f"{metric} in {short(path, own)}: {name}")

    return plant


KINDS: dict[str, Kind] = {
    f"metrics: {action.__name__}": action
    for action in (
        swapped,
        over_another,
        for_other_steps,
        first_removed,
        all_removed,
        of_a_twin,
        of_another,
        all_of_another,
        of_another_part,
        older,
    )
} | {f"metrics: array edited, {name}": edited(name) for name in EDITS}
