"""What a running sweep shows: a live bar on a terminal, a plain line now and then elsewhere."""

import time
import warnings
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import numpy as np
import rich.console
import rich.progress

from grokjax import training

SECONDS_BETWEEN_LINES = 10.0
LAST_STEPS = 10
"""The current loss is the mean over so many steps, then the median over runs."""


class Progress:
    """A bar over `total` run-steps (steps times runs); a context manager.

    done: run-steps of the whole sweep that are behind it;  trained: those of this session;  seconds: since it
      began
    """

    def __init__(self, console: rich.console.Console, total: int):
        self.console, self.total, self.done, self.trained = console, total, 0, 0
        self.start = self.last_line = time.monotonic()
        self.timed_from: tuple[float, int] | None = None
        self.announced = False
        text = rich.progress.TextColumn
        self.bar = rich.progress.Progress(
            rich.progress.BarColumn(20),
            text("{task.percentage:>3.0f}%"),
            text("{task.fields[words]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("training", total=total, words="compiling")

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    @property
    def seconds(self) -> float:
        """Since the beginning of the session."""
        return time.monotonic() - self.start

    def begin(self, num_runs: int, steps: int) -> None:
        """A part of `num_runs` runs begins, of which so many steps are already there."""
        self.done += num_runs * steps
        self.timed_from = None
        if steps:
            self.console.print(f"going on from step {steps:,} of {num_runs} runs", highlight=False)

    def update(self, epoch: training.Epoch, columns: Sequence[int]) -> None:
        """After an epoch."""
        now, num_runs, length = time.monotonic(), len(epoch.active), epoch.metrics["loss"].shape[1]
        self.done, self.trained = self.done + length * num_runs, self.trained + length * num_runs
        words = (
            f"step {epoch.step:,}  {self.speed(now, num_runs)}{losses(epoch, columns)}{notes(epoch)}"
            if length
            else "compiling"
        )
        if self.timed_from is None and length:
            self.timed_from = now, self.done  # the first epoch also compiles
        self.bar.update(self.task, completed=self.done, words=words)
        if (
            not self.console.is_terminal
            and length
            and (now - self.last_line > SECONDS_BETWEEN_LINES or self.done == self.total)
        ):
            self.last_line = now
            self.console.print(
                f"{100 * self.done / self.total:3.0f}%  {words}", soft_wrap=True, highlight=False
            )

    def speed(self, now: float, num_runs: int) -> str:
        """Steps of all runs per second and the time left, measured without the first epoch; said aloud once."""
        if self.timed_from is None or self.done == self.timed_from[1]:
            return ""
        rate = (self.done - self.timed_from[1]) / max(now - self.timed_from[0], 1e-9)
        left = (self.total - self.done) / rate
        if not self.announced:
            self.announced = True
            self.console.print(
                f"expected time: {duration(self.seconds + left)} in all, at {rate:,.0f} run-steps/s",
                highlight=False,
            )
        return f"{rate / num_runs:.3g} steps/s of {num_runs} runs  {duration(left)} left  "


def losses(epoch: training.Epoch, columns: Sequence[int]) -> str:
    """The current median loss of each answer digit, the leading one first."""
    loss = epoch.metrics["loss"][:, -LAST_STEPS:]
    if not loss.shape[1]:
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all runs may be stopped: the median is then NaN
        medians = np.nanmedian(np.nanmean(loss, 1), 0)
    shown = " ".join(f"{medians[column]:.2g}" for column in sorted(columns, reverse=True))
    return f"median loss {shown} nats" + (f" (digits {max(columns)} to 0)" if len(columns) > 1 else "")


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
