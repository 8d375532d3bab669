"""What is learned when nothing carries?

    python -m experiments.formats.digitwise

Does digitwise addition fall to 0 without a stop, and which neurons and heads hold the table?

--digits 2 in sequence mode, --d_model 32 with 4 heads and 128 neurons, --batch 128, --steps 3000, --seeds 16,
no weight decay. A digit is at 0 where its loss (median of 11 steps) is below 1e-4 nats; a shelf on the way
lies between 2.2 and .05. Each neuron and head in turn is held at its mean over 2000 problems, twice, on other
problems: units are ranked by their damage (the fall of the log-odds of a digit's right answer, nats) on one
half, and counted on the other until they make up 90% of it; sets of two digits are compared across halves.
Time: a minute on two cores that others used too; GPU: not measured.
"""

import functools
import sys

import numpy as np
from jaxtyping import Array, Float

from experiments.frame import study
from experiments.frame.bounds import above, below
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, interval, mean, share, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.frame.units import counts, overlap
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import shelves, statistics
from grokjax.interp import ablation
from grokjax.run import Run
from grokjax.tasks.vocabulary import Batch

DEFAULTS: dict[str, study.Setting] = {"digits": 2, "d_model": 32, "batch": 128, "steps": 3000, "seeds": 16}
LARGE: dict[str, study.Setting] = {"digits": 5, "d_model": 128, "batch": 256, "steps": 5000, "seeds": 32}
SMALL: dict[str, study.Setting] = {"digits": 1, "d_model": 8, "batch": 16, "steps": 40, "seeds": 2}
SIZE = 2000
DOWN = 1e-4
"""A digit whose loss (nats, median of 11 steps) is below this is at 0."""
COMMAND = "python -m experiments.formats.digitwise"


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
    resting = [any(on_the_way(curve) for curve in run.T) for run in loss[:, :, :n]]
    neurons, heads = (
        np.stack(each) for each in zip(*(damage(sweep, half) for half in range(2)), strict=True)
    )
    panels = {"neurons": series(neurons.mean(0), 8), "heads": series(heads.mean(0), 1)}
    return Finding(
        task=f"{n}-digit addition without carries, sequence mode",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, no decay, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=[trained(loss), falls(down, resting, this["steps"]), holders(neurons, heads)],
        numbers={"steps_to_0": [times.median for times in down]},
        plot=figures.points(
            panels,
            xlabel="units, each ablated alone, the most damaging first",
            ylabel="cumulative share of the damage",
        ),
    )


def damage(sweep: Sweep, half: int) -> tuple[Float[np.ndarray, "S M C"], Float[np.ndarray, "S H C"]]:
    """The mean damage to each digit, from the units on, without each neuron and each head, on the problems of
    a half.
    """
    a, b = np.random.default_rng(half).integers(10, size=(2, SIZE, sweep.task.num_digits))
    function = functools.partial(damages, sweep.task.encode(a, b))
    of_digit = np.argsort(sweep.task.columns)
    neurons, heads = (
        np.asarray(x[0])[:, :, of_digit] for x in map_epochs(sweep, function, sweep.epochs[-1:])
    )
    return neurons, heads


def damages(batch: Batch, run: Run) -> tuple[Float[Array, "M C"], Float[Array, "H C"]]:
    """The mean damage to each digit, in reading order, without each neuron and each head."""
    log_odds = lambda of: of(run, batch).log_odds[0, :, 0]
    return log_odds(ablation.neurons), log_odds(ablation.heads)


def on_the_way(curve: Float[np.ndarray, " T"]) -> bool:
    """Whether a shelf lies between ln 10 and .05 nats."""
    return any(0.05 < shelf.level < 2.2 for shelf in shelves.find(curve))


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


def trained(loss: Float[np.ndarray, "S T C"]) -> Result:
    """001-17."""
    ends = loss[:, -100:].mean((1, 2))
    return Result(
        "001-17",
        "The task without carries trains like any other: {runs} learn it, to a mean loss of {loss}.",
        dict(
            runs=share(
                "runs with a mean loss below .01 nats at the end", int((ends < 0.01).sum()), len(ends)
            ),
            loss=mean("mean loss of the last 100 steps", ends, "nats"),
        ),
        "Built if more than half of the runs of the task without carries end with a mean loss below .01 "
        "nats.",
        f"built: {COMMAND}"
        if (ends < 0.01).mean() > 0.5
        else "open: most runs have not learned it; more steps would tell",
    )


def falls(down: list[statistics.Times], resting: list[bool], steps: int) -> Result:
    """001-18: a run counts once, with its slowest digit."""
    every = statistics.Times(
        np.max([times.time for times in down], 0), np.all([times.ended for times in down], 0)
    )
    rows: dict[str, Measured] = dict(
        there=share(f"runs below {DOWN:g} nats in every digit", int(every.ended.sum()), len(resting)),
        when=time("the last digit is at 0", every, steps),
        resting=share("runs with a shelf on the way in some digit", sum(resting), len(resting)),
        **{f"when_{digit}": time(f"digit {digit} is at 0", one, steps) for digit, one in enumerate(down)},
    )
    parts = {
        "it falls to 0": (above(rows["there"], 0.5), below(rows["there"], 0.5)),
        "it does not stop on the way": (below(rows["resting"], 0.5), above(rows["resting"], 0.5)),
    }
    held, failed = ([name for name, test in parts.items() if test[i]] for i in range(2))
    return Result(
        "001-18",
        "Without carries {there} fall to zero in every digit; {resting} stop at a shelf on the way.",
        rows,
        f"Two claims: the loss of every digit falls below {DOWN:g} nats, and no shelf between 2.2 and .05 "
        "comes before, each in more than half of the runs (Wilson's whole interval); refuted where in "
        "fewer.",
        "confirmed"
        if len(held) == 2
        else "refuted"
        if len(failed) == 2
        else f"mixed: confirmed that {held[0]}, not that {next(name for name in parts if name not in held)}"
        if held
        else "open: too few runs are at 0 by the end; more steps would tell",
    )


def holders(neurons: Float[np.ndarray, "2 S M C"], heads: Float[np.ndarray, "2 S H C"]) -> Result:
    """001-19."""
    runs, rows = neurons.shape[1], overlap(neurons)
    for digit in range(neurons.shape[3]):
        for kind, damage in (("neurons", neurons), ("heads", heads)):
            rows[f"{kind}_{digit}"] = interval(
                f"{kind} that hold 90% of the damage to digit {digit}",
                statistics.median(counts(damage, digit)),
                f"of {damage.shape[2]} {kind}",
                runs,
            )
            worst = damage.mean(0)[:, :, digit].max(1)
            rows[f"worst_{kind}_{digit}"] = interval(
                f"damage without the worst of the {kind}, digit {digit}",
                statistics.median(worst.tolist()),
                "nats",
                runs,
            )
    shared = "common_neighbours" if neurons.shape[3] > 1 else "common_same"
    return Result(
        "001-19",
        f"The table is spread over {{neurons_0}}; two digits share {{{shared}}} of the neurons that hold "
        "theirs.",
        rows,
        "Built if every neuron and head of every run is ablated alone, and those that hold 90% of a "
        "digit's damage are named on one half of the problems and counted on the other.",
        f"built: {COMMAND}",
        [
            "Damage is a fall of log-odds: the loss of runs this sure would name only units that tip an "
            "answer.",
            "Neurons of two runs are not compared: their numbers mean nothing.",
        ],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
