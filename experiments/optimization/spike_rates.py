"""How often runs have a spike, by weight decay and layers: answers of `spikes`."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from scipy import stats

from experiments.frame.measured import Measured, exact, interval, mean
from experiments.frame.measured import share as counted
from experiments.frame.result import Result
from grokjax.checkpoints import Sweep
from grokjax.curves import spikes, statistics

NOTED, FREE = (0.225, 0.5), (0.1, 0.15)
"""The decays at which the note saw spikes, and at which it saw none."""
RARE = 0.1
Cell = Sequence[Sequence[spikes.Spike]]


def share(cell: Cell) -> statistics.Interval:
    """The share of runs with a spike."""
    return statistics.wilson(sum(bool(own) for own in cell), len(cell))


def rate(cell: Cell, steps: int) -> list[float]:
    """Spikes of each run per 1000 steps."""
    return [1000 * len(own) / steps for own in cell]


def of_rate(quantity: str, each: list[float]) -> Measured:
    """The mean of rates, most of them 0, with a bootstrap interval."""
    return interval(quantity, statistics.bootstrap(each), "", len(each))


def between(cell: Cell) -> list[float]:
    """Steps from one spike of a run to its next."""
    return [float(b.start - a.start) for own in cell for a, b in itertools.pairwise(own)]


def row(cell: Cell, steps: int) -> dict[str, Any]:
    """How many spikes a cell has, and the steps between two of a run."""
    return dict(
        runs_with_a_spike=share(cell),
        per_1000_steps=statistics.bootstrap(rate(cell, steps)),
        steps_between=statistics.median(between(cell)),
    )


def by_decay(
    id: str, cells: Mapping[float, Cell], of: Sweep, found: Sequence[Sequence[spikes.Spike]], steps: int
) -> Result:
    """Are spikes a matter of weight decay?"""
    norm = of.metrics["parameter_norm"]
    first = [float(norm[run, own[0].start]) for run, own in enumerate(found) if own]
    pooled = {
        name: [own for value in values for own in cells[value]]
        for name, values in (("noted", NOTED), ("free", FREE))
    }
    rows = of_each_decay(cells, steps)
    rows["norm"] = mean("parameter norm at a run's first spike", first, "")
    both = {name: (sum(bool(own) for own in cell), len(cell)) for name, cell in pooled.items()}
    rows |= {
        name: counted(f"decay {' and '.join(f'{x:g}' for x in values)}: runs with a spike", *both[name])
        for name, values in (("noted", NOTED), ("free", FREE))
    }
    table = [[k, n - k] for k, n in (both["noted"], both["free"])]
    p = float(stats.fisher_exact(table).pvalue)
    more = both["noted"][0] / both["noted"][1] > both["free"][0] / both["free"][1]
    rows["p"] = exact("p of a difference between the two, Fisher's exact test", p, "")
    free = rows["free"]
    rows |= without_and_with(cells)
    apart = (rows["p_without"].value or 0) < 0.05
    return Result(
        id,
        "A spike comes in {without} without decay, and in {with_decay} with it."
        if apart
        else "A spike comes in {noted} at the decays where the note saw some, in {free} where it saw none.",
        rows,
        f"Confirmed if at decay {NOTED[0]:g} and {NOTED[1]:g} together more runs have a spike than at "
        f"{FREE[0]:g} and {FREE[1]:g} (Fisher's exact p < .05); refuted if at the latter more than "
        f"{RARE:.0%} "
        "have one (Wilson's whole interval) and the difference is not shown; open otherwise.",
        "confirmed"
        if p < 0.05 and more
        else "refuted: more spikes where the note saw them are not shown"
        if (free.low or 0) > RARE
        else "open: too few spikes at any decay to tell; more steps would",
        ["A spike is 3-fold above the median of the 100 steps before, and .05 nats above it."],
    )


def without_and_with(cells: Mapping[float, Cell]) -> dict[str, Measured]:
    """Runs with a spike without decay and with any, and whether the shares differ."""
    other = [own for value, cell in cells.items() if value for own in cell]
    both = {
        key: counted(f"{words} decay: runs with a spike", sum(bool(own) for own in cell), len(cell))
        for key, words, cell in (("without", "without", cells[0.0]), ("with_decay", "with any", other))
    }
    table = [[row.count or 0, (row.n or 0) - (row.count or 0)] for row in both.values()]
    p = float(stats.fisher_exact(table).pvalue)
    return both | {"p_without": exact("p of a difference between these, Fisher's exact test", p, "")}


def of_each_decay(cells: Mapping[float, Cell], steps: int) -> dict[str, Measured]:
    """Runs with a spike, spikes per 1000 steps and steps between two, by decay."""
    rows = {
        f"decay_{i}": counted(
            f"decay {value:g}: runs with a spike", sum(bool(own) for own in cell), len(cell)
        )
        for i, (value, cell) in enumerate(cells.items())
    }
    for i, (value, cell) in enumerate(cells.items()):
        gaps = between(cell)
        rows[f"rate_{i}"] = of_rate(f"decay {value:g}: spikes per 1000 steps", rate(cell, steps))
        rows[f"gap_{i}"] = interval(
            f"decay {value:g}: median steps between two", statistics.median(gaps), "steps", len(gaps), "pairs"
        )
    return rows


def by_layers(id: str, plain: Cell, deep: Cell, steps: int) -> Result:
    """Do one and two layers spike without decay?"""
    rows = {}
    for name, cell in (("one", plain), ("two", deep)):
        rows[name] = counted(
            f"{name} layer{'s' * (name == 'two')}: runs with a spike", sum(bool(x) for x in cell), len(cell)
        )
        rows[f"rate_{name}"] = of_rate(f"{name}: spikes per 1000 steps", rate(cell, steps))
    ends = [(row.low or 0, 1 if row.high is None else row.high) for row in (rows["one"], rows["two"])]
    return Result(
        id,
        "Without decay {one} of one layer have a spike, and {two} of two layers.",
        rows,
        f"Confirmed if at both depths more than {RARE:.0%} of the runs have a spike, refuted if at one of "
        "them "
        "fewer do (Wilson's whole intervals); open otherwise.",
        "confirmed"
        if min(low for low, _ in ends) > RARE
        else "refuted"
        if min(high for _, high in ends) < RARE
        else f"open: the intervals reach over {RARE:.0%}; more seeds would tell",
        ["The tens of 2 digits; the note looked at a third digit."],
    )
