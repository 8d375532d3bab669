"""Writes snapshots of a part with Orbax: asynchronous, one chunk per run, committed by a rename."""

import logging
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from grokjax.checkpoints import checksums, disk, multihost, paths, snapshots
from grokjax.checkpoints.identity import Identity
from grokjax.checkpoints.surroundings import versions

FULL_STATES = 2
"""How many of the newest full states are kept for resuming."""


class Saver:
    """The Orbax manager of one part. `keep_full` keeps the full state of every epoch.

    identity: what every snapshot is stamped with; None: nothing
    """

    def __init__(
        self, directory: pathlib.Path, epoch_steps: int, keep_full: bool, identity: Identity | None = None
    ):
        import orbax.checkpoint as ocp  # imported here: 0.7 s that reading does without

        self.directory, self.epoch_steps, self.keep_full = directory, epoch_steps, keep_full
        self.identity, self.trash = identity, directory.parent / "trash"
        self.pending: int | None = None
        self.notes: list[str] = []
        self.facts: dict[int, tuple[int, bool]] = {}
        self.done: set[int] = set()
        options = ocp.CheckpointManagerOptions(
            max_to_keep=None,
            cleanup_tmp_directories=True,
            enable_async_checkpointing=True,
            # Else threads wait for a folder that could not be made, for 300 s at the end of the process.
            async_options=ocp.AsyncOptions(create_directories_asynchronously=False),
        )
        # Compression makes weights 8% smaller, and is a third of a save's work and half of reading's.
        handlers: Any = {item: ocp.PyTreeCheckpointHandler(use_compression=False) for item in snapshots.ITEMS}
        handlers["checksums"] = ocp.JsonCheckpointHandler()
        with disk.explained("the folder of the snapshots", directory):
            directory.mkdir(parents=True, exist_ok=True)
            self.link = paths.Plain(directory)
            self.manager = ocp.CheckpointManager(self.link.path, options=options, item_handlers=handlers)

    def save(self, epoch: int, step: int, *, state: Any, keep: bool, chunks: int = 0) -> None:
        """Begins to save a state (leaves [S, ...]) and returns; it counts as saved after `wait`.

        An epoch that was there is replaced; one that is not this part's is moved aside (`notes` says so).
        keep: for ever, not only to resume from
        chunks: of metrics that were written before it
        """
        self.wait()
        items = dict(params=writable(state.params), rest=writable(without_params(state)))
        facts = dict(epoch=epoch, step=step, keep=keep, chunks=chunks, versions=versions())
        facts |= self.identity.stamp() if self.identity else {}
        with disk.explained(f"epoch {epoch}", self.directory):
            body = checksums.manifest(items, facts)
            self._change(lambda: self._replace(epoch))
            # force: without it Orbax returns False, silently, for an epoch older than the newest.
            self.manager.save(epoch, args=arguments(items, checksums.sealed(body)), force=True)
        self.pending, self.facts[epoch] = epoch, (step, keep)

    def wait(self) -> None:
        """Waits until the save that was begun is on the disk, then drops what newer ones make superfluous.

        Raises OSError if it failed.
        """
        if self.pending is None:
            return
        epoch, self.pending = self.pending, None
        # Only here does an asynchronous save report a full disk.
        with disk.explained(f"epoch {epoch}", self.directory):
            self.manager.wait_until_finished()
            self.done.add(epoch)
            if gone := sorted(self.done - set(snapshots.epochs(self.directory))):
                which = ", ".join(map(str, gone))
                raise OSError(f"what was saved of epoch {which} is no longer there: was it moved or removed?")
            self._change(lambda: self._prune(epoch))

    def close(self) -> None:
        """Waits and releases Orbax's threads."""
        try:
            self.wait()
        finally:
            self.manager.close()
            self.link.close()

    def _change(self, action: Callable[[], bool]) -> None:
        """Lets the first process remove epochs; if it did, Orbax looks again at what is there."""
        if multihost.first_says(bool(multihost.on_first(action))):
            self.manager.reload()

    def _prune(self, newest: int) -> bool:
        """Drops full states but the newest, epochs saved only for resuming, and outgrown ragged ones.

        A ragged epoch is the shorter last one of a sweep that has gone beyond it. Returns True if whole
        epochs went.
        """
        saved = snapshots.epochs(self.directory)
        full = [epoch for epoch in saved if snapshots.is_full(self.directory, epoch)]
        resumable = full[-FULL_STATES:]
        superfluous = [
            epoch
            for epoch in saved
            if epoch < newest and (self._is_ragged(epoch) or not (self._is_kept(epoch) or epoch in resumable))
        ]
        if not self.keep_full:
            for epoch in set(full) - set(resumable) - set(superfluous):
                disk.discard(self.directory / str(epoch) / "rest", self.trash)
        return self._discard(superfluous)

    def _facts(self, epoch: int) -> tuple[int, bool]:
        """Returns step and keep flag of a saved epoch; a damaged one is kept as it is."""
        if epoch not in self.facts:
            try:
                body = snapshots.manifest(self.directory, epoch, self.identity)
                self.facts[epoch] = body["step"], body["keep"]
            except ValueError:
                self.facts[epoch] = epoch * self.epoch_steps, True
        return self.facts[epoch]

    def _is_kept(self, epoch: int) -> bool:
        return self._facts(epoch)[1]

    def _is_ragged(self, epoch: int) -> bool:
        return self._facts(epoch)[0] != epoch * self.epoch_steps

    def _discard(self, epochs: list[int]) -> bool:
        """Removes whole epochs. Returns True if there were any."""
        for epoch in epochs:
            self.facts.pop(epoch, None)
            self.done.discard(epoch)
            disk.discard(self.directory / str(epoch), self.trash)
        return bool(epochs)

    def _replace(self, epoch: int) -> bool:
        """Makes room for an epoch. Returns True if there was one."""
        if epoch not in snapshots.epochs(self.directory):
            return False
        self.facts.pop(epoch, None)
        if note := snapshots.removed(self.directory, epoch, self.identity, self.trash):
            self.notes.append(note)
        return True


