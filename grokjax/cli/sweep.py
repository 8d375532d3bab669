"""Train many seeds jointly and keep every one of them in one directory.

    grokjax sweep --digits 3 --d_model 64 --batch 128 --seeds 8 --steps 1500

Writes config.json, hypers.npz, metrics/, checkpoints/, shelves.csv, runs.csv, summary.json, figures/ and
report.html into --output; grokjax.open_sweep reads it.
"""

import sys
from collections.abc import Sequence

import jax
import rich.console

from grokjax.checkpoints import multihost
from grokjax.cli import cluster, flags, machine, request, running, tables
from grokjax.cli.interruption import STOPPED, drop
from grokjax.cli.request import as_flags
from grokjax.cli.values import UsageError
from grokjax.runner import Session, TensorBoard

HELP = {"-h", "--help", "-help", "--helpfull"}
SAVED = "stopped, and what is finished is saved: go on with the same command and --resume"
UNREAD = 141
"""The status of a process whose output nobody reads any more, as a shell has it."""


def main(argv: Sequence[str], *, program: str = "grokjax sweep", introduction: str = str(__doc__)) -> int:
    """Runs the sweep that the flags ask for; the exit status: 2 for a user's mistake, 130 when stopped."""
    machine.set_up()
    failed = lambda sentence, status: print(f"{program}: {sentence}", file=sys.stderr) or status
    try:
        if HELP & set(argv):
            print(flags.help_text(introduction), flush=True)
            return 0
        cluster.join(flags.parse(argv))
        return sweep(request.read(argv, command=" ".join([program, *argv])), running.console())
    except UsageError as error:
        return failed(as_flags(str(error), argv), 2)
    except BrokenPipeError:  # `grokjax sweep --help | head`
        running.forget_output()
        return UNREAD
    except OSError as error:
        return failed(error, 1)
    except jax.errors.JaxRuntimeError as error:
        if sentence := out_of_memory(error):
            return failed(sentence, 1)
        raise
    except KeyboardInterrupt as error:
        drop(error)
        return failed(STOPPED, 130)


def sweep(asked: request.Asked, console: rich.console.Console) -> int:
    """Plan, train, report."""
    session = Session(asked.output, asked.request)
    tables.show_plan(session, console)
    for note in asked.notes:
        console.print(f"note: {note}", highlight=False)
    if asked.dry_run:
        return 0
    board = None if asked.tensorboard is None else TensorBoard(asked.tensorboard, session.request.task)
    running.follow(session, console, board)
    if not session.finished:
        console.print(SAVED)
        if getattr(console, "closed", False):
            print(f"the output is closed: {SAVED}", file=sys.stderr)
        return 130
    if multihost.is_first():
        from grokjax.runner import html_report  # plotting and statistics only when there is something to show

        tables.show_report(html_report.at_end(session), session, console)
    return 0


def out_of_memory(error: jax.errors.JaxRuntimeError) -> str | None:
    """A sentence for a device whose memory was not enough; None for any other error."""
    if "RESOURCE_EXHAUSTED" not in str(error):
        return None
    return (
        "out of memory: choose a smaller --block, fewer --seeds or a smaller --batch; "
        "what was saved is intact"
    )
