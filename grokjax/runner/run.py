"""Train a sweep into its directory: the loop over epochs, what stops it, and what is said when it fails."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import NamedTuple, Self

import jax
import numpy as np
import rich.console

from grokjax import checkpoints, training
from grokjax.checkpoints import multihost
from grokjax.cli.progress import Progress
from grokjax.cli.values import UsageError


class Outcome(NamedTuple):
    """How a session went. Runs are indices into the sweep; seconds and run-steps are of this session alone."""

    interrupted: bool
    diverged: list[int]
    stopped: list[int]
    seconds: float
    run_steps: int


class Interruption:
    """Ctrl-C or a polite kill asks to stop after the epoch under way; a second one stops at once."""

    def __init__(self, console: rich.console.Console):
        self.console, self.asked, self.agreed = console, False, False
        self.signals = (
            (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        )

    def __enter__(self) -> Self:
        self.previous = {number: signal.signal(number, self._ask) for number in self.signals}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def stops(self) -> bool:
        """Whether any process was asked; all must call it, so that they stop after the same epoch."""
        self.agreed = not multihost.all_say(not self.asked)
        return self.agreed

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.console.print("stopping after this epoch; once more stops at once")


@contextlib.contextmanager
def without_storage_noise() -> Iterator[None]:
    """Drop what the storage library's threads print when a write failed after its event loop ended: the
    failure itself is raised.
    """
    raised, ignored = sys.excepthook, sys.unraisablehook
    is_noise = lambda error: str(error) == "Event loop is closed"

    def on_raised(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not is_noise(error):
            raised(kind, error, trace)

    def on_ignored(found: "sys.UnraisableHookArgs") -> None:
        if not is_noise(found.exc_value):
            ignored(found)

    sys.excepthook, sys.unraisablehook = on_raised, on_ignored
    try:
        yield
    finally:
        sys.excepthook, sys.unraisablehook = raised, ignored


def run(writer: checkpoints.Writer, console: rich.console.Console) -> Outcome:
    """Train what the directory lacks, part after part. OSError, in one sentence, where the disk refuses; what
    was saved stays.
    """
    with without_storage_noise(), Interruption(console) as interruption, writer:
        for note in writer.notes:
            console.print(f"note: {note}", highlight=False)
        with Progress(console, writer.spec.steps * writer.spec.num_runs) as progress:
            flags = [
                train_part(part, progress, interruption) for part in writer.parts if not interruption.agreed
            ]
    diverged, stopped = (
        np.flatnonzero(np.concatenate(column)).tolist() for column in zip(*flags, strict=True)
    )
    return Outcome(interruption.agreed, diverged, stopped, progress.seconds, progress.trained)


def train_part(
    part: checkpoints.Part, progress: Progress, interruption: Interruption
) -> tuple[np.ndarray, np.ndarray]:
    """Train one part to its end, or until interrupted; which of its runs diverged and which were stopped
    early.
    """
    spec, first = part.spec, restored(part)
    for sentence in part.damage:
        progress.console.print(f"note: {sentence}", highlight=False)
    progress.begin(part.num_runs, first.step if first else 0)
    everyone = np.ones(part.num_runs, bool)
    alive, active = (
        (np.asarray(first.runs.alive), np.asarray(first.runs.active)) if first else (everyone, everyone)
    )
    epochs = training.train(
        spec.task,
        spec.config,
        spec.recipe,
        part.hypers,
        steps=spec.epoch_steps,
        until=spec.steps,
        block=spec.block,
        first=first,
        goes_on=lambda: not interruption.asked,
    )
    del first  # what is trained on is held once: by the epoch under way
    for epoch in epochs:
        part.record(epoch)
        progress.update(epoch, spec.task.columns)
        alive, active = ~epoch.diverged, epoch.active
        del epoch
        if interruption.stops():
            break
    part.finish()
    return ~alive, alive & ~active


def restored(part: checkpoints.Part) -> checkpoints.Restored | None:
    """The epoch to go on from; UsageError for a checkpoint of another shape."""
    try:
        return part.restore()
    except ValueError as error:
        raise UsageError(str(error)) from None


def out_of_memory(error: jax.errors.JaxRuntimeError) -> str | None:
    """A sentence for a device whose memory was not enough; None for any other error."""
    if "RESOURCE_EXHAUSTED" not in str(error):
        return None
    return "out of memory: choose a smaller --block, fewer --seeds or a smaller --batch; what was saved is intact"
