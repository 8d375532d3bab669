"""Damages of whole snapshots: exchanged between epochs, runs and sweeps, renamed, removed, put back."""

import pathlib
import shutil

from experiments.reliability.damages.planted import (
    Planted,
    Random,
    epoch_folders,
    put,
    short,
    stamps,
    swap,
)
from experiments.reliability.tiny import Sweeps

ITEMS = ("params", "rest", "checksums")


def swapped(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """Two epochs of a part."""
    a, b = epoch_folders(own, rng)
    swap(a, b)
    return Planted(f"{short(a, own)} and {b.name} exchanged")


def renamed(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """An epoch under a number that is not there."""
    (a,) = epoch_folders(own, rng, 1)
    number = int(rng.integers(4, 9))
    a.rename(a.with_name(str(number)))
    return Planted(f"{short(a, own)} is now {number}")


def over_another(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """A copy of an epoch in the place of another."""
    a, b = epoch_folders(own, rng)
    put(a, b)
    return Planted(f"{short(b, own)} is a copy of {a.name}")


def removed(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """An epoch of a part."""
    (a,) = epoch_folders(own, rng, 1)
    shutil.rmtree(a)
    return Planted(f"{short(a, own)} removed")


def unfinished(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """An epoch has the name of one whose save was cut off."""
    (a,) = epoch_folders(own, rng, 1)
    a.rename(a.with_name(f"{a.name}.orbax-checkpoint-tmp"))
    return Planted(f"{short(a, own)} under the name of an unfinished save")


def a_file(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """A file has the name of an epoch."""
    (a,) = epoch_folders(own, rng, 1)
    shutil.rmtree(a)
    a.write_text("nothing")
    return Planted(f"{short(a, own)} is a file")


def item_swapped(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """The parameters, the rest of the state or the checksums of two epochs."""
    a, b = epoch_folders(own, rng)
    items = [item for item in ITEMS if (a / item).is_dir() and (b / item).is_dir()]
    item = items[rng.integers(len(items))]
    swap(a / item, b / item)
    return Planted(f"{item} of {short(a, own)} and {b.name} exchanged")


def item_of(sweep: str, own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """The parameters or the rest of the state are those of another sweep."""
    (a,) = epoch_folders(own, rng, 1)
    items = [item for item in ITEMS[:2] if (a / item).is_dir()]
    item = items[rng.integers(len(items))]
    source = getattr(sweeps, sweep) / a.relative_to(own) / item
    put(source, a / item)
    return Planted(f"{item} of {short(a, own)} from the {sweep} sweep")


def item_of_another(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """The parameters or the rest are those of other seeds."""
    return item_of("other", own, sweeps, rng)


def item_removed(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """The parameters, the rest or the checksums of an epoch."""
    (a,) = epoch_folders(own, rng, 1)
    item = ITEMS[rng.integers(len(ITEMS))]
    shutil.rmtree(a / item, ignore_errors=True)
    return Planted(f"{item} of {short(a, own)} removed")


def of(sweep: str, own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """An epoch of another sweep in the place of this one's."""
    (a,) = epoch_folders(own, rng, 1)
    source = getattr(sweeps, sweep) / a.relative_to(own)
    put(source, a)
    return Planted(f"{short(a, own)} from the {sweep} sweep", stamps(source))


def of_a_twin(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """An epoch of a sweep of the same settings."""
    return of("twin", own, sweeps, rng)


def of_another(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """An epoch of a sweep of other seeds."""
    return of("other", own, sweeps, rng)


def of_another_part(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """An epoch of the other runs of this sweep."""
    (a,) = epoch_folders(own, rng, 1)
    part = {"part-0": "part-1", "part-1": "part-0"}[a.parent.name]
    put(a.parent.with_name(part) / a.name, a)
    return Planted(f"{short(a, own)} from {part}")


def parts_swapped(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """The snapshots of the first runs and of the others."""
    swap(own / "checkpoints" / "part-0", own / "checkpoints" / "part-1")
    return Planted("parts exchanged")


def part_removed(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """All snapshots of some runs."""
    part = own / "checkpoints" / f"part-{rng.integers(2)}"
    shutil.rmtree(part)
    return Planted(f"{short(part, own)} removed")


def all_removed(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """All snapshots; or a file in their place."""
    shutil.rmtree(own / "checkpoints")
    if rng.integers(2):
        (own / "checkpoints").write_text("nothing")
        return Planted("checkpoints is a file")
    return Planted("checkpoints removed")


def all_of_another(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """All snapshots are another sweep's."""
    put(sweeps.other / "checkpoints", own / "checkpoints")
    return Planted("checkpoints of the other sweep", stamps(sweeps.other / "checkpoints"))


def older(own: pathlib.Path, sweeps: Sweeps, rng: Random) -> Planted:
    """Snapshots as they were at an earlier time."""
    put(sweeps.earlier / "checkpoints" / "part-0", own / "checkpoints" / "part-0")
    return Planted("checkpoints/part-0 of an earlier copy")


KINDS = {
    f"epochs: {action.__name__}": action
    for action in (
        swapped,
        renamed,
        over_another,
        removed,
        unfinished,
        a_file,
        item_swapped,
        item_of_another,
        item_removed,
        of_a_twin,
        of_another,
        of_another_part,
        parts_swapped,
        part_removed,
        all_removed,
        all_of_another,
        older,
    )
}
