"""What is learned when nothing carries?

    python -m experiments.formats.digitwise

Digitwise addition falls to 0, and ablation shows which neurons and heads hold the table.

--digits 2 in sequence mode, --d_model 32 with 4 heads and 128 neurons, --batch 128, --steps 3000, --seeds 8,
no weight decay. Each neuron and head in turn is held at its mean over 2000 problems; damage is the fall of
the log-odds of a digit's right answer (nats).
Time: 110 s on two cores that others used too; GPU: not measured.

Found: every run falls from ln 10 to below 1e-4 without a stop (by step 838 in digit 0, 788 in digit 1). The
  table is spread out: 71 of the 128 neurons and all 4 heads make up 90% of the damage, and no neuron takes
  more than 3.5 nats alone. Both digits use the same table: .91 of these neurons are common to the two digits
  of a run (.37 by chance); between runs no more than chance, as labels of neurons mean nothing. Damage
  measured by the loss of these converged runs would name 3 neurons instead, those that can tip an answer
  alone.
"""

import functools
import itertools
import sys
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import map_epochs
from grokjax.curves import shelves, statistics
from grokjax.interp import ablation
from grokjax.run import Run
from grokjax.tasks.vocabulary import Batch

DEFAULTS: dict[str, study.Setting] = {"digits": 2, "d_model": 32, "batch": 128, "steps": 3000, "seeds": 8}
SMALL: dict[str, study.Setting] = {"digits": 1, "d_model": 8, "batch": 16, "steps": 40, "seeds": 2}
SIZE = 2000
DOWN = 1e-4
"""A digit whose loss (nats, median of 11 steps) is below this is at 0."""


def measure(this: Study) -> Finding:
    """How the digits fall, and who holds the table."""
    sweep = this.sweep(
        "sequence",
        task="digitwise",
        digits=this["digits"],
        d_model=this["d_model"],
        batch=this["batch"],
        weight_decay=0,
    )
    loss, n = sweep.metrics["loss"], this["digits"]
    down = [statistics.until_below(loss[:, :, digit], DOWN) for digit in range(n)]
    between = [[between_shelves(curve) for curve in loss[:, :, digit]] for digit in range(n)]
    a, b = np.random.default_rng(0).integers(10, size=(2, SIZE, n))
    batch = sweep.task.encode(a, b)
    function = functools.partial(damages, batch)
    neurons, heads = (
        np.asarray(x[0])[:, :, np.argsort(sweep.task.columns)]
        for x in map_epochs(sweep, function, sweep.epochs[-1:])
    )
    panels = {"neurons": series(neurons, 8), "heads": series(heads, 1)}
    return Finding(
        task=f"{n}-digit addition without carries, sequence mode",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, no decay, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=answers(down, between, neurons, heads),
        numbers={
            f"digit {digit}": dict(
                below=down[digit].share,
                step=down[digit].median,
                **held(neurons[:, :, digit], heads[:, :, digit]),
            )
            for digit in range(n)
        }
        | {"overlap": overlaps(neurons)},
        plot=figures.points(
            panels,
            xlabel="units, each ablated alone, the most damaging first",
            ylabel="cumulative share of the damage",
        ),
    )


def damages(batch: Batch, run: Run) -> tuple[Float[Array, "M C"], Float[Array, "H C"]]:
    """The mean damage to each digit, in reading order, without each neuron and each head."""
    log_odds = lambda of: of(run, batch).log_odds[0, :, 0]
    return log_odds(ablation.neurons), log_odds(ablation.heads)


def between_shelves(curve: np.ndarray) -> int:
    """How many shelves lie between ln 10 and .05 nats."""
    return sum(0.05 < shelf.level < 2.2 for shelf in shelves.find(curve))


def series(damage: Float[np.ndarray, "S M C"], stride: int) -> dict[str, figures.Points]:
    """The cumulative share of damage by rank, median and quartiles over runs, for each digit; every
    `stride`-th rank.
    """
    found = {}
    for digit in range(damage.shape[2]):
        ranked = -np.sort(-np.maximum(damage[:, :, digit], 0), 1)
        shares = np.cumsum(ranked, 1) / np.maximum(ranked.sum(1, keepdims=True), 1e-30)
        at = np.arange(stride - 1, shares.shape[1], stride)
        found[f"digit {digit}"] = figures.Points(
            (at + 1).tolist(), [tuple(np.quantile(shares[:, k], (0.5, 0.25, 0.75)).tolist()) for k in at]
        )
    return found


