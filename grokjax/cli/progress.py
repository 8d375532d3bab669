"""What a running sweep shows: a live bar on a terminal, a plain line now and then elsewhere."""

import os
import time
import warnings
from types import TracebackType
from typing import Self

import numpy as np
import psutil
import rich.console
import rich.live
import rich.progress_bar
import rich.table
import rich.text

from grokjax import training
from grokjax.cli import passed
from grokjax.runner import Session
from grokjax.tasks import Task
from grokjax.tasks.protocol import Levels

SECONDS_BETWEEN_LINES = 10.0
"""At first; later a line comes each time that a tenth more time has passed."""
LAST_STEPS = 10
"""The current loss is the mean over so many steps, then the median over runs."""


class Progress:
    """Shows how far a session is: a context manager, told of every epoch."""

    def __init__(self, console: rich.console.Console, session: Session):
        self.console, self.session = console, session
        self.total = session.request.steps * session.request.num_runs
        self.start = self.last_line = time.monotonic()
        self.timed_from: tuple[float, int] | None = None
        self.part: object = None
        self.levels: Levels | None = None
        self.announced, self.live = False, None
        if console.is_terminal and not console.quiet and not in_notebook():
            self.live = rich.live.Live(console=console, transient=False, auto_refresh=False)

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
            self._draw("beginning", "")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()
        if self.session.finished and not self.session.trained:
            self.console.print("nothing to train: every run has all its steps", highlight=False)

    def update(self, epoch: training.Epoch) -> None:
        """After an epoch."""
        now, length = time.monotonic(), epoch.metrics["loss"].shape[1]
        if self.session.part is not self.part:
            self._begin(len(epoch.active))
        if self.timed_from is None and length:
            self.timed_from = now, self.session.done  # the first epoch also compiles
        if not length:
            return
        told = f"step {epoch.step:,} of {self.session.request.steps:,}  {self._speed(now, len(epoch.active))}"
        seen = losses(epoch, self.session.request.task) + notes(epoch)
        seen += self._passed(epoch)
        if self.live:
            self._draw(told, seen)
        elif self._is_time(now):
            self.last_line = now
            share = 100 * self.session.done / self.total
            self.console.print(f"{share:3.0f}%  {told}{seen}", soft_wrap=True, highlight=False)

    def _passed(self, epoch: training.Epoch) -> str:
        """How many runs have left the shelves."""
        task = self.session.request.task
        if self.levels is None:  # once: the levels of many digits take a moment
            self.levels = passed.levels(task)
        return passed.words(epoch.metrics["loss"][:, -LAST_STEPS:], self.levels, task)

    def _is_time(self, now: float) -> bool:
        between = max(SECONDS_BETWEEN_LINES, (self.last_line - self.start) / 10)
        return now - self.last_line > between or self.session.done >= self.total

    def _begin(self, num_runs: int) -> None:
        """A part begins, some of whose steps may already be there."""
        self.part, self.timed_from = self.session.part, None
        if step := self.session.resumed:
            self.console.print(f"going on from step {step:,} of {num_runs} runs", highlight=False)

    def _speed(self, now: float, num_runs: int) -> str:
        """Steps per second and the time left, measured without the first epoch; said aloud once."""
        done = self.session.done
        if self.timed_from is None or done == self.timed_from[1]:
            return ""
        rate = (done - self.timed_from[1]) / max(now - self.timed_from[0], 1e-9)
        left = (self.total - done) / rate
        if not self.announced:
            self.announced = True
            whole = duration(now - self.start + left)
            self.console.print(f"expected time: {whole} in all, at {rate:,.0f} run-steps/s", highlight=False)
        return f"{rate / num_runs:.3g} steps/s  {duration(left)} left  "

    def _draw(self, told: str, seen: str) -> None:
        """The bar with its words, and the losses below it, in as many lines as they need."""
        row = rich.table.Table.grid(padding=(0, 2))
        bar = rich.progress_bar.ProgressBar(self.total, self.session.done, width=16)
        row.add_row(bar, f"{100 * self.session.done / self.total:3.0f}%", rich.text.Text(told.strip()))
        assert self.live is not None
        self.live.update(rich.console.Group(row, rich.text.Text(seen)), refresh=True)


def in_notebook() -> bool:
    """Whether a notebook shows what is printed: it keeps every frame of a bar."""
    if any(name in os.environ for name in ("JPY_PARENT_PID", "COLAB_RELEASE_TAG")):
        return True
    try:
        return any("ipykernel" in word for parent in psutil.Process().parents() for word in parent.cmdline())
    except psutil.Error:
        return False


def losses(epoch: training.Epoch, task: Task) -> str:
    """The current median losses: of each answer, the leading one first, and of the test set or evaluation."""
    columns = task.columns
    loss = epoch.metrics["loss"][:, -LAST_STEPS:]
    if not loss.shape[1]:
        return ""
    shown = " ".join(f"{medians(loss)[column]:.2g}" for column in sorted(columns, reverse=True))
    words = f"median loss {shown} nats" + (f" (digits {max(columns)} to 0)" if len(columns) > 1 else "")
    tests = epoch.metrics["test_loss"]
    if tests.shape[1] and np.isfinite(tests[:, -1]).any():
        words += f", {'test' if task.finite else 'evaluation'} {np.mean(medians(tests[:, -1:])):.2g}"
        if task.finite:
            right = np.nanmedian(epoch.metrics["test_exact_match"][:, -1])
            words += f" ({100 * right:.0f}% right)"
    return words


def medians(values: np.ndarray) -> np.ndarray:
    """[S, T, C] -> [C]: means over steps, medians over the runs that have a value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all runs may be stopped: the median is then NaN
        return np.nanmedian(np.nanmean(values, 1), 0)


def notes(epoch: training.Epoch) -> str:
    """How many runs were stopped or diverged, where there are any."""
    diverged = int(epoch.diverged.sum())
    stopped = len(epoch.active) - int(epoch.active.sum()) - diverged
    return "".join(
        f"  {number} {word}" for number, word in ((stopped, "stopped"), (diverged, "diverged")) if number
    )


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
