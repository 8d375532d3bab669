"""Which heads and neurons does which answer digit need, and where is its addition table looked up?

    python -m experiments.mechanism.ablation_map

Ablation and patching of every run.

The shared runs (`adder`: --digits 5, --d_model 128, 4 heads, --batch 256, --steps 2500, --seeds 32). Every
head and every neuron is held at its mean over --per_class problems of each carry class, in the last snapshot;
the classes weigh in the mean over all as they do among uniform problems. It is done twice, on other problems:
the units that a digit needs are ranked on one half, and counted on the other until they make up 90% of the
damage there; sets of two digits are compared across the halves, beside those of one digit. Then, for each
answer digit, another digit pair (with the same carry) is copied into one place at a time, at the position
where the digit is read, and the rise of the new answer's logit above the old one's is measured; all runs get
the same pairs, and intervals of these shares hold the errors of runs and of pairs.
Time: a minute on two cores, once the runs are trained; GPU: not measured.
"""

import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.frame import adder, study
from experiments.frame.bounds import above, below, crossed
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, exact, interval
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.frame.units import counts, overlap
from experiments.mechanism.table_patching import PLACES, shares
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import ablation
from grokjax.run import Run
from grokjax.tasks import sampling

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "per_class": 256}
SMALL: dict[str, study.Setting] = {**adder.TINY, "per_class": 8}
MOST, HALF = 0.9, 0.5
"""Shares of the change above which a place passes it, and below which it does not."""
COMMAND = "python -m experiments.mechanism.ablation_map"


class Damages(NamedTuple):
    """Mean ablation in the last snapshot, by group (first all, then the carry classes) and answer digit in
    reading order.
    """

    heads: ablation.Damage
    neurons: ablation.Damage


def measure(this: Study) -> Finding:
    """The map of damages, the neurons that hold each digit's table, and where they get it from."""
    sweep, n = adder.trained(this), this["digits"]
    halves = [of_units(sweep, this["per_class"], half) for half in range(2)]
    columns = np.argsort(sweep.task.columns)
    of = lambda kind: np.stack(
        [np.asarray(getattr(half, kind).log_odds[:, 0, :, 0])[:, :, columns] for half in halves]
    )
    heads, neurons = of("heads"), of("neurons")
    moved = {digit: shares(sweep, digit) for digit in range(n)}
    both = heads.mean(0)
    order = np.argsort(-both.sum(2), 1)
    shown = {f"digit {digit}": np.take_along_axis(both[:, :, digit], order, 1) for digit in range(n, -1, -1)}
    return Finding(
        task=f"{n}-digit addition, sequence mode, most significant digit first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, decay .1, "
        f"{this['steps']} steps; {this['per_class']} problems of each of {n + 1} carry classes, twice",
        seeds=this.seeds,
        answers=[tables(neurons, heads, moved), applied(neurons, heads)],
        numbers={
            "loss_without_worst_head": by_class(np.asarray(halves[0].heads.loss)[:, 0], columns),
            "share_of_the_change": {
                str(digit): dict(zip(PLACES, map(statistics.mean, found.mean(-1)), strict=True))
                for digit, found in moved.items()
            },
        },
        plot=figures.matrices(
            shown,
            rows="run",
            columns="head, by its damage to all digits",
            label="damage (nats)",
            across=6,
            centred=False,
            square=False,
        ),
    )


def of_units(sweep: Sweep, per_class: int, half: int) -> Damages:
    """The damage of every head and neuron of every run, leaves [S, ...], on the problems of a half."""
    batch, classes = sampling.stratified(sweep.task, jax.random.key(half), per_class)
    n = sweep.task.num_digits
    own = ablation.groups(classes, n + 1)[1:]
    every = jnp.asarray(sampling.probabilities(n, sweep.task.base), jnp.float32) @ own
    groups = jnp.concatenate([every[None], own])

    def damages(run: Run) -> Damages:
        return Damages(
            ablation.heads(run, batch, groups=groups),
            ablation.neurons(run, batch, groups=groups),
        )

    return jax.tree.map(lambda x: x[0], map_epochs(sweep, damages, sweep.epochs[-1:]))


def by_class(loss: Float[np.ndarray, "S H G C"], columns: np.ndarray) -> dict[str, list[statistics.Interval]]:
    """The rise of the loss (nats) without the head that each digit needs most, for each carry class, digit by
    digit.
    """
    worst = np.asarray(loss).max(1)[:, :, columns]
    return {
        str(digit): [statistics.mean(worst[:, group, digit]) for group in range(1, worst.shape[1])]
        for digit in range(worst.shape[2])
    }


def passed(moved: dict[int, np.ndarray]) -> dict[str, Measured]:
    """The share of the change that passes each of PLACES, for every digit."""
    keys = dict(zip(PLACES, ("attention", "mlp", "past"), strict=True))
    return {
        f"{keys[place]}_{digit}": crossed(f"share of the change, {place}, digit {digit}", found[i], "")
        for digit, found in moved.items()
        for i, place in enumerate(PLACES)
    }


def held(neurons: np.ndarray, heads: np.ndarray) -> dict[str, Measured]:
    """How many units hold 90% of the damage to every digit, medians over runs."""
    return {
        f"{kind}_{digit}": interval(
            f"{kind} that hold 90% of the damage to digit {digit}, of {damage.shape[2]}",
            statistics.median(counts(damage, digit)),
            "",
            damage.shape[1],
        )
        for kind, damage in (("neurons", neurons), ("heads", heads))
        for digit in range(neurons.shape[3])
    }


def tables(neurons: np.ndarray, heads: np.ndarray, moved: dict[int, np.ndarray]) -> Result:
    """001-77."""
    (runs, size), shares_of = neurons.shape[1:3], passed(moved)
    own = [shares_of[f"mlp_{digit}"] for digit in moved]
    there, not_there = ([test(row, limit) for row in own] for test, limit in ((above, MOST), (below, HALF)))
    every = np.mean([counts(neurons, digit) for digit in range(neurons.shape[3])], 0)
    whole = interval(
        "neurons for one digit, mean of digits", statistics.mean(every), f"of {size} neurons", runs
    )
    return Result(
        "001-77",
        "In the last MLP: it passes {mlp} of the change to another digit pair, spread over {neurons} per "
        "digit.",
        dict(
            mlp=crossed(
                "share of the change, MLP alone, mean of digits",
                np.mean([one[1] for one in moved.values()], 0),
                "",
            ),
            neurons=whole,
            **shares_of,
            **held(neurons, heads),
            **overlap(neurons),
        ),
        f"Located if in every digit one place passes more than {MOST:g} of the change (whole interval): "
        "confirmed in the MLP if it is the MLP alone, refuted if in every digit that is less than "
        f"{HALF:g}, mixed else.",
        "confirmed"
        if all(there)
        else "refuted"
        if all(not_there)
        else "mixed: confirmed of digits "
        + ", ".join(str(digit) for digit, yes in zip(moved, there, strict=True) if yes)
        if any(there)
        else "open: intervals hold the limits; more runs would tell",
        ["The pairs keep their carry: what is moved is the table's part of the answer alone."],
    )


def applied(neurons: np.ndarray, heads: np.ndarray) -> Result:
    """001-46."""
    return Result(
        "001-46",
        "A function of one run applies to every run of a sweep in one call: here {units} of {runs}.",
        dict(
            units=exact("heads and neurons ablated in each run", neurons.shape[2] + heads.shape[2], "units"),
            runs=exact("runs", neurons.shape[1], "runs"),
        ),
        "Built if a function of one run, lifted by one call, measures every unit of every run of a sweep.",
        f"built: {COMMAND}",
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
