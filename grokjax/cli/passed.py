"""How many runs have left the shelves of a task, while it is trained."""

import warnings

import numpy as np
from jaxtyping import Float

from grokjax import tasks
from grokjax.runner import exact
from grokjax.tasks import Task
from grokjax.tasks.protocol import Levels

BELOW = 0.93
"""A run has left a level when its loss is below this share of it: levels that lie nearer are shown as one."""


def levels(task: Task) -> Levels:
    """The levels of each digit that lie well apart, highest digit and level first; none where unknown."""
    known = tasks.exact_levels(task)
    if not known:
        return {}
    apart, digits = exact.lines(known, [], task), exact.digits(task)
    order = sorted(apart, key=lambda column: -digits[column])
    return {column: sorted(apart[column], key=lambda level: -level[1]) for column in order}


def words(loss: Float[np.ndarray, "S T C"], known: Levels, task: Task) -> str:
    """For each digit the highest level that some runs have left and some have not: "digit 0 2.3 5/8".

    loss: of the last steps, whose mean counts; a run that ended early takes no part
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a run that ended has no loss: NaN
        now = np.nanmean(loss, 1)
    digits, found = exact.digits(task) if known else {}, []
    for column, named in known.items():
        there = now[np.isfinite(now[:, column]), column]
        for _, nats in named:
            left = int((there < BELOW * nats).sum())
            if left < len(there):
                if left:
                    name = f"digit {digits[column]} " if len(known) > 1 else ""
                    found.append(f"{name}{nats:.2g} {left}/{len(there)}")
                break
    return f"  runs past a level: {', '.join(found)}" if found else ""
