"""In which order does a model learn to add: digit pair, carries of depth 1, of depth 2?

    python -m experiments.plateaus.naive_phases

And where does the rest of its probability go?

Phases: digit 2 of 3 in single mode, --bases 3,5,10, --d_model 64, --batch 128, --steps 4000 (a quarter in
bases up to 5), --seeds 32. A carry has depth 1 where the column below decides it, depth 2 where that column
sums to b − 1 and the next one decides. Each depth has a set of its own: 200 problems with a carry, 200
without. The digit pair is known where P(carry-free sum) + P(carry-free sum + 1) is at least .9; a depth is
known where the log-odds of a carry tell the two halves apart with an AUC of .9, and unknown where it is
within .1 of ½. A phase is four snapshots in a row in which one thing is known and the next unknown: 100
steps, and 20 in bases up to 5, which learn all in some hundred steps. It is confirmed or refuted where the
whole interval of the share of runs that have it is above or below a half, else open.

Neighbours: on the shelf near ln 2, digits 2 and 3 of --digits 4 in base 10 (--single_steps 1500,
--single_seeds 32, batch 256); both at --wide 128, and digit 2 in --other_bases 5,16, with --fewer 16 seeds.
Time: 11 minutes on two cores that others used too; GPU: not measured.

Changed after a review and a referee: problems that "depth 2 decides" all had a carry, so guessing one counted
as knowing. Snapshots every 5 steps in small bases, 32 runs. The fourth digit is asked at the note's width;
a circle is told from a line by 0 + 0 alone: pairs that sum to 10 are next to 9 on a line, too.
"""

import functools
import sys

import numpy as np

from experiments.frame import study
from experiments.frame.bounds import sided
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, interval, share, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.plateaus import carry_depths, neighbours
from experiments.plateaus.carry_depths import KNOWN, LASTING, SOON, UNKNOWN, Phases
from grokjax import figures
from grokjax.curves import statistics

DEFAULTS: dict[str, study.Setting] = {
    "bases": (3, 5, 10),
    "d_model": 64,
    "batch": 128,
    "steps": 4000,
    "seeds": 32,
    "digits": 4,
    "single_steps": 1500,
    "single_seeds": 32,
    "wide": 128,
    "other_bases": (5, 16),
    "fewer": 16,
}
LARGE: dict[str, study.Setting] = {"steps": 6000, "seeds": 64, "single_seeds": 128, "fewer": 64}
SMALL: dict[str, study.Setting] = {
    "bases": (3,),
    "d_model": 8,
    "batch": 16,
    "steps": 50,
    "seeds": 2,
    "digits": 3,
    "single_steps": 100,
    "single_seeds": 2,
    "wide": 12,
    "other_bases": (5,),
    "fewer": 2,
}
CURVES = {
    "pair": "digit pair: P(sum) + P(sum + 1)",
    "auc_1": "carry of depth 1: AUC",
    "auc_2": "carry of depth 2: AUC",
    "right_2": "P(right), depth 2",
}
PHASE = (
    f"A phase is {LASTING} snapshots in a row (25 steps apart, 5 in bases up to {SOON}) in which one thing "
    f"is known (at least {KNOWN}) and the next is not (AUC within {UNKNOWN} of ½)."
)
UNSURE = "the intervals hold half of the runs; more seeds would tell"


def measure(this: Study) -> Finding:
    """Phases in every base, then the rest of the probability."""
    found = {base: carry_depths.phases(this, base) for base in this["bases"]}
    one = dict(d_model=this["d_model"], batch=256, steps=this["single_steps"])
    n, second, third = this["digits"], "base 10, digit 2", "base 10, digit 3"
    on_shelf = functools.partial(neighbours.on_shelf, this, digits=n)
    rests = {
        name: on_shelf(name, 10, min(digit, n), seeds=this["single_seeds"], **one)
        for name, digit in ((second, 2), (third, 3))
    }
    few = one | dict(seeds=this["fewer"])
    wide = {
        digit: on_shelf(f"width {this['wide']}, digit {digit}", 10, digit, **few | dict(d_model=this["wide"]))
        for digit in (2, min(3, n))
    }
    rests |= {rest.name: rest for rest in wide.values()}
    rests |= {f"base {base}": on_shelf(f"base {base}", base, 2, **few) for base in this["other_bases"]}
    return Finding(
        task=f"3-digit addition, digit 2 alone; {n}-digit addition, digits 2 and 3 alone",
        size=f"1 layer, width {this['d_model']} (and {this['wide']}), 4 heads, batch {this['batch']} "
        f"(neighbours 256), rate 1e-3, no decay, {this['steps']} steps (a quarter in bases up to {SOON}; "
        f"neighbours {this['single_steps']})",
        seeds=this.seeds,
        answers=[
            *on_phases(found),
            neighbours.circle("001-48", rests, second),
            neighbours.fourth_digit("001-49", wide[2], wide[min(3, n)], rests[third]),
        ],
        numbers={
            "known_at": {
                f"base {base}": {name: times.median for name, times in of.known.items()}
                for base, of in found.items()
            },
            "neighbours": {
                name: dict(
                    runs=len(rest.nats), minus_ln_p=[statistics.mean(column) for column in rest.nats.T]
                )
                for name, rest in rests.items()
            },
        },
        plot=pictured(found, rests[second]),
    )


