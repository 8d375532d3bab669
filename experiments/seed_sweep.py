"""How do the losses of many seeds fall? Train hundreds of seeds jointly and keep every one of them in one
directory.

    python -m experiments.seed_sweep --seeds 128

Writes config.json, hypers.npz, metrics/, checkpoints/, shelves.csv, summary.json and figures/ into --output;
grokjax.open_sweep reads it.

With --digits 3 --d_model 64 --batch 128 --seeds 8 --steps 1500: 63 s of training on two cores that had other
work too (24 steps of all runs a second), 47 MB. Of 8 runs all stay at ln 10 in digit 1 (for 445 steps,
295-560) and in digit 0 (198 steps, 180-235), medians with 95% intervals; 3 have a shelf at 2.10 in digit 2,
whose exact level given the leading digit is 2.1133.
"""

import sys
from collections.abc import Sequence

import jax
from rich.console import Console

from grokjax import checkpoints
from grokjax.checkpoints import multihost
from grokjax.cli import cluster, flags, machine, request
from grokjax.cli.values import UsageError
from grokjax.runner import output, plan, run

WIDTH = 120
"""Characters of a line where there is no terminal."""


def main(argv: Sequence[str]) -> int:
    """Run the sweep that the flags (without the program's name) ask for; the exit status: 2 for a user's
    mistake, 130 when stopped.
    """
    machine.set_up()
    try:
        if {"-h", "--help", "-help", "--helpfull"} & set(argv):
            print(flags.help_text(str(__doc__)))
            return 0
        cluster.join(flags.parse(argv))
        return sweep(
            request.read(argv),
            Console(width=None if sys.stdout.isatty() else WIDTH, quiet=not multihost.is_first()),
        )
    except UsageError as error:
        return failed(error, 2)
    except OSError as error:
        return failed(error, 1)
    except jax.errors.JaxRuntimeError as error:
        if sentence := run.out_of_memory(error):
            return failed(sentence, 1)
        raise
    except KeyboardInterrupt:
        return failed("stopped at once: go on with the same command and --resume", 130)


def sweep(asked: request.Request, console: Console) -> int:
    """Plan, train, report."""
    writer = prepared(asked, console)
    if writer is None:
        return 0
    outcome = run.run(writer, console)
    if outcome.interrupted:
        console.print("stopped, and what is finished is saved: go on with the same command and --resume")
        return 130
    if not multihost.is_first():
        return 0
    from grokjax.runner import (
        report,
    )  # plotting and statistics are imported only when there is something to show

    report.write(asked.output, outcome, console)
    return 0


def prepared(asked: request.Request, console: Console) -> checkpoints.Writer | None:
    """Show the plan; the writer of the directory, None for a dry run. UsageError before anything is compiled
    or written.
    """
    try:
        made = plan.plan(asked)
        spec = output.specification(asked, made)
        multihost.on_first(lambda: output.check(asked, made, spec))
        plan.show(asked, made, console)
        return None if asked.dry_run else output.opened(asked, spec)
    except (ValueError, FileNotFoundError) as error:
        raise UsageError(str(error)) from None


def failed(sentence: object, status: int) -> int:
    """Say what went wrong, in one line."""
    print(f"seed_sweep: {sentence}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
