"""Which positional encoding learns addition, and which adds longer numbers than it was trained on?

    python -m experiments.formats.positions

Exact match on a grid of lengths.

Operands of 1 or 2 digits (--trained 2) in a format with room for --digits 5, --order msb and lsb, with and
without index hints; 1 layer, --d_model 32 with 4 heads, --batch 64, rate 6e-3, decay .1, --steps 1200,
--seeds 16, the same for every encoding. Exact match, teacher forced, of --size 200 problems for every pair of
operand lengths 1 … 5, the untrained ones included. Abacus moves its indices by up to 4 in training.
Time: 18 minutes of one core (28 beside other work), of which 4 are compilation; GPU: not measured.

Found: at this size learned positions are learned from best: all 16 runs are down by step 370 (median) with
  .98 exact match at 2 digits, Abacus by 916 (.69), RoPE .57, sinusoidal .49; FIRE (.21) and no positions
  (.18) hardly tell the digits' places, and index hints without positions (.11, .13) do not mend that in one
  layer. One digit beyond what was trained only Abacus does a little: .11 least and .18 most significant first
  (learned .04); two digits beyond nobody. So the order of the answer and the hints do not decide here; runs
  that generalise would have to be larger.
"""

import functools
import sys

import numpy as np
from jaxtyping import Float

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import map_epochs
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval
from grokjax.interp.addition import length_generalization

DEFAULTS: dict[str, study.Setting] = {
    "digits": 5,
    "trained": 2,
    "d_model": 32,
    "batch": 64,
    "steps": 1200,
    "seeds": 16,
    "size": 200,
    "cells": tuple(range(11)),
}
SMALL: dict[str, study.Setting] = {
    "digits": 2,
    "trained": 1,
    "d_model": 8,
    "batch": 8,
    "steps": 20,
    "seeds": 2,
    "size": 4,
    "cells": (2, 7),
}
RATE = 6e-3
ENCODINGS = ("learned", "sinusoidal", "none", "rope", "abacus", "fire")
CELLS: dict[str, dict[str, str | bool]] = {
    **{f"lsb, {positions}": dict(order="lsb", positions=positions) for positions in ENCODINGS},
    **{
        f"msb, {positions}": dict(order="msb", positions=positions)
        for positions in ("learned", "none", "abacus")
    },
    **{
        f"{order} with hints, none": dict(order=order, positions="none", hints=True)
        for order in ("lsb", "msb")
    },
}
"""What is trained, numbered from 0 for --cells: the order of the answer, what tells places apart, and hints,
a token before each digit that names its column."""
LEARNED = 0.5
"""A run has learned what it was trained on, or adds longer numbers, where its exact match is above this."""
NOTHING = 0.1
DOWN = 0.1
"""A run is down where its mean loss over the digits (nats, median of 11 steps) is below this."""


def measure(this: Study) -> Finding:
    """Every cell's exact match by lengths, and when its loss was down."""
    grids, times = {}, {}
    for label, options in [list(CELLS.items())[cell] for cell in this["cells"]]:
        sweep = this.sweep(
            label.replace(", ", "_").replace(" ", "_"),
            task="addition",
            digits=this["digits"],
            lengths=tuple(range(1, this["trained"] + 1)),
            d_model=this["d_model"],
            batch=this["batch"],
            learning_rate=RATE,
            weight_decay=0.1,
            max_offset=4,
            **options,
        )
        batch = length_generalization.problems(sweep.task, this["size"])
        grids[label] = map_epochs(
            sweep,
            functools.partial(length_generalization.exact_match, batch=batch),
            sweep.epochs[-1:],
        )[0]
        times[label] = statistics.until_below(sweep.metrics["loss"].mean(2), DOWN)
    panels = pictured(grids)
    return Finding(
        task=f"addition of operands of 1 to {this['trained']} digits in a format with room for "
        f"{this['digits']}, sequence mode",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate {RATE:g}, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=answers(this, grids, times),
        numbers={
            label: dict(
                exact_match=grid.mean(0),
                longest_of_operands=by_longest(grid),
                below_loss=times[label].share,
                step_below_loss=times[label].median,
            )
            for label, grid in grids.items()
        },
        plot=figures.points(
            panels, xlabel="digits of the longer operand", ylabel="exact match", legend="positions"
        ),
    )


def longest(grid: Float[np.ndarray, "S n n"]) -> Float[np.ndarray, "S n"]:
    """Each run's exact match by the length of the longer operand, mean over the lengths of the other."""
    n = grid.shape[1]
    of = np.maximum(*np.indices((n, n)))
    return np.stack([grid[:, of == length].mean(1) for length in range(n)], 1)


