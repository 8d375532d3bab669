"""`compare`: two sweeps side by side, as a table with intervals and tests."""

import csv
import io
import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from grokjax.checkpoints import Sweep, open_sweep
from grokjax.comparison import measures, rows, sides
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval

INTERVALS = ("first", "second", "effect")


class Comparison(NamedTuple):
    """Two sides with everything that was compared.

    first, second: the directories
    differs: in what the sides differ, "weight_decay (0.1 and 1)"
    paired: whether each run was held against the run of its seed
    notes: what was left out, or cut
    rows: a measure each
    """

    first: str
    second: str
    differs: list[str]
    paired: bool
    notes: list[str]
    rows: list[rows.Row]

    def __repr__(self) -> str:
        return f"comparison of {self.first} and {self.second}: {len(self.rows)} measures"

    def records(self) -> list[dict[str, Any]]:
        """A dict for each row, an interval as its three numbers: as a table of pandas takes them."""
        return [flat(row) for row in self.rows]

    def csv(self) -> str:
        """The rows as CSV, empty where the runs determine nothing."""
        file = io.StringIO()
        writer = csv.DictWriter(file, list(self.records()[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.records())
        return file.getvalue()

    def json(self) -> str:
        """Everything as JSON, null where the runs determine nothing."""
        return json.dumps(self._asdict() | dict(rows=self.records()), indent=1, allow_nan=False)


def flat(row: rows.Row) -> dict[str, Any]:
    """Returns a row with its intervals as NAME, NAME_low and NAME_high."""
    body: dict[str, Any] = {}
    for name, value in row._asdict().items():
        if isinstance(value, Interval):
            body |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
        else:
            body[name] = value
    return body


def compare(
    first: Sweep | str | os.PathLike,
    second: Sweep | str | os.PathLike,
    *,
    first_runs: Sequence[int] | np.ndarray | None = None,
    second_runs: Sequence[int] | np.ndarray | None = None,
) -> Comparison:
    """Returns final losses, times of learning and shelves of two sweeps side by side, with tests.

        gj.compare("runs/a", "runs/b").csv()
        gj.compare(sweep, sweep, first_runs=sweep.where(seed=0), second_runs=sweep.where(seed=1))

    Runs are held against those of the same setting. Final losses of runs of the same seeds are paired
    (Wilcoxon), others compared by their ranks; times by the log-rank test, in which a run that is not there
    yet counts as later; shares by Fisher's test. All p are also given adjusted by Holm. Sweeps of unequal
    length are compared over the steps that both have. A diverged run has no final loss.

    first_runs, second_runs: which runs of each, all by default
    Raises ValueError, in one sentence, where the tasks or the losses are not the same.
    """
    own = [
        sides.side(found if isinstance(found, Sweep) else open_sweep(os.fspath(found)), runs)
        for found, runs in ((first, first_runs), (second, second_runs))
    ]
    sides.refuse(*own)
    matched, notes = sides.settings(*own)
    lengths = [made(side.sweep) for side in own]
    if len(set(lengths)) > 1:
        notes.append(f"over the first {min(lengths)} steps, which both have")
    same = own[0].sweep.directory == own[1].sweep.directory
    measured = [measures.measured(own[0].sweep, min(lengths))]
    measured.append(measured[0] if same else measures.measured(own[1].sweep, min(lengths)))
    found = [row for name, one, other in matched for row in rows.of_setting(name, (one, other), measured)]
    return Comparison(
        str(own[0].sweep.directory),
        str(own[1].sweep.directory),
        sides.differences(*own),
        all(sides.paired(one, other) for _, one, other in matched),
        notes,
        adjusted(found),
    )


def made(found: Sweep) -> int:
    """Returns the steps that the runs have made. Raises ValueError where there are none yet."""
    length = found.metrics["loss"].shape[1] if "loss" in found.metrics else 0
    if not length:
        raise ValueError(f"{found.directory} has no metrics yet: no step of its runs is written down")
    return length


def adjusted(found: list[rows.Row]) -> list[rows.Row]:
    """Returns the rows with their p adjusted by Holm, over all that have one."""
    tested = [i for i, row in enumerate(found) if row.p is not None]
    for i, p in zip(tested, statistics.holm([found[i].p or 0.0 for i in tested]), strict=True):
        found[i] = found[i]._replace(adjusted=float(p))
    return found