def without_params(state: Any) -> dict[str, Any]:
    """Returns the other fields of a state (a dataclass or NamedTuple) by their names on the disk."""
    names = state._fields if hasattr(state, "_fields") else state.__dataclass_fields__
    return {snapshots.as_stored(name): getattr(state, name) for name in names if name != "params"}


def writable(tree: Any) -> Any:
    """Returns leaves as numpy arrays, or as they are where several processes hold their parts.

    Typed keys become their data.
    """

    def leaf(x: Any) -> Any:
        if checksums.is_key(x):
            x = jax.random.key_data(x)
        if not np.shape(x):
            raise ValueError(
                f"a leaf of the state is a single {x.dtype}: every leaf must begin with the run axis"
            )
        return np.asarray(x) if not isinstance(x, jax.Array) or x.is_fully_addressable else x

    return jax.tree.map(leaf, tree)


def arguments(items: dict[str, Any], seal: dict[str, Any]) -> Any:
    """Returns what Orbax is asked to save, all committed at once.

    That is the array items, in one chunk per run, and the checksums.
    """
    import orbax.checkpoint as ocp

    def one_chunk_per_run(x: Any) -> Any:
        # Without shard_axes Orbax cuts other axes.
        return ocp.SaveArgs(chunk_byte_size=max(1, x.nbytes // x.shape[0]), shard_axes=(0,))

    trees = {
        item: ocp.args.PyTreeSave(tree, save_args=jax.tree.map(one_chunk_per_run, tree))
        for item, tree in items.items()
    }
    return ocp.args.Composite(**trees, checksums=ocp.args.JsonSave(seal))


def quiet(record: logging.LogRecord) -> bool:
    """Returns False for what Orbax logs: as a filter it drops that.

    Orbax warns of every small chunk, and what fails is raised again, in one sentence.
    """
    return "orbax" not in record.pathname