def by_longest(grid: Float[np.ndarray, "S n n"]) -> list[Interval]:
    """The mean of `longest` over the runs."""
    return [statistics.mean(values) for values in longest(grid).T]


def pictured(grids: dict[str, np.ndarray]) -> dict[str, dict[str, figures.Points]]:
    """A panel for each format."""
    titles = {
        "lsb": "least significant first",
        "msb": "most significant first",
        "lsb with hints": "lsb, index hints",
        "msb with hints": "msb, index hints",
    }
    panels: dict[str, dict[str, figures.Points]] = {title: {} for title in titles.values()}
    for label, grid in grids.items():
        format_, positions = label.split(", ")
        panels[titles[format_]][positions] = figures.Points(
            list(range(1, grid.shape[1] + 1)), by_longest(grid)
        )
    return {title: series for title, series in panels.items() if series}


def answers(this: Study, grids: dict[str, np.ndarray], times: dict[str, statistics.Times]) -> list[Answer]:
    """What it says to the notes."""
    k, n = this["trained"], this["digits"]
    inside, beyond, far = (
        {label: statistics.mean(longest(grid)[:, at]) for label, grid in grids.items()}
        for at in (k - 1, k, n - 1)
    )
    told = lambda found, chosen: "; ".join(
        f"{label}: {said(one, '.2f')}" for label, one in found.items() if chosen(label)
    )
    at_all = lambda chosen: (
        f"{k}: {told(inside, chosen)}. {k + 1}: {told(beyond, chosen)}. {n}: {told(far, chosen)}"
    )
    down = "; ".join(
        f"{label}: {counted(int(x.ended.sum()), len(x.ended))} at {said(x.median, '.0f')}"
        for label, x in times.items()
        if is_plain(label)
    )
    by_length = f"exact match at {k} digits (trained), {k + 1} and {n} (never trained)"
    return [
        Answer(
            "002-13",
            "vary the positional encodings",
            f"least significant first: exact match at {k} digits, the longest trained; runs "
            f"whose loss falls below {DOWN:g} nats, and when",
            f"{told(inside, is_plain)}. {down}",
            "built: python -m experiments.formats.positions",
        ),
        Answer(
            "002-14",
            "Abacus, the right embeddings?",
            by_length,
            at_all(is_abacus),
            generalises([found for label, found in beyond.items() if is_abacus(label)], k),
        ),
        Answer(
            "002-15",
            "no positions at all, and length generalisation",
            f"{by_length}; without positions one layer sees a multiset",
            at_all(has_none),
            without(inside.get("lsb, none"), beyond.get("lsb, none"), k),
        ),
        Answer(
            "002-16",
            "least significant first, or index hints, generalise in length; most significant first does not",
            f"exact match at {k + 1} digits, never trained",
            told(beyond, bool),
            by_format(beyond, k),
        ),
    ]


def is_plain(label: str) -> bool:
    """Least significant first, without hints."""
    return label.startswith("lsb, ")


def is_abacus(label: str) -> bool:
    """With indices within each number."""
    return label.endswith(", abacus")


def has_none(label: str) -> bool:
    """Without positions."""
    return label.endswith(", none")


def value(end: float | None, missing: float) -> float:
    """The end of an interval, or what stands for one that is not determined."""
    return missing if end is None else end


def generalises(found: list[Interval], trained: int) -> str:
    """Whether any of these adds numbers a digit longer than trained."""
    if any(value(one.low, 0) > LEARNED for one in found):
        return "confirmed"
    if all(value(one.high, 1) < NOTHING for one in found):
        return f"refuted: at this size; hardly a digit beyond the {trained} trained"
    return "open: a little at this size; more layers and steps would tell"


def without(inside: Interval | None, beyond: Interval | None, trained: int) -> str:
    """What one layer without positions does."""
    if inside is None or beyond is None:
        return "open: not trained; --cells would have to name it"
    if value(inside.high, 1) < LEARNED:
        return (
            f"refuted: one layer without positions does not even add the {trained} digits it was trained on"
        )
    return generalises([beyond], trained)


def by_format(beyond: dict[str, Interval], trained: int) -> str:
    """Whether the formats that should generalise do, and the others not."""
    should = [found for label, found in beyond.items() if "hints" in label or is_plain(label)]
    others = [found for label, found in beyond.items() if label.startswith("msb, ")]
    if any(value(one.low, 0) > LEARNED for one in should) and all(
        value(one.high, 1) < LEARNED for one in others
    ):
        return "confirmed"
    if all(value(one.high, 1) < NOTHING for one in [*should, *others]):
        return f"refuted: at this size; no order and no hint adds a digit beyond the {trained} trained"
    return "open: a little at this size; more layers and steps would tell"


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
