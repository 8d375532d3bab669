"""Measured numbers, and the one place that writes them in words."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from grokjax.curves import statistics
from grokjax.curves.statistics import Interval, Times

FEW = 8
"""Runs below which a mean of shares shows the lowest and the highest one."""


class Measured(NamedTuple):
    """One number: what it is, its value with its interval, its unit, and how many things it rests on.

    unit: `nats`, `steps`, or what else stands behind the value; `share` where value is `count` of `n`
    n: how many of the things `of` (runs); None for what is proven or enumerated
    left: runs that were not there yet when they stopped, at `until`
    An end of the interval that the runs do not determine is None.
    """

    quantity: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    n: int | None = None
    of: str = "runs"
    count: int | None = None  # type: ignore[assignment]  # a tuple's own `count` is not needed here
    left: int = 0
    until: float | None = None


def exact(quantity: str, value: float, unit: str = "nats") -> Measured:
    """A number that is enumerated, calculated or proven."""
    return Measured(quantity, float(value), unit=unit)


def interval(quantity: str, found: Interval, unit: str, n: int, of: str = "runs") -> Measured:
    """A number whose interval is known."""
    return Measured(quantity, *_plain(found), unit, n, of)


def mean(quantity: str, values: Sequence[float] | np.ndarray, unit: str, of: str = "runs") -> Measured:
    """A mean with Student's interval; NaN is left out, and not counted."""
    kept = np.asarray(values, float)
    kept = kept[np.isfinite(kept)]
    return interval(quantity, statistics.mean(kept.tolist()), unit, len(kept), of)


def of_each_column(values: ArrayLike) -> list[Interval]:
    """The mean over runs of each column of values [S, C]; NaN is left out."""
    return [statistics.mean(column[np.isfinite(column)]) for column in np.asarray(values, float).T]


def share(quantity: str, successes: int, n: int, of: str = "runs") -> Measured:
    """A share with Wilson's interval, shown as `7 of 8`."""
    found = _plain(statistics.wilson(int(successes), int(n)))
    return Measured(quantity, *found, "share", int(n), of, int(successes))


def mean_share(quantity: str, shares: Sequence[float] | np.ndarray, of: str = "runs") -> Measured:
    """The mean of shares between 0 and 1 with Student's interval; of fewer than FEW with the lowest and the
    highest one, since Student's leaves 0 and 1 behind there.
    """
    kept = np.asarray(shares, float)
    if len(kept) >= FEW or not len(kept):
        return mean(quantity, kept, "", of)
    ends = float(kept.min()), float(kept.max())
    return Measured(quantity, float(kept.mean()), *ends, "", len(kept), f"{of}, lowest to highest")


def count(quantity: str, successes: int, n: int, of: str) -> Measured:
    """How many of a fixed list, shown as `2 of 7 tasks`: no sample, so without an interval."""
    return Measured(quantity, successes / n if n else None, None, None, "share", int(n), of, int(successes))


def time(quantity: str, times: Times, until: float, unit: str = "steps") -> Measured:
    """A median time with Kaplan and Meier's interval; runs that never got there are later than `until`."""
    left = int((~times.ended).sum())
    return Measured(quantity, *_plain(times.median), unit, len(times.time), "runs", None, left, float(until))


def value(row: Measured) -> str:
    """The number in words: `0.71 nats`, `7 of 8 runs`, `> 1,200 steps (3 of 8 still there)`."""
    if row.count is not None:
        return f"{row.count} of {row.n} {row.of}"
    unit = f" {row.unit}" if row.unit else ""
    if row.value is not None:
        return number(row.value, row.unit, 4 if row.n is None else 3) + unit
    if row.until is not None:
        return f"> {number(row.until, row.unit)}{unit} ({row.left} of {row.n} still there)"
    return "not determined by the runs" if row.n else "not measured (no run shows it)"


def sure(row: Measured) -> str:
    """How sure the number is: its interval and what it rests on."""
    if row.n is None:
        return "exact"
    ends = _ends(row)
    return f"{ends}; {_counted(row)}" if ends else _counted(row)


def sure_of_all(rows: Sequence[Measured]) -> str:
    """How sure the numbers of a sentence are, each beside its own interval; what all rest on is said once."""
    if len(rows) == 1:
        return sure(rows[0])
    grounds = ["exact" if row.n is None else _counted(row) for row in rows]
    one_ground = len(set(grounds)) == 1
    said = []
    for row, ground in zip(rows, grounds, strict=True):
        # "7 of 8 runs" and "> 500 steps (3 of 8 still there)" name their runs themselves
        told = one_ground or row.count is not None or (row.value is None and row.until is not None)
        behind = "; ".join(filter(None, [_ends(row), "" if told else ground]))
        said.append(f"{value(row)} ({behind})" if behind else value(row))
    shared = one_ground and not all(row.count is not None for row in rows)
    return "; ".join([*dict.fromkeys(said), *(grounds[:1] if shared else [])])


def _counted(row: Measured) -> str:
    return f"{row.n} {row.of}" + (f", {row.left} still there at the end" if row.left else "")


def _ends(row: Measured) -> str:
    """The interval in words; empty where the number has none."""
    if row.n is None:
        return ""
    show = lambda end: number(end, "" if row.unit == "share" else row.unit)
    if row.low is not None and row.high is None and row.left and row.until is not None:
        return f"{show(row.low)} to > {show(row.until)}"
    return Interval(row.value, row.low, row.high).ends(show)


def number(x: float, unit: str = "", digits: int = 3) -> str:
    """A number for reading: steps and large numbers whole with commas, others to so many digits."""
    if x == 0:
        return "0"
    if unit in ("steps", "epochs") or abs(x) >= 1000:
        return f"{x:,.0f}"
    if abs(x) < 1e-3:
        return f"{x:.1e}"
    text = f"{x:.{digits}g}" if abs(x) >= 0.1 else f"{x:.{digits - 1}g}"
    # 0.9996 is not all of something
    return f"{x:.{digits - 1}f}" if abs(x) < 10 and "." not in text and float(text) != x else text


def plain(row: Measured) -> dict[str, Any]:
    """The number as JSON, without what it does not have."""
    defaults = Measured._field_defaults
    kept = {name: x for name, x in row._asdict().items() if name not in defaults or x != defaults[name]}
    bare = {name: x.item() if isinstance(x, np.generic) else x for name, x in kept.items()}
    return {name: float(f"{x:.5g}") if isinstance(x, float) else x for name, x in bare.items()}


def _plain(found: Interval) -> tuple[float | None, float | None, float | None]:
    first, low, high = (None if x is None or not np.isfinite(x) else float(x) for x in found)
    return first, low, high
