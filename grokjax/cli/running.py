"""A session on a console: its progress, its notes, and a polite end where it is asked to stop."""

import contextlib
import os
import pathlib
import sys

import rich.console

from grokjax.checkpoints import multihost
from grokjax.cli.interruption import Interruption, without_storage_noise
from grokjax.cli.progress import Progress
from grokjax.runner import Request, Session, TensorBoard

WIDTH = 120
"""Characters of a line where there is no terminal."""


class Console(rich.console.Console):
    """A console that falls silent where nobody reads it any more, as in `grokjax sweep | head`.

    rich would end the process; a sweep has epochs to save first.
    """

    closed = False

    def on_broken_pipe(self) -> None:
        """Prints nothing from now on."""
        self.quiet = self.closed = True
        forget_output()


def forget_output() -> None:
    """Sends what is still printed nowhere; at its end Python would complain of a pipe that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def console() -> rich.console.Console:
    """Where a command prints: the terminal or a pipe; nowhere for all but the first of several processes."""
    return Console(
        width=None if sys.stdout.isatty() else WIDTH,
        quiet=not multihost.is_first(),
        soft_wrap=False,
        markup=False,
        emoji=False,
    )


def train(directory: str | os.PathLike, request: Request, console: rich.console.Console) -> Session:
    """Trains what the directory lacks, without a report; `finished` of the result says whether it ended.

    Raises UsageError for what cannot be meant or taken, OSError where the disk refuses.
    """
    return follow(Session(pathlib.Path(directory), request), console)


def follow(session: Session, console: rich.console.Console, board: TensorBoard | None = None) -> Session:
    """Trains a session to its end, or until it is asked to stop, and shows how far it is.

    board: is given every epoch too, by the first of several processes
    """
    session.tell = lambda note: console.print(f"note: {note}", highlight=False)
    with (
        without_storage_noise(),
        Interruption(console) as interruption,
        Progress(console, session) as progress,
        board or contextlib.nullcontext(),
        contextlib.closing(iter(session)) as epochs,  # type: ignore[type-var]
    ):
        session.goes_on = lambda: not interruption.asked
        for epoch in epochs:
            progress.update(epoch)
            if board is not None and multihost.is_first():
                board.write(epoch, session.part.first if session.part else 0)
            del epoch
            if interruption.stops():
                break
    return session
