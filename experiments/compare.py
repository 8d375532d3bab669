"""How do two sweeps differ? Shelves, times and final losses side by side, with intervals and tests.

    python -m experiments.compare DIR_A DIR_B [--first=NAME=VALUE] [--second=NAME=VALUE]
        [--json=FILE] [--csv=FILE]

Final losses, times of learning and shelves, for every setting that both have. `grokjax compare` is the same
command, and `grokjax.compare` the same in Python.
"""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Prints the comparison; returns the exit status: 2 for a user's mistake."""
    from grokjax.cli import compare

    return compare.main(argv, program="compare")


if __name__ == "__main__":
    from grokjax.cli.main import end

    end(main, sys.argv[1:])
