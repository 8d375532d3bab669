"""What was swept: the runs of a sweep by the values in which they differ."""

from typing import NamedTuple

import numpy as np

from grokjax import sweep
from grokjax.checkpoints.tables import as_typed as word
from grokjax.config import Hyper
from grokjax.runner.request import swept

MOST = 12
"""Settings that are shown apart; a sweep of more is shown as one, and runs.csv has every run."""


class Setting(NamedTuple):
    """Runs that differ in their seed alone: their values of what was swept, in words, and their indices."""

    name: str
    runs: list[int]


def of(hypers: Hyper) -> list[Setting]:
    """The settings of a sweep, in the order of their first runs; one without a name where none differ."""
    names = swept(hypers)
    found: dict[str, list[int]] = {}
    for run, row in enumerate(sweep.rows(hypers)):
        found.setdefault("  ".join(f"{name}={word(name, row[name])}" for name in names), []).append(run)
    if not 1 < len(found) <= MOST:
        return [Setting("", list(range(sweep.num_runs(hypers))))]
    return [Setting(name, runs) for name, runs in found.items()]


def by_run(settings: list[Setting]) -> list[str] | None:
    """The setting of each run, in the order of the sweep; None where there is only one."""
    if len(settings) == 1:
        return None
    names = np.empty(sum(len(setting.runs) for setting in settings), object)
    for setting in settings:
        names[setting.runs] = setting.name
    return names.tolist()
