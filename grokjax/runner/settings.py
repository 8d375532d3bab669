"""What was swept: the runs of a sweep by the values in which they differ."""

from typing import NamedTuple

import numpy as np

from grokjax import sweep
from grokjax.config import FREEZABLE, Hyper
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


def word(name: str, value: float) -> str:
    """A value as it is typed: the names of frozen tensors, and of numbers the shortest text."""
    if name != "frozen":
        return str(value).removesuffix(".0")
    return "+".join(tensor for i, tensor in enumerate(FREEZABLE) if int(value) >> i & 1) or "none"
