"""A checksum of every leaf of every run: flipped bits in array data are silent in Orbax, and wrong types are
cast.
"""

import json
import pathlib
import zlib
from typing import Any

import jax
import numpy as np

from grokjax.checkpoints import multihost
from grokjax.trees import named_leaves

Manifest = dict[str, Any]
"""epoch, step, keep, chunks (of metrics before it), versions, the stamp of its part (see `identity`), and
`items`: item -> leaf name -> dtype, shape, crc32 [runs].
"""


def is_key(leaf: Any) -> bool:
    """Returns whether a leaf holds typed PRNG keys."""
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def of_rows(array: np.ndarray) -> list[int]:
    """Returns CRC-32 of the bytes of every row [S, ...] -> S numbers."""
    return [
        zlib.crc32(np.ascontiguousarray(array[i : i + 1]).reshape(-1).view(np.uint8).data)
        for i in range(len(array))
    ]


def of_leaf(leaf: Any) -> np.ndarray:
    """Returns the checksums [S] of a numpy or jax array.

    Those of runs that lie with other processes are 0.
    """
    found = np.zeros(leaf.shape[0], np.uint32)
    if isinstance(leaf, np.ndarray):
        found[:] = of_rows(leaf)
        return found
    for shard in leaf.addressable_shards:
        if shard.replica_id == 0:
            first = shard.index[0].start or 0
            found[first : first + len(shard.data)] = of_rows(np.asarray(shard.data))
    return found


def manifest(items: dict[str, Any], facts: dict[str, Any]) -> Manifest:
    """Returns the checksum item of a snapshot; every process must call it."""
    leaves = [(item, name, leaf) for item, tree in items.items() for name, leaf in named_leaves(tree).items()]
    local = np.stack([of_leaf(leaf) for *_, leaf in leaves])
    sums = np.bitwise_or.reduce(multihost.gather(local), axis=0)
    body: Manifest = dict(facts, items={item: {} for item in items})
    for (item, name, leaf), row in zip(leaves, sums, strict=True):
        body["items"][item][name] = dict(
            dtype=np.dtype(leaf.dtype).name, shape=list(leaf.shape), crc32=row.tolist()
        )
    return body


def sealed(body: Manifest) -> dict[str, Any]:
    """Returns the manifest with a checksum of its own."""
    return {"crc32": zlib.crc32(canonical(body)), "manifest": body}


def canonical(body: Manifest) -> bytes:
    """Returns the text that the manifest's own checksum covers."""
    return json.dumps(body, sort_keys=True).encode()


def read(path: pathlib.Path) -> Manifest:
    """Returns the manifest of a snapshot's directory.

    Raises ValueError if it is missing or damaged, or another epoch's.
    """
    file, where = path / "checksums" / "metadata", f"epoch {path.name} in {path.parent}"
    try:
        seal = json.loads(file.read_text())
        body, number = seal["manifest"], seal["crc32"]
        whole = (
            isinstance(body["epoch"], int)
            and isinstance(body["step"], int)
            and isinstance(body["keep"], bool)
        )
        whole &= all(isinstance(leaves, dict) for leaves in body["items"].values())
        sealed = zlib.crc32(canonical(body)) == number
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{where} is damaged: its checksums cannot be read ({type(error).__name__})"
        ) from error
    if not (sealed and whole):
        raise ValueError(f"{where} is damaged: its checksums are not those that were written")
    if body["epoch"] != int(path.name):
        raise ValueError(f"{where} does not belong there: it was saved as epoch {body['epoch']}")
    return body


def verify(name: str, array: np.ndarray, record: dict[str, Any], rows: slice) -> None:
    """Raises a ValueError that says what is wrong if the rows of a leaf are not those that were saved."""
    shape = tuple(record["shape"])
    expected = (len(range(*rows.indices(shape[0]))), *shape[1:])
    if array.dtype.name != record["dtype"] or array.shape != expected:
        raise ValueError(
            f"{name} is {array.dtype.name}{list(array.shape)}, saved was {record['dtype']}{list(expected)}"
        )
    saved = record["crc32"][rows]
    for i, (found, right) in enumerate(zip(of_rows(array), saved, strict=True)):
        if found != right:
            raise ValueError(
                f"{name} of run {range(*rows.indices(shape[0]))[i]} has checksum {found:08x}, "
                f"saved was {right:08x}"
            )
