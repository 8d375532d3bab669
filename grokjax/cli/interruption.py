"""Ctrl-C, a polite kill, a closed terminal: the sweep stops after the epoch under way, and says so."""

import contextlib
import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Self

import rich.console

from grokjax.checkpoints import multihost

STOPPED = "stopped at once: go on with the same command and --resume"
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interruption:
    """What signals do while it is entered: the first asks to stop after the epoch under way.

    A second raises KeyboardInterrupt, a third ends the process with a sentence.
    """

    def __init__(self, console: rich.console.Console):
        self.console, self.asked, self.agreed, self.times = console, False, False, 0
        self.previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores a closed terminal
                    self.previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def stops(self) -> bool:
        """Whether any process was asked, or its output is closed.

        All must call it, so that they stop after the same epoch.
        """
        unread = getattr(self.console, "closed", False)
        self.agreed = not multihost.all_say(not (self.asked or unread))
        return self.agreed

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked, self.times = True, self.times + 1
        if number == getattr(signal, "SIGHUP", None):
            self.console.quiet = True  # nobody reads it any more
        if self.times == 1:
            with contextlib.suppress(OSError):
                self.console.print("stopping after this epoch; once more stops at once")
        elif self.times == 2:
            raise KeyboardInterrupt
        else:
            with contextlib.suppress(OSError):
                os.write(2, f"\n{STOPPED}\n".encode())
            os._exit(130)


def drop(error: BaseException) -> None:
    """Lets go of what was under way when the user stopped at once.

    An event loop of the storage library that ends in the middle of a save would print that nobody closed it.
    """
    ignored = sys.unraisablehook
    sys.unraisablehook = lambda found: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            error.__traceback__ = error.__context__ = error.__cause__ = None
            gc.collect()
    finally:
        sys.unraisablehook = ignored


@contextlib.contextmanager
def without_storage_noise() -> Iterator[None]:
    """Drops what the storage library's threads print when a write failed after its event loop ended.

    The failure itself is raised.
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
