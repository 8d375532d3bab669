"""In which order does a model learn to add: digit pair, carries of depth 1, of depth 2?

    python -m experiments.plateaus.naive_phases

And where does the rest of its probability go?

Phases: digit 2 of 3 in single mode, --bases 3,5,10, --d_model 64, --batch 128, --steps 4000, --seeds 16. A
carry has depth 1 where the column below decides it, depth 2 where that column sums to b − 1 and the next one
decides. Each depth has a set of its own: 200 problems with a carry, 200 without. The digit pair is known
where P(carry-free sum) + P(carry-free sum + 1) is at least .9; a depth is known where the log-odds of a carry
tell the two halves apart with an AUC of .9, and unknown where it is within .1 of ½. A phase is four snapshots
in a row (100 steps) in which one thing is known and the next unknown.

Neighbours: on the shelf near ln 2, digits 2 and 3 of --digits 4 in base 10 (--single_steps 1500,
--single_seeds 32, batch 256); digit 2 at --wide 128, and in --other_bases 5,16, with --fewer 16 seeds.
Time: 8 minutes on two cores that others used too; GPU: not measured.

Changed after a review: problems that "depth 2 decides" all had a carry, so guessing one counted as knowing.
"""

import functools
import sys

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, interval, share, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.plateaus import carry_depths, neighbours
from experiments.plateaus.carry_depths import KNOWN, LASTING, UNKNOWN, Phases
from grokjax import figures
from grokjax.curves import statistics

DEFAULTS: dict[str, study.Setting] = {
    "bases": (3, 5, 10),
    "d_model": 64,
    "batch": 128,
    "steps": 4000,
    "seeds": 16,
    "digits": 4,
    "single_steps": 1500,
    "single_seeds": 32,
    "wide": 128,
    "other_bases": (5, 16),
    "fewer": 16,
}
LARGE: dict[str, study.Setting] = {"steps": 6000, "seeds": 32, "single_seeds": 128, "fewer": 64}
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
    f"A phase is {LASTING} snapshots in a row (25 steps apart) in which one thing is known (at least "
    f"{KNOWN}) and the next is not (AUC within {UNKNOWN} of ½)."
)


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
    rests[f"width {this['wide']}"] = on_shelf("width", 10, 2, **few | dict(d_model=this["wide"]))
    rests |= {f"base {base}": on_shelf(f"base {base}", base, 2, **few) for base in this["other_bases"]}
    return Finding(
        task=f"3-digit addition, digit 2 alone; {n}-digit addition, digits 2 and 3 alone",
        size=f"1 layer, width {this['d_model']} (and {this['wide']}), 4 heads, batch {this['batch']} "
        f"(neighbours 256), rate 1e-3, no decay, {this['steps']} steps (neighbours {this['single_steps']})",
        seeds=this.seeds,
        answers=[
            *on_phases(found, this["steps"]),
            neighbours.circle("001-48", rests, second),
            neighbours.fourth_digit("001-49", rests[second], rests[third]),
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
        panels[f"base {base}"] = {
            title: figures.Points(
                one.steps[kept].tolist(), [quartiles(row) for row in one.curves[name][kept]]
            )
            for name, title in CURVES.items()
        }
    title = "base 10, on the ln 2 shelf: −ln P(sum + r)"
    panels[title] = {
        "mean of runs, 95%": figures.Points(
            list(range(rest.base)), [statistics.mean(column) for column in rest.nats.T]
        )
    }
    xlabel = {name: "r" if name == title else "optimiser step" for name in panels}
    return figures.points(
        panels, xlabel=xlabel, ylabel="", legend="median and quartiles of runs", sharey=False
    )


def on_phases(found: dict[int, Phases], steps: int) -> list[Result]:
    """The three rows on phases."""
    rows = {name: row for base, one in found.items() for name, row in of_base(base, one, steps).items()}
    had = {base: (one.pair_alone.mean() > 0.5, one.first_alone.mean() > 0.5) for base, one in found.items()}
    largest = max(found)
    own = of_base(largest, found[largest], steps)
    return [drawn(largest, own), in_largest(largest, own, had[largest]), in_every(rows, had)]


def of_base(base: int, one: Phases, steps: int) -> dict[str, Measured]:
    """When things are known, how many runs have each phase, and the order of the depths, in one base."""
    runs, rows = len(one.pair_alone), {}
    for name, times in one.known.items():
        rows[f"{name}_{base}"] = time(f"base {base}: {CURVES[name]} at least {KNOWN}", times, steps)
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


def in_largest(largest: int, own: dict[str, Measured], had: tuple[bool, bool]) -> Result:
    """001-13."""
    return Result(
        "001-13",
        f"In base {largest} {{alone_{largest}}} know the pair and no carry for a while, "
        f"{{first_{largest}}} the first depth and not the second.",
        own,
        f"{PHASE} Confirmed if in base {largest} more than half of the runs have each of both phases, "
        "refuted if neither is had by more than half, mixed if one is.",
        by_phase(had),
    )


def in_every(rows: dict[str, Measured], had: dict[int, tuple[bool, bool]]) -> Result:
    """001-14."""
    largest, least = max(had), min(had)
    both = [base for base, phases_ in had.items() if all(phases_)]
    none = [base for base, phases_ in had.items() if not any(phases_)]
    return Result(
        "001-14",
        f"The first depth is known alone for a while in {{first_{least}}} of base {least}"
        + (f", in {{first_{largest}}} of base {largest}." if largest > least else "."),
        rows,
        f"{PHASE} Confirmed if in every base more than half of the runs have each of both phases, refuted "
        "if in none they have either, mixed otherwise.",
        "confirmed"
        if both == list(had)
        else "refuted"
        if none == list(had)
        else "mixed: " + "; ".join(f"base {base}: {by_phase(had[base])}" for base in had),
    )


def by_phase(had: tuple[bool, bool]) -> str:
    """The verdict on two phases."""
    if had[0] == had[1]:
        return "confirmed" if had[0] else "refuted"
    names = ("the phase of the pair alone", "the phase of depth 1 alone")
    yes, no = names if had[0] else names[::-1]
    return f"mixed: confirmed of {yes}, refuted of {no}"


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
