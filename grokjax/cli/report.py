"""Write a sweep as one HTML file: what was run, its tables, and every curve to look into.

    grokjax report DIR [--output=FILE]

DIR is a sweep's directory, finished or still being trained; FILE is DIR/report.html unless given. The file is
self-contained and opens without a network.
"""

import sys
from collections.abc import Sequence

from absl import flags

from grokjax.cli import machine
from grokjax.cli.values import UsageError, directories, writable

HELP = {"-h", "--help", "-help", "--helpfull"}


def main(argv: Sequence[str], *, program: str = "grokjax report") -> int:
    """Writes the page of the sweep that is named; the exit status: 2 for a user's mistake."""
    if HELP & set(argv):
        print(str(__doc__).strip())
        return 0
    registry = flags.FlagValues()
    flags.DEFINE_string("output", None, "the file to write", flag_values=registry)
    try:
        (directory,) = directories(registry([program, *argv])[1:], 1)
        output = writable("output", registry.output)
        machine.set_up()
        from grokjax.runner.html_report import report  # JAX and statistics start only for what computes

        print(report(directory, output))
    except (flags.Error, UsageError, ValueError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2 if isinstance(error, flags.Error | ValueError | FileNotFoundError) else 1
    return 0
