"""What the parts of a sweep have saved, put together."""

from collections.abc import Collection, Sequence

import numpy as np

from grokjax.checkpoints import snapshots
from grokjax.checkpoints.identity import Place


def common(parts: Sequence[Place]) -> set[int]:
    """Returns the epochs that all parts have saved."""
    return set.intersection(*(set(snapshots.epochs(place.snapshots)) for place in parts))


def is_kept(parts: Sequence[Place], epoch: int) -> bool:
    """Returns whether an epoch outside the schedule stays, or is only for resuming.

    The last one of a sweep that stopped early, or was shorter, stays.
    """
    try:
        return all(snapshots.manifest(place.snapshots, epoch, place.identity)["keep"] for place in parts)
    except ValueError:
        return True


def reached(place: Place) -> tuple[int, int]:
    """Returns (steps, chunks of metrics) that come before the newest full state of a part.

    So many must be there.
    """
    full = [epoch for epoch in snapshots.epochs(place.snapshots) if snapshots.is_full(place.snapshots, epoch)]
    try:
        body = snapshots.manifest(place.snapshots, full[-1], place.identity) if full else {}
    except ValueError:  # said when the state is read
        body = {}
    return body.get("step", 0), body.get("chunks", 0)


def leaves(
    parts: Sequence[Place], epoch: int, item: str, run: int | None, *, names: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """Returns the leaves of an item (those named) by name, [S, ...], or those of one run.

    For one run no other part is opened.
    """
    pieces = []
    for place in parts:
        first, size = place.identity.first, place.identity.runs
        if run is None or first <= run < first + size:
            rows = slice(0, size) if run is None else slice(run - first, run - first + 1)
            pieces.append(snapshots.arrays(place.snapshots, epoch, (item,), rows, place.identity, names))
    named = {
        name.removeprefix(f"{item}."): np.concatenate([piece[name] for piece in pieces])
        if len(pieces) > 1
        else leaf
        for name, leaf in pieces[0].items()
    }
    return named if run is None else {name: leaf[0] for name, leaf in named.items()}


def ended(parts: Sequence[Place], full: Sequence[int]) -> dict[str, np.ndarray]:
    """Returns which runs had diverged and which were stopped at the last of the epochs with full states."""
    if not full:
        nobody = np.zeros(sum(place.identity.runs for place in parts), bool)
        return dict(diverged=nobody, stopped=nobody)
    found = leaves(parts, full[-1], "rest", None, names=("alive", "stopped"))
    return dict(diverged=~found["alive"], stopped=found["alive"] & found["stopped"])
