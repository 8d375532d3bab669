"""How do the losses of many seeds fall? Train hundreds of seeds jointly and keep every one of them in one
directory.

    python -m experiments.seed_sweep --seeds 128

Writes config.json, hypers.npz, metrics/, checkpoints/, shelves.csv, runs.csv, summary.json and figures/ into
--output; grokjax.open_sweep reads it. `grokjax sweep` is the same command, and `grokjax.run_sweep` the same
in Python.

With --digits 3 --d_model 64 --batch 128 --seeds 8 --steps 1500: 63 s of training on two cores that had other
work too (24 steps of all runs a second), 47 MB. Of 8 runs all stay at ln 10 in digit 1 (for 445 steps,
295-560) and in digit 0 (198 steps, 180-235), medians with 95% intervals; 3 have a shelf at 2.10 in digit 2,
whose exact level given the leading digit is 2.1133.
"""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Runs the sweep that the flags (without the program's name) ask for.

    Returns the exit status: 2 for a user's mistake, 130 when stopped.
    """
    from grokjax.cli import sweep

    return sweep.main(argv, program="seed_sweep", introduction=str(__doc__))


if __name__ == "__main__":
    from grokjax.cli.main import end

    end(main, sys.argv[1:])
