"""Does multi-digit addition use trigonometry, as modular addition does, or a table?

    python -m experiments.mechanism.trig_or_table

Neurons over their digit pair, against controls.

The shared runs of n-digit addition (`experiments.frame.adder`: --digits 5, 1 layer, --d_model 128, --batch
256, --steps 2500, --seeds 32). Each neuron's mean activation over the two digits of the column that is
answered, from --each 20 problems for every pair, is a table of 100 cells. Every description chooses its
form and its coefficients on a random half of the cells, and is scored on the other half: waves of one of
the 5 frequencies (the 3×3 block, 9 coefficients), polynomials of degree 2 in each digit (9), a function of
a + b (19), a function of each digit (19), and a ReLU of a line (one of 84 lines, 2 coefficients). The waves'
parts alone: those of a and of b (5), those of a + b and of a − b (5). A neuron weighs as much as its table
varies; the picture counts neurons alike. Controls: digits in random orders, the same runs before training.
Restricted and excluded losses on --problems 500.
Time: a minute on two cores, once the runs are trained; GPU: not measured.

Changed after a first look: the best of 5 frequencies stood against one polynomial, and was scored on the
cells that it was chosen on.
"""

import functools
import sys

import numpy as np

from experiments.frame import adder, study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, mean
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.mechanism.neuron_tables import (
    FAMILIES,
    PARTS,
    Losses,
    in_random_order,
    losses,
    shares,
    tabled,
    weighed,
)
from grokjax import figures
from grokjax.checkpoints import map_epochs
from grokjax.curves import statistics
from grokjax.interp.addition import evaluation_sets

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "each": 20, "problems": 500}
SMALL: dict[str, study.Setting] = {**adder.TINY, "each": 1, "problems": 20}
ACTIVE = 0.1
"""A neuron counts in the picture where its digit pair makes up at least this share of its variance."""

RIVALS = {
    "polynomials": "polynomials of the digits",
    "sum": "a function of the digits' sum",
    "each digit": "a function of each digit",
    "line": "a bent line",
}
BEFORE = "waves, before training"


def measure(this: Study) -> Finding:
    """Tables of all runs before and after training."""
    sweep = adder.trained(this)
    fixed, scored = (
        evaluation_sets.balanced(sweep.task, this["each"]),
        evaluation_sets.drawn(sweep.task, this["problems"], seed=1),
    )
    ends = [sweep.epochs[0], sweep.epochs[-1]]
    tables, explained = (np.asarray(x) for x in map_epochs(sweep, functools.partial(tabled, fixed), ends))
    trained, weight = shares(tables[-1], (*FAMILIES, *PARTS)), tables.var((-3, -2))
    shuffled = shares(in_random_order(tables[-1]), ("waves",))["waves"]
    before = shares(tables[0], ("waves", *PARTS))
    whole = {name: weighed(values, weight[-1]) for name, values in trained.items()} | {
        "shuffled": weighed(shuffled, weight[-1]),
        **{f"{name}, before training": weighed(values, weight[0]) for name, values in before.items()},
    }
    cut = Losses(
        *(values[0] for values in map_epochs(sweep, functools.partial(losses, fixed, scored), ends[-1:]))
    )
    first, last = (each >= ACTIVE for each in explained)
    whole["alike"] = np.array(
        [values[own].mean() for values, own in zip(trained["waves"], last, strict=True)]
    )
    panels = {
        "all answered digits": {name: trained[name][last] for name in FAMILIES}
        | {BEFORE: before["waves"][first]}
    }
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=[answer(whole, cut)],
        numbers=dict(
            predicted={name: statistics.mean(values) for name, values in whole.items()}, losses=by_digit(cut)
        ),
        plot=figures.cumulative(
            panels,
            xlabel="share of the neuron's table predicted on held-out digit pairs (further right is better)",
            ylabel="share of neurons",
        ),
    )


def by_digit(kinds: Losses) -> dict[str, list[statistics.Interval]]:
    """The means over the runs, for each digit from the units."""
    return {
        name: [statistics.mean(values[:, place]) for place in range(values.shape[1])]
        for name, values in kinds._asdict().items()
    }


def predicted(whole: dict[str, np.ndarray], best: str) -> dict[str, Measured]:
    """What every description predicts of the neurons' variance, and the controls."""
    row = lambda name, words: mean(f"predicted by {words}", whole[name], "")
    parts = (*PARTS, *(f"{part}, before training" for part in PARTS))
    gain = whole["waves"] - whole["waves of either digit"]
    return {
        "waves": row("waves", "waves of one frequency"),
        "rival": row(best, f"the best rival: {best}"),
        **{name.replace(" ", "_"): row(name, name) for name in FAMILIES if name != "waves"},
        "shuffled": row("shuffled", "waves, digits in random orders"),
        "before": row(BEFORE, BEFORE),
        "alike": row("alike", "waves, neurons counted alike"),
        **{f"part_{i}": row(name, name) for i, name in enumerate(parts)},
        "crossed": mean("predicted by waves less that by waves of either digit", gain, ""),
    }


def answer(whole: dict[str, np.ndarray], cut: Losses) -> Result:
    """001-52; per run the mean over the digits."""
    whole_loss, only_waves, only_powers, no_waves, no_powers, _ = (
        np.asarray(values).mean(1) for values in cut
    )
    rivals = [name for name in FAMILIES if name != "waves"]
    best = max(rivals, key=lambda name: float(whole[name].mean()))
    above = lambda gap: (found := statistics.mean(gap)).low is not None and found.low > 0
    ahead = all(above(whole["waves"] - whole[name]) for name in (*rivals, "shuffled", BEFORE))
    enough = above(2 * whole_loss - only_waves)
    return Result(
        "001-52",
        "A wave of one frequency predicts {waves} of the neurons' variance on digit pairs held out from its "
        f"choice; {RIVALS[best]} {{rival}}.",
        predicted(whole, best)
        | dict(
            loss=mean("loss", whole_loss, "nats"),
            only_waves=mean("loss with the waves of the tables alone", only_waves, "nats"),
            only_powers=mean("loss with polynomials of the tables alone", only_powers, "nats"),
            no_waves=mean("loss without the waves", no_waves, "nats"),
            no_powers=mean("loss without the polynomials", no_powers, "nats"),
        ),
        "Tables: confirmed if waves predict more than every rival and both controls, paired over runs. "
        "Algorithm: confirmed "
        "if with the waves alone the loss is less than twice the whole.",
        "confirmed"
        if ahead and enough
        else f"mixed: {'confirmed' if ahead else 'refuted'} of the neurons' tables, "
        f"{'confirmed' if enough else 'refuted'} that nothing else is needed"
        if ahead or enough
        else "refuted",
        [
            "Waves of one frequency hold those of either digit alone: what those predict, and what waves of "
            "a + b and a − b predict alone, stands in the rows.",
            "A neuron weighs as much as its table varies; the picture counts neurons alike.",
            "A function of each digit holds the waves of either digit and yet predicts less: its 19 "
            "coefficients are fitted on 50 cells. Polynomials have as many as waves, 9.",
            "Logits that are right are functions of a + b − c whatever the algorithm; over how many "
            "frequencies they spread was not asked.",
        ],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
