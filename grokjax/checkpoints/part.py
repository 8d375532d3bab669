"""Write one part of a sweep: restore the newest intact state, record epochs, finish."""

import pathlib
import time
from typing import Any

import numpy as np

from grokjax.checkpoints import chunks, disk, metrics, multihost, schedule, snapshots
from grokjax.checkpoints.identity import Place
from grokjax.checkpoints.saver import Saver
from grokjax.checkpoints.spec import Spec, columns
from grokjax.training import Epoch
from grokjax.training.state import Program, Snapshot, shapes

FLUSH_SECONDS = 30.0
"""Metrics wait no longer than this to be written."""
SAVE_SECONDS = 600.0
"""A state is saved at least this often, to resume from, whatever the schedule."""
FLUSH, SAVE = 1, 2


class Part:
    """A stretch of the runs of a sweep with its own snapshots and metrics.

    It has the runs first … first + num_runs - 1.
    damage: sentences about what was found not to be intact, or not to be this part's
    """

    def __init__(self, directory: pathlib.Path, spec: Spec, place: Place):
        self.directory, self.spec = directory, spec
        self.metrics, self.snapshots, self.identity = place
        self.index, self.first, self.num_runs = place.identity[1:]
        self.schedule = schedule.epochs(spec.save, spec.num_epochs)
        self.damage: list[str] = []
        self._saver: Saver | None = None
        self._buffer: list[dict[str, np.ndarray]] = []
        self._end, self._written, self._chunks = 0, 0, 0
        self._flushed = self._saved = time.monotonic()
        self._newest: Any = None
        self._newest_saved: int | None = None

    @property
    def hypers(self) -> Any:
        """The hypers of these runs, leaves [num_runs]."""
        own = slice(self.first, self.first + self.num_runs)
        return type(self.spec.hypers)(
            **{name: column[own] for name, column in columns(self.spec.hypers).items()}
        )

    def restore(self, target: Any = None) -> Snapshot | None:
        """Returns the newest intact full state, or None: begin at the beginning.

        What was recorded after it is dropped, to be computed again. `damage` then has a sentence for every
        newer state that was not intact.

        target: one run's state as shapes and types (`jax.eval_shape`); None: that of the sweep's own program
        Raises ValueError for a state of another model.
        """
        target = (
            shapes(Program(self.spec.task, self.spec.config, self.spec.recipe)) if target is None else target
        )
        candidates = [
            epoch for epoch in snapshots.epochs(self.snapshots) if snapshots.is_full(self.snapshots, epoch)
        ]
        found = None
        for epoch in reversed(candidates):
            found = self._read(epoch, target)
            if multihost.all_say(found is not None):
                break
            found = None
        newer = [epoch for epoch in candidates if found is None or epoch > found.number]
        if found is None and (newer or chunks.chunks(self.metrics)):
            self.damage.append(f"no state to go on from is left in {self.snapshots}: it begins at step 0")
        multihost.on_first(lambda: self._forget(newer, None if found is None else found.step))
        self._chunks = multihost.first_says(len(chunks.chunks(self.metrics)))
        if found is not None:
            self._end = self._written = found.step
            self._newest_saved = found.number
            self.damage += chunks.damaged(self.metrics, self.identity, self._chunks)
            self.damage += self._lost(found.number)
        return found

    def _lost(self, newest: int) -> list[str]:
        """Returns a sentence for each epoch before the newest that is missing, or not this part's."""
        there, found = snapshots.epochs(self.snapshots), []
        for epoch in sorted({*self.schedule, *there}):
            if epoch < newest and epoch not in there:
                found.append(f"epoch {epoch} is missing in {self.snapshots}")
            elif epoch in there:
                try:
                    snapshots.manifest(self.snapshots, epoch, self.identity)
                except ValueError as error:
                    found.append(str(error))
        return [sentence for sentence in found if sentence not in self.damage]

    def record(self, epoch: Any) -> bool:
        """Keeps an epoch (a `training.Epoch`): its metrics always, its state where the schedule says so.

        Metrics are written at every save and every half minute. The state is also saved every ten minutes
        between two scheduled epochs, and before a shorter last one, only to resume from. Saving goes on in
        the background; `wait` or `finish` waits for it. Returns True if it began a save.
        """
        self._append(epoch)
        self._newest = epoch
        scheduled = epoch.number in self.schedule
        # Before a shorter last epoch: a sweep that is lengthened goes on from the last whole one.
        before_ragged = (
            epoch.number == self.spec.num_epochs - 1 and self.spec.steps % self.spec.epoch_steps > 0
        )
        due = multihost.first_says(self._due())
        if scheduled or before_ragged or due == SAVE:
            self._save(epoch, keep=scheduled)
            return True
        if due == FLUSH:
            self.flush()
        return False

    def _due(self) -> int:
        """Returns what the clock asks for."""
        now = time.monotonic()
        return (
            SAVE if now - self._saved > SAVE_SECONDS else FLUSH if now - self._flushed > FLUSH_SECONDS else 0
        )

    def flush(self) -> None:
        """Writes the metrics that are not on the disk yet; if several processes train, all must call it."""
        self._chunks += multihost.first_says(bool(multihost.on_first(self._write)))
        self._buffer, self._written, self._flushed = [], self._end, time.monotonic()

    def _write(self) -> bool:
        joined = metrics.join(self._buffer) if self._buffer else {}
        if not any(array.size for array in joined.values()):
            return False
        chunks.write(self.metrics, self.identity, self._chunks, (self._written, self._end), joined)
        return True

    def wait(self) -> int | None:
        """Waits for the save under way. Returns the newest epoch that is safely saved."""
        if self._saver is not None:
            self._saver.wait()
        return self._newest_saved

    def finish(self) -> int | None:
        """Saves the last epoch that was recorded if it is not, waits, and releases everything.

        That epoch is kept for ever if the sweep ends there: all steps are done, or no run is active any more;
        else it serves to go on from. Returns the newest saved epoch.
        """
        last = self._newest
        if last is not None and self._newest_saved != last.number:
            self._save(last, keep=last.step >= self.spec.steps or not last.active.any())
        self.flush()
        self.wait()
        self.close()
        return self._newest_saved

    def close(self) -> None:
        """Writes what metrics are left and releases Orbax's threads, after the save under way."""
        try:
            if multihost.is_first():
                self._write()
            self._buffer = []
        finally:
            if self._saver is not None:
                saver, self._saver = self._saver, None
                saver.close()

    def _append(self, epoch: Any) -> None:
        arrays = {name: multihost.to_host(array) for name, array in epoch.metrics.items()}
        length = metrics.num_steps(arrays)
        if self._end + length != epoch.step:
            raise ValueError(
                f"epoch {epoch.number} ends at step {epoch.step}: it brings {length} steps, before it there "
                f"are {self._end}"
            )
        if any(array.size for array in arrays.values()):
            self._buffer.append(arrays)
        self._end = epoch.step

    def _save(self, epoch: Any, keep: bool) -> None:
        # Metrics first: a state on the disk always has all metrics before it.
        self.flush()
        if self._saver is None:
            everything = schedule.keeps_everything(self.spec.save)
            self._saver = Saver(self.snapshots, self.spec.epoch_steps, everything, self.identity)
        state = epoch.on_host() if isinstance(epoch, Epoch) else epoch.state
        self._saver.save(epoch.number, epoch.step, state=state, keep=keep, chunks=self._chunks)
        self.damage += self._saver.notes
        self._saver.notes.clear()
        self._newest_saved, self._saved = epoch.number, time.monotonic()

    def _read(self, epoch: int, target: Any) -> Snapshot | None:
        """Returns a saved state if it is intact, whole and preceded by all its metrics."""
        rows = slice(0, self.num_runs)
        try:
            body = snapshots.manifest(self.snapshots, epoch, self.identity)
            step = body["step"]
            # The ragged last epoch of a shorter sweep is no place to go on from.
            if step != self.spec.step_of(epoch):
                return None
            leaves = snapshots.arrays(self.snapshots, epoch, snapshots.ITEMS, rows, self.identity)
            number = chunks.until(self.metrics, self.identity, step)
            if number != body.get("chunks", number):
                raise ValueError(f"{self.metrics} lacks metrics of steps up to {step}")
        except ValueError as error:
            self.damage.append(str(error))
            return None
        where = f"epoch {epoch} in {self.snapshots}"
        named = {name.removeprefix("rest."): leaf for name, leaf in leaves.items()}
        return Snapshot(epoch, step, snapshots.shaped(named, target, where))

    def _forget(self, epochs: list[int], step: int | None) -> None:
        """Drops states that were not intact, and metrics beyond the step to go on from.

        Their parameters stay until they are replaced. What is not this part's is moved aside.
        """
        for epoch in epochs:
            try:
                snapshots.manifest(self.snapshots, epoch, self.identity)
            except ValueError:
                aside = disk.move(self.snapshots / str(epoch), self.directory / disk.ASIDE)
                self.damage.append(f"epoch {epoch} in {self.snapshots} was moved to {aside}")
                continue
            disk.discard(self.snapshots / str(epoch) / "rest", self.snapshots.parent / "trash")
        aside = self.directory / disk.ASIDE
        self.damage += chunks.discard_from(self.metrics, self.identity, step, aside)
