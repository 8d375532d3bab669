"""Read what one part of a sweep saved: which epochs, one run or all of them, every byte checked against its
checksum.
"""

import pathlib
import re
from collections.abc import Collection, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorstore

from grokjax.checkpoints import checksums, disk
from grokjax.checkpoints.identity import Identity
from grokjax.training import interventions
from grokjax.trees import named_leaves

ITEMS = ("params", "rest")
"""The two array items of a snapshot: parameters, kept for ever, and the rest of the state, kept for resuming.
"""
STORED = {"opt_state": "moments"}
"""Fields of the state that have another name on the disk, where names do not change."""


def as_stored(name: str) -> str:
    """Returns the name on the disk of a leaf of the state."""
    field, dot, rest = name.partition(".")
    return STORED.get(field, field) + dot + rest


def epochs(directory: pathlib.Path) -> list[int]:
    """Returns the epochs whose snapshot was finished, ascending; unfinished ones carry another name."""
    if not directory.is_dir():
        return []
    return sorted(int(path.name) for path in directory.iterdir() if re.fullmatch("0|[1-9][0-9]*", path.name))


def is_full(directory: pathlib.Path, epoch: int) -> bool:
    """Returns whether the full state of an epoch is still there."""
    return (directory / str(epoch) / "rest").is_dir()


def manifest(directory: pathlib.Path, epoch: int, identity: Identity | None = None) -> checksums.Manifest:
    """Returns step, leaves and checksums of a saved epoch.

    Raises ValueError if damaged, or of another part or sweep.
    """
    body = checksums.read(directory / str(epoch))
    if identity is not None:
        identity.refuse(body, f"epoch {epoch} in {directory}")
    return body


def arrays(
    directory: pathlib.Path,
    epoch: int,
    items: Iterable[str] = ("params",),
    rows: slice = slice(None),
    identity: Identity | None = None,
    names: Collection[str] | None = None,
) -> dict[str, np.ndarray]:
    """Returns the leaves of the items by `item.name`, the given runs only: `{"params.W_E": [S, V, D]}`.

    names: of the leaves that are read; None: all
    Raises ValueError naming directory, epoch, leaf and run if anything is missing, cut short, altered, or of
    another shape or type.
    """
    recorded = manifest(directory, epoch, identity)["items"]
    if missing := [item for item in items if item not in recorded]:
        raise ValueError(f"epoch {epoch} in {directory} is damaged: its {missing[0]} have no checksums")
    records = {(item, name): record for item in items for name, record in recorded[item].items()}
    if names is not None:
        records = {leaf: record for leaf, record in records.items() if leaf[1] in names}
    path = directory / str(epoch)
    found = {}
    for (item, name), array in zip(records, read_leaves(path, list(records), rows), strict=True):
        try:
            if isinstance(array, Exception):
                raise ValueError(f"{item}.{name} cannot be read ({reason(array)})")
            checksums.verify(f"{item}.{name}", array, records[item, name], rows)
            if identity is not None and len(array) < len(range(*rows.indices(identity.runs))):
                raise ValueError(f"{item}.{name} has fewer than {identity.runs} runs")
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"epoch {epoch} in {directory} is damaged: {error}") from error
        found[f"{item}.{name}"] = array
    return found


def removed(
    directory: pathlib.Path, epoch: int, identity: Identity | None, trash: pathlib.Path
) -> str | None:
    """Removes a saved epoch of this part, or moves aside one that does not prove to be its own.

    Returns a sentence about the latter.
    """
    path = directory / str(epoch)
    try:
        manifest(directory, epoch, identity)
    except ValueError as error:
        return f"{error}; it was moved to {disk.move(path, directory.parent.parent / disk.ASIDE)}"
    disk.discard(path, trash)
    return None


def read_leaves(
    path: pathlib.Path, leaves: list[tuple[str, str]], rows: slice
) -> list[np.ndarray | Exception]:
    """Returns rows of leaves by (item, name), read at the same time.

    An exception stands where a leaf could not be read.
    """
    context = tensorstore.Context()

    def location(item: str, name: str) -> dict[str, Any]:
        base = {"driver": "file", "path": f"{path / item}/"}
        return {"driver": "zarr", "kvstore": {"driver": "ocdbt", "base": base, "path": f"{name}/"}}

    # Opened all, then read all, before the first wait: 10-20 ms instead of a round trip per leaf.
    opened = [tensorstore.open(location(*leaf), read=True, context=context) for leaf in leaves]
    pending = [attempt(lambda future=future: future.result()[rows].read()) for future in opened]
    return [
        future
        if isinstance(future, Exception)
        else attempt(lambda future=future: np.asarray(future.result()))
        for future in pending
    ]


def attempt(action: Any) -> Any:
    """Returns the action's result, or the exception it raised: damaged files raise many kinds."""
    try:
        return action()
    except Exception as error:
        return error


def reason(error: Exception) -> str:
    """Returns the beginning of a storage error, for a sentence."""
    return str(error).split(" [")[0].splitlines()[0][:160] if str(error).strip() else type(error).__name__


def plain(leaves: dict[str, np.ndarray]) -> Any:
    """Returns nested dicts and lists from dotted names: a level whose names are 0, 1, 2 … is a list."""
    tree: dict[str, Any] = {}
    for name, leaf in leaves.items():
        *branches, last = name.split(".")
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[last] = leaf
    return lists(tree)


def lists(node: Any) -> Any:
    """Returns dicts with the keys 0, 1, 2 … as lists."""
    if not isinstance(node, dict):
        return node
    inner = {key: lists(value) for key, value in node.items()}
    return (
        [inner[str(i)] for i in range(len(inner))]
        if inner and set(inner) == {str(i) for i in range(len(inner))}
        else inner
    )


def shaped(leaves: dict[str, np.ndarray], target: Any, where: str) -> Any:
    """Returns the leaves in the structure of `target`, one run's shapes and types.

    Raises ValueError if they are not those of a state [S, ...] of it.
    """
    names = {as_stored(name): leaf for name, leaf in named_leaves(target).items()}
    leaves = interventions.completed(leaves, STORED["opt_state"])
    for name in [*names, *sorted(leaves.keys() - names.keys())]:
        if name not in leaves or name not in names:
            raise ValueError(
                f"{where} is of another model: {name} is "
                f"{'not in it' if name not in leaves else 'in it but not expected'}"
            )
        expected, leaf = names[name], leaves[name]
        key = checksums.is_key(expected)
        shape = jax.eval_shape(jax.random.key_data, expected).shape if key else expected.shape
        dtype = np.dtype(np.uint32) if key else np.dtype(expected.dtype)
        if leaf.shape[1:] != shape or leaf.dtype != dtype:
            raise ValueError(
                f"{where} is of another model: {name} is {leaf.dtype}{list(leaf.shape[1:])} per run, "
                f"not {dtype}{list(shape)}"
            )
    rebuilt = [
        as_keys(leaves[name], leaf) if checksums.is_key(leaf) else leaves[name]
        for name, leaf in names.items()
    ]
    return jax.tree.unflatten(jax.tree.structure(target), rebuilt)


def as_keys(data: np.ndarray, target: Any) -> jax.Array:
    """Returns typed PRNG keys of the target's kind, from their data."""
    kinds: list[Any] = []
    jax.eval_shape(lambda key: kinds.append(jax.random.key_impl(key)), target)
    return jax.random.wrap_key_data(jnp.asarray(data), impl=kinds[0])
