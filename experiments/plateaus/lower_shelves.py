"""Is ln 2 / b a real shelf, and which of the levels h(c) / b^j do runs stop at?

    python -m experiments.plateaus.lower_shelves

Is ln 2 / b a real shelf, and which of the levels h(c) / b^j, "digit pair and j pairs below known", do runs
stop
at? Bases 2 to 10.

Single-digit mode, --d_model 64 and --narrow 16 with 4 heads, --batch 128, no decay (which would lift low
shelves), --steps 1500, --seeds 8: digit 2 of 3 digits in base 2 to 10 (narrow: 3, 4 and 10), digit 3 of 4 in
base 2, digit 1 of 2 in base 10; and sequence mode, --digits 4, base 10, decay .5, for the stop of digits 1 to
4 "at .7-.5". A shelf fits a level within 5% or .005 nats; for 001-67, after a first look that found the tens
.04 to .06 above theirs, where `tens_excess` explains why, within .1 nats above it.

Time: 7 minutes on two cores; GPU: not measured.
Found: of 104 runs 3 have a shelf near h(c)/b, in base 5, 7 and 8. What stops in base 4 to 8 stops at .08 to
  .11 whatever the base, half of h(c)/b in base 4 and 1.3 times it in base 8; in base 10, digit 2, at .21 and
  .11. The tens alone (width 16) stop at ln 10 and then above .688 in 6 of 8 runs; none is through by step
  1500. In sequence mode digits 1 to 3 stop below 1.5 first at .37, .67 and .32: no common level.
"""

import sys
from typing import Any, NamedTuple

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Study
from grokjax import figures, tasks
from grokjax.curves import shelves, statistics
from grokjax.runner import exact

DEFAULTS: dict[str, study.Setting] = {
    "bases": (2, 3, 4, 5, 6, 7, 8, 9, 10),
    "deep_bases": (2,),
    "digits": 4,
    "d_model": 64,
    "narrow": 16,
    "narrow_bases": (3, 4, 10),
    "batch": 128,
    "steps": 1500,
    "seeds": 8,
}
SMALL: dict[str, study.Setting] = {
    "bases": (2,),
    "deep_bases": (0,),
    "digits": 2,
    "d_model": 8,
    "narrow": 4,
    "narrow_bases": (0,),
    "batch": 16,
    "steps": 50,
    "seeds": 2,
}
LEAST = 0.005
ABOVE = 0.1
"""Nats by which a shelf may exceed the level of 001-67: runs stop a little above it, and `tens_excess` says
why.
"""
TWO_DIGITS, THREE_DIGITS, FOUR_DIGITS = (2, 1), (3, 2), (4, 3)


class Cell(NamedTuple):
    """The shelves of one digit: all, and by the name of the exact level that fits them."""

    base: int
    digit: int
    width: int
    levels: dict[str, float]
    rows: list[shelves.Row]
    shown: dict[str, dict[int, shelves.Shelf]]


def measure(this: Study) -> Finding:
    """Which levels the runs of every cell show."""
    tasks = [(base, *THREE_DIGITS) for base in this["bases"]] + [
        (base, *FOUR_DIGITS) for base in this["deep_bases"] if base
    ]
    narrow = [(base, *THREE_DIGITS) for base in this["narrow_bases"] if base]
    cells = [of_task(this, this["d_model"], *task) for task in (*tasks, (10, *TWO_DIGITS))]
    cells += [of_task(this, this["narrow"], *task) for task in (*narrow, (10, *TWO_DIGITS))]
    sequence = this.sweep("sequence", digits=this["digits"], d_model=this["d_model"], batch=this["batch"])
    rows = shelves.table(sequence.metrics["loss"], this.seeds)
    drawn = [cell for cell in cells if cell.width == this["d_model"] or cell.digit == 1]
    found = {title(cell): [(row.level, row.first_step, row.last_step) for row in cell.rows] for cell in drawn}
    lines = {
        title(cell): [(name, cell.levels[name]) for name in names(cell) if cell.levels[name] > 0]
        for cell in drawn
    }
    return Finding(
        task="addition, one digit asked at `=`; sequence mode for 001-68",
        size=f"1 layer, width {this['d_model']} and {this['narrow']}, 4 heads, batch {this['batch']}, rate "
        "1e-3, no decay, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=answers(this, cells, rows),
        numbers={
            title(cell): {
                name: dict(exact=cell.levels.get(name), **summary(runs, this["seeds"]))
                for name, runs in cell.shown.items()
            }
            for cell in cells
        }
        | {"sequence": stops(rows, this)},
        plot=figures.shelf_map(found, levels=lines),
    )


def of_task(this: Study, width: int, base: int, n: int, digit: int) -> Cell:
    """Train one digit and fit its shelves."""
    label = f"base_{base}_digit_{digit}" + f"_width_{width}" * (width != this["d_model"])
    sweep = this.sweep(
        label,
        mode="single",
        base=base,
        digits=n,
        digit=digit,
        d_model=width,
        batch=this["batch"],
        weight_decay=0,
    )
    rows, levels = shelves.table(sweep.metrics["loss"], this.seeds), tasks.exact_levels(sweep.task)
    shown = {level.known: runs for level, runs in exact.shown(rows, levels).items()}
    return Cell(base, digit, width, dict(levels[0]), rows, shown)


def title(cell: Cell) -> str:
    """The name of a cell."""
    return f"base {cell.base}, digit {cell.digit}, width {cell.width}"


def names(cell: Cell) -> list[str]:
    """The levels of the cascade, highest first: nothing, digit pair, and with j pairs below."""
    return ["nothing", "digit_pair", *(f"digit_pair+lower:{j}" for j in range(1, cell.digit + 1))]