def pictured(found: dict[int, Phases], rest: neighbours.Rest) -> figures.Plot:
    """The curves of every base, median and quartiles of the runs, and −ln P by distance on the shelf."""
    quartiles = lambda row: tuple(np.quantile(row, (0.5, 0.25, 0.75)).tolist())
    panels: dict[str, dict[str, figures.Points]] = {}
    for base, one in found.items():
        kept = slice(None, None, max(1, len(one.steps) // 32))
        at = one.steps[kept].tolist()
        panels[f"base {base}, digit 2 of 3 alone"] = {
            title: figures.Points(at, [quartiles(row) for row in one.curves[name][kept]])
            for name, title in CURVES.items()
        }
    title = "base 10, digit 2 of 4, shelf near ln 2"
    panels[title] = {
        "P(sum + r), each run": figures.Points.of_runs([str(r) for r in range(rest.base)], rest.nats.T)
    }
    return figures.points(
        panels,
        xlabel={name: "r" if name == title else "optimiser step" for name in panels},
        ylabel={name: "−ln P(sum + r), nats" if name == title else "probability or AUC" for name in panels},
        joined=[name for name in panels if name != title],
        levels={title: [("2 ln 10", neighbours.NOTE)]},
        legend="median and quartiles of runs, or each run",
        sharey=False,
    )


def on_phases(found: dict[int, Phases]) -> list[Result]:
    """The three rows on phases."""
    rows = {name: row for base, one in found.items() for name, row in of_base(base, one).items()}
    had = {
        base: tuple(
            sided(rows[f"{name}_{base}"], 0.5, "confirmed", "refuted", "open") for name in ("alone", "first")
        )
        for base in found
    }
    largest = max(found)
    own = of_base(largest, found[largest])
    return [drawn(largest, own), in_largest(largest, own, had[largest]), in_every(rows, had)]


def of_base(base: int, one: Phases) -> dict[str, Measured]:
    """When things are known, how many runs have each phase, and the order of the depths, in one base."""
    runs, rows = len(one.pair_alone), {}
    for name, times in one.known.items():
        what = f"base {base}: {CURVES[name]} at least {KNOWN}"
        rows[f"{name}_{base}"] = time(what, times, float(one.steps[-1]))
    for name, text, shown in (
        ("alone", "pair known, carries not", one.pair_alone),
        ("first", "depth 1 known, depth 2 not", one.first_alone),
    ):
        rows[f"{name}_{base}"] = share(f"base {base}: runs with a phase, {text}", int(shown.sum()), runs)
    order = statistics.paired_ratio(one.known["auc_1"], one.known["auc_2"])
    rows[f"order_{base}"] = share(
        f"base {base}: runs that know depth 1 before depth 2",
        order.earlier,
        order.earlier + order.later,
        "runs whose order is known",
    )
    rows[f"ratio_{base}"] = interval(
        f"base {base}: steps to depth 1 over steps to depth 2", order.median, "", runs
    )
    return rows


def drawn(largest: int, own: dict[str, Measured]) -> Result:
    """001-12."""
    return Result(
        "001-12",
        f"Drawn for every depth; in base {largest} the first is known at {{auc_1_{largest}}}, the second "
        f"at {{auc_2_{largest}}}.",
        own,
        "Built if a command draws what a run knows of each depth over training, on sets with and without "
        "a carry.",
        "built: python -m experiments.plateaus.naive_phases",
    )


def in_largest(largest: int, own: dict[str, Measured], had: tuple[str, ...]) -> Result:
    """001-13."""
    return Result(
        "001-13",
        f"In base {largest}, {{alone_{largest}}} know the pair and no carry for a while, "
        f"{{first_{largest}}} the first depth and not the second.",
        own,
        f"{PHASE} Of each of both phases: confirmed if more than half of the runs of base {largest} have it, "
        "refuted if fewer (whole intervals), else open.",
        f"open: {UNSURE}"
        if set(had) == {"open"}
        else had[0]
        if len(set(had)) == 1
        else f"mixed: {by_phase(had)}",
    )


def in_every(rows: dict[str, Measured], had: dict[int, tuple[str, ...]]) -> Result:
    """001-14."""
    largest, least = max(had), min(had)
    alike = {kinds: [base for base, own in had.items() if own == kinds] for kinds in had.values()}
    parts = [
        f"in base{'s' * (len(bases) > 1)} {' and '.join(map(str, bases))} {by_phase(phases_)}"
        for phases_, bases in alike.items()
    ]
    kinds = {kind for phases_ in had.values() for kind in phases_}
    return Result(
        "001-14",
        f"The first depth is known alone for a while in {{first_{least}}} of base {least}"
        + (f", in {{first_{largest}}} of base {largest}." if largest > least else "."),
        rows,
        f"{PHASE} Of every base and each of both phases: confirmed if more than half of the runs have it, "
        "refuted if fewer (whole intervals), else open; mixed if they differ.",
        f"open: {UNSURE}"
        if kinds == {"open"}
        else kinds.pop()
        if len(kinds) == 1
        else f"mixed: {'; '.join(parts)}",
    )


def by_phase(had: tuple[str, ...]) -> str:
    """The verdict on two phases in words."""
    pair, first = had
    return pair if pair == first else f"{pair} of the pair alone, {first} of depth 1 alone"


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
