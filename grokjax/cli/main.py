"""The command `grokjax`: `grokjax sweep ...`, `grokjax report DIR`, `grokjax compare DIR DIR`.

grokjax sweep --help      every flag of a sweep
grokjax sweep --seeds 8   train 8 seeds of 5-digit addition into runs/addition
grokjax report DIR        write a sweep as one HTML file to look into
grokjax compare A B       compare two sweeps: shelves, times, final losses
grokjax --version         the version of grokjax
"""

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence

from grokjax.version import __version__

COMMANDS = ("sweep", "report", "compare")
STOPPED = "stopped: go on with the same command and --resume"


def main(argv: Sequence[str]) -> int:
    """Runs a command line (without the program's name); the exit status: 2 for a user's mistake."""
    name, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    if name in COMMANDS:  # JAX starts only for a command that computes
        return importlib.import_module(f"grokjax.cli.{name}").main(rest)
    if name == "--version":
        print(f"grokjax {__version__}")
        return 0
    if name in ("-h", "--help", "help"):
        print(str(__doc__).strip())
        return 0
    print(
        f"grokjax: {name!r} is no command: there are {', '.join(COMMANDS)}, --version and --help",
        file=sys.stderr,
    )
    return 2


def console_script() -> None:
    """The entry point that the installed package makes."""
    end(main, sys.argv[1:])


def end(run: Callable[[Sequence[str]], int], argv: Sequence[str]) -> None:
    """Runs a command and ends the process with its status, in a sentence also where it is interrupted.

    Before and after a sweep trains, a signal ends the process at once: there is nothing to be saved.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, _stopped)
    try:
        status = run(argv)
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        status = 130
    if status == 130:  # nothing is waited for: what threads still do is not needed
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _stopped(number: int, frame: object) -> None:
    with contextlib.suppress(OSError):  # nobody reads it where the terminal is gone
        os.write(2, f"\n{STOPPED}\n".encode())
    os._exit(130)