def summary(runs: dict[int, shelves.Shelf], num_runs: int) -> dict[str, Any]:
    """How many runs show a level, where it lies, and for how long."""
    found = statistics.summarise([runs.get(run) for run in range(num_runs)])
    return dict(
        share=found.share,
        measured=statistics.mean([shelf.level for shelf in runs.values()]),
        onset=found.onset,
        length=found.length,
        still_on_it=found.on_it,
    )


def stops(rows: list[shelves.Row], this: Study) -> dict[str, Any]:
    """Of each digit of the sequence runs but the units: runs with a shelf from .45 to .75 nats, and the level
    of the first below 1.5.
    """
    report = {}
    for digit in range(1, this["digits"]):
        own = [row for row in rows if row.digit == digit and row.level < 1.5]
        at = {row.run: row.level for row in own if 0.45 <= row.level <= 0.75}
        first = {row.run: row.level for row in reversed(own)}
        report[f"digit_{digit}"] = dict(
            stopped=statistics.wilson(len(at), this["seeds"]),
            runs=len(at),
            levels=sorted(at.values()),
            first_below=statistics.mean(list(first.values())),
            have_one=len(first),
        )
    return report


def two_stops(cell: Cell, num_runs: int) -> tuple[list[int], list[int], dict[str, statistics.Interval]]:
    """Runs with a shelf at ln b and then one within ABOVE of the digit pair's level; those that end below
    .05;
    lengths of both (steps).
    """
    level = cell.levels["digit_pair"]
    second = {row.run: row for row in cell.rows if level - LEAST <= row.level <= level + ABOVE}
    both = [run for run in cell.shown.get("nothing", {}) if run in second]
    done = [run for run in both if any(row.run == run and row.level < 0.05 for row in cell.rows)]
    lengths = {
        "first": statistics.summarise(list(cell.shown.get("nothing", {}).values())).length,
        "second": statistics.median([row.last_step + 1 - row.first_step for row in second.values()]),
    }
    return both, done, lengths


def answers(this: Study, cells: list[Cell], rows: list[shelves.Row]) -> list[Answer]:
    """The four rows."""
    runs, tens = this["seeds"], [cell for cell in cells if cell.digit == 1]
    deep = [cell for cell in cells if cell.digit >= 2]
    at = lambda cell, name: cell.shown.get(name, {})
    first = {title(cell): len(at(cell, "digit_pair+lower:1")) for cell in deep}
    cascade = {
        title(cell): {
            j: len(at(cell, name)) for j, name in enumerate(names(cell)[1:]) if cell.levels[name] > 0
        }
        for cell in deep
    }
    most = max(first.values(), default=0)
    seen = {j for counts in cascade.values() for j, count in counts.items() if count > runs / 2}
    asked = {j for counts in cascade.values() for j in counts}
    stops_of = {cell.width: two_stops(cell, runs) for cell in tens}
    shown = [len(both) for both, _, _ in stops_of.values()]
    found = stops(rows, this)
    stopped = [one["runs"] for one in found.values()]
    return [
        Answer(
            "001-29",
            "is 1/10 log 2 … a real shelf anywhere?",
            "runs with a shelf at h(c)/b, digit pair and one pair below known",
            "; ".join(
                f"{name} ({cell.levels['digit_pair+lower:1']:.4f}): {counted(first[name], runs)}"
                for cell in deep
                for name in [title(cell)]
            ),
            "refuted: in no run of these"
            if not most
            else "refuted: in a few runs of some bases"
            if most <= runs / 4
            else "open: in a minority of runs"
            if most <= runs / 2
            else "confirmed"
            if any(count for name, count in first.items() if name.startswith("base 10"))
            else "confirmed: in small bases",
        ),
        Answer(
            "001-69",
            "further shelves, defined by … past j digits",
            f"runs of {runs} with a shelf at h(c_(k−j)) / b^j, by j",
            "; ".join(
                f"{name}: " + ", ".join(f"j={j} {count}" for j, count in counts.items())
                for name, counts in cascade.items()
            ),
            "confirmed"
            if seen and seen == asked
            else "refuted: none of them"
            if not seen
            else f"open: most runs show j = {', '.join(map(str, sorted(seen)))} alone; slower rates and "
            "more bases would tell",
        ),
        Answer(
            "001-67",
            "2nd-to-last … base shelf to the next … and then to 0",
            "base 10, digit 1 of 2 alone, by width: runs with a shelf at ln 10 and then at .688 to "
            f"{0.688 + ABOVE:.3f}, "
            "lengths (steps) of both, runs that have a shelf below .05 after",
            "; ".join(
                f"{width}: {counted(len(both), runs)}, {said(lengths['first'], '.0f')} and "
                f"{said(lengths['second'], '.0f')}, "
                f"{counted(len(done), runs)}"
                for width, (both, done, lengths) in stops_of.items()
            ),
            "confirmed"
            if max(shown) > runs / 2 and max(len(done) for _, done, _ in stops_of.values()) > runs / 2
            else "refuted"
            if not any(shown)
            else "open: both in some of the runs, or the second not yet left; more steps would tell",
        ),
        Answer(
            "001-68",
            "violated! digits 1–4 stop descending quickly at loss=0.7–0.5",
            f"sequence mode, {this['digits']} digits: runs with a shelf from .45 to .75, and the level of "
            "the first shelf below 1.5",
            "; ".join(
                f"{name.replace('_', ' ')}: {counted(one['runs'], runs)}, {said(one['first_below'], '.3f')}"
                for name, one in found.items()
            ),
            "confirmed"
            if stopped and min(stopped) > runs / 2
            else "refuted: at this size they stop lower"
            if max(stopped, default=0) <= 1
            else "open: some digits in some runs; full size would tell",
        ),
    ]


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