def held(neurons: Float[np.ndarray, "S M"], heads: Float[np.ndarray, "S H"]) -> dict[str, Any]:
    """How many units make up 90% of a digit's damage, and the worst single damage (nats)."""
    counts = lambda damage: statistics.median([float(len(ablation.units_for(one))) for one in damage])
    return dict(
        neurons_for_90=counts(neurons),
        heads_for_90=counts(heads),
        worst_neuron=statistics.median(neurons.max(1).tolist()),
        worst_head=statistics.median(heads.max(1).tolist()),
    )


def overlaps(neurons: Float[np.ndarray, "S M C"]) -> dict[str, statistics.Interval]:
    """Common share of the neurons that hold 90%: of two digits of a run, of one digit in two runs; and that
    of random sets.
    """
    sets = [
        [set(ablation.units_for(run[:, digit]).tolist()) for digit in range(run.shape[1])] for run in neurons
    ]
    digits = [pair for run in sets for pair in itertools.combinations(run, 2)]
    runs = [(x[0], y[0]) for x, y in itertools.pairwise(sets)]
    common = lambda pairs: statistics.mean([statistics.common_share(x, y) for x, y in pairs])
    random = lambda pairs: statistics.mean(
        [statistics.common_share_by_chance(len(x), len(y), neurons.shape[1]) for x, y in pairs]
    )
    return dict(
        digits=common(digits), digits_by_chance=random(digits), runs=common(runs), runs_by_chance=random(runs)
    )


def answers(
    down: list[statistics.Times], between: list[list[int]], neurons: np.ndarray, heads: np.ndarray
) -> list[Answer]:
    """What it says to the notes."""
    runs = len(neurons)
    fell = "; ".join(
        f"digit {digit}: {counted(int(times.ended.sum()), runs)} at step {said(times.median, '.0f')}"
        for digit, times in enumerate(down)
    )
    stops = "; ".join(
        f"digit {digit}: {counted(sum(count > 0 for count in counts), runs)}"
        for digit, counts in enumerate(between)
    )
    number = [held(neurons[:, :, digit], heads[:, :, digit]) for digit in range(neurons.shape[2])]
    holders = "; ".join(
        f"digit {digit}: {said(x['neurons_for_90'], '.0f')} of {neurons.shape[1]} neurons, "
        f"{said(x['heads_for_90'], '.0f')} of {heads.shape[1]} heads"
        for digit, x in enumerate(number)
    )
    common = overlaps(neurons)
    all_down, straight = (
        all(times.share.low is not None and times.share.low > 0.5 for times in down),
        not sum(map(sum, between)),
    )
    return [
        Answer(
            "001-17",
            "do a digitwise mod 10 addition",
            "the task without carries, trained",
            f"{runs} runs, {neurons.shape[2]} digits",
            "built: python -m experiments.formats.digitwise",
        ),
        Answer(
            "001-18",
            "then the loss should descend to 0 properly",
            f"runs below {DOWN:g} nats, and when; runs with a shelf between ln 10 and .05",
            f"{fell}; shelves: {stops}",
            "confirmed" + ("" if straight else ": to 0, though some runs stop on the way")
            if all_down
            else "open: not most runs are that low by the end; more steps would tell",
        ),
        Answer(
            "001-19",
            "isolate the addition table: which neurons contribute",
            "neurons and heads that make up 90% of the damage; common "
            "share of these neurons between two digits of a run, and between runs (in brackets: of random "
            "sets)",
            f"{holders}; digits {said(common['digits'], '.2f')} [{said(common['digits_by_chance'], '.2f')}], "
            f"runs {said(common['runs'], '.2f')} [{said(common['runs_by_chance'], '.2f')}]",
            "built: python -m experiments.formats.digitwise",
        ),
    ]


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
