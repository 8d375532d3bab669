"""A sweep under way in its directory: plan, restore, train, record, one epoch after another."""

import os
import time
from collections.abc import Callable, Iterator

import numpy as np

from grokjax import checkpoints, training
from grokjax.checkpoints import multihost
from grokjax.runner import output
from grokjax.runner.plan import Plan, plan
from grokjax.runner.request import Request, UsageError


class Session:
    """A sweep to be trained: an iteration gives each epoch that the directory lacks, once it is recorded.

    Raises UsageError, before anything is compiled or written, for what the directory cannot take; OSError, in
    one sentence, where the disk refuses later: what was saved stays. To leave the loop saves what is done.

    directory, request, plan: what is trained where, and at what cost
    tell: called with each sentence for the user (versions that changed, a damaged checkpoint)
    goes_on: False keeps the next epoch from being begun while the caller has this one
    done, trained: run-steps (steps times runs) that are behind the sweep, and those of this session
    part, resumed: the part under way, and the step from which it goes on;  seconds: since the first epoch
    diverged, stopped: runs, as indices into the sweep;  finished: every run has all its steps
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        request: Request,
        *,
        tell: Callable[[str], object] = lambda sentence: None,
        at_end: Callable[["Session"], object] = lambda session: None,
    ):
        self.directory = output.place(directory)
        self.tell, self.at_end, self.goes_on = tell, at_end, lambda: True
        try:
            self.request = request = output.in_recorded_order(self.directory, request)
            self.plan: Plan = plan(request, output.recorded_block(self.directory))
            self.spec = output.specification(request, self.plan)
            multihost.on_first(lambda: output.check(self.directory, request, self.plan, self.spec))
        except (ValueError, FileNotFoundError) as error:
            raise UsageError(str(error)) from None
        self.done, self.trained, self.resumed, self.seconds, self.finished = 0, 0, 0, 0.0, False
        self.part: checkpoints.Part | None = None
        self.diverged: list[int] = []
        self.stopped: list[int] = []

    def __repr__(self) -> str:
        steps, runs = self.request.steps, self.request.num_runs
        return f"session: {self.done:,} of {steps * runs:,} run-steps of {runs} runs, in {self.directory}"

    @property
    def sweep(self) -> checkpoints.Sweep:
        """The sweep as it is on the disk."""
        return checkpoints.open_sweep(self.directory, trusted=self.spec.trusted)

    def run(self) -> checkpoints.Sweep:
        """Trains all that is missing, as a loop over the epochs would, and returns the sweep."""
        for _ in self:
            pass
        return self.sweep

    def __iter__(self) -> Iterator[training.Epoch]:
        self._began, self.done, self.trained, self.finished = time.monotonic(), 0, 0, False
        self.diverged, self.stopped = [], []
        with self._opened() as writer:
            for note in writer.notes:
                self.tell(note)
            for part in writer.parts:
                yield from self._of_part(part)
                self._tell_damage(part)
        self.seconds, self.finished = time.monotonic() - self._began, True
        if multihost.is_first():
            self.at_end(self)

    def _of_part(self, part: checkpoints.Part) -> Iterator[training.Epoch]:
        """The epochs that a part lacks; it is saved also where the caller leaves the loop."""
        snapshot = self._restored(part)
        self._tell_damage(part)
        spec, state = self.spec, None if snapshot is None else snapshot.state
        self.part, self.resumed = part, 0 if snapshot is None else snapshot.step
        self.done += part.num_runs * self.resumed
        alive, active = (
            np.ones((2, part.num_runs), bool)
            if state is None
            else (np.asarray(state.alive), np.asarray(state.active))
        )
        epochs = training.train(
            spec.task,
            spec.config,
            spec.recipe,
            part.hypers,
            steps=spec.steps,
            epoch_steps=spec.epoch_steps,
            block=spec.block,
            resume_from=snapshot,
            goes_on=lambda: self.goes_on(),
        )
        del snapshot, state  # what is trained on is held once: by the epoch under way
        try:
            for epoch in epochs:
                part.record(epoch)
                alive, active = ~epoch.diverged, epoch.active
                length = (epoch.step - epoch.first_step) * part.num_runs
                self.done, self.trained = self.done + length, self.trained + length
                self.seconds = time.monotonic() - self._began
                yield epoch
                del epoch
        except GeneratorExit:
            part.finish()
            raise
        part.finish()
        self.diverged += (part.first + np.flatnonzero(~alive)).tolist()
        self.stopped += (part.first + np.flatnonzero(alive & ~active)).tolist()

    def _opened(self) -> checkpoints.Writer:
        try:
            return output.opened(self.directory, self.request, self.spec)
        except (ValueError, FileNotFoundError) as error:
            raise UsageError(str(error)) from None

    def _tell_damage(self, part: checkpoints.Part) -> None:
        """Tells what was found damaged since it was last told."""
        for sentence in part.damage:
            self.tell(sentence)
        part.damage.clear()

    def _restored(self, part: checkpoints.Part) -> training.Snapshot | None:
        """The epoch to go on from; UsageError for a checkpoint of another shape."""
        try:
            return part.restore()
        except ValueError as error:
            raise UsageError(str(error)) from None
