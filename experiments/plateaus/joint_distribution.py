"""Which distribution over whole answers does a model predict on each shelf?

    python -m experiments.plateaus.joint_distribution

By the chain rule, for all inputs.

2-digit addition, sequence mode, most significant first, --d_model 32 with 4 heads, --batch 128, --steps 2000,
--seeds 16, no weight decay. For one in --every 4 of the 10^4 inputs, drawn at random, the law of the 3 answer
digits is the product of the conditional ones, for all 1000 answers. It is compared with the exact laws given
no operand, one column's pair, or both; total variation is the mean over inputs. The calibration error of a
margin is that over 20 bins less that of answers drawn from the margin itself. The odds of sum and sum + 1 are
measured where runs rest near ln 2: digit 2 of --third_digits 3 in single mode, --third_d_model 64, batch 256,
--third_steps 1000.
Time: 70 s on two cores; GPU: not measured.

Changed after a review: the sum's odds were measured in sequence mode, where no run rests near ln 2. The
inputs of --every were every fourth, say, of a list, and left the odd units of an operand out.
Changed after a referee: 001-75 passes no verdict on a shelf that no run has.
"""

import functools
import math
import sys
from collections.abc import Sequence

import numpy as np

from experiments.frame import snapshots, study
from experiments.frame.finding import Finding
from experiments.frame.study import Study
from experiments.plateaus import answer_laws
from experiments.plateaus.joint_answers import even_odds, joint_or_not, margins
from grokjax import figures
from grokjax.curves import statistics
from grokjax.mapping import map_runs

DEFAULTS: dict[str, study.Setting] = {
    "d_model": 32,
    "batch": 128,
    "steps": 2000,
    "seeds": 16,
    "every": 4,
    "third_digits": 3,
    "third_d_model": 64,
    "third_steps": 1000,
}
LARGE: dict[str, study.Setting] = {"d_model": 64, "steps": 4000, "seeds": 32, "every": 1}
SMALL: dict[str, study.Setting] = {
    "d_model": 8,
    "batch": 16,
    "steps": 20,
    "seeds": 2,
    "every": 500,
    "third_digits": 3,
    "third_d_model": 8,
    "third_steps": 50,
}
REGIMES = {
    "leading at ln 2": (2, math.log(2)),
    "units at ln 10": (0, math.log(10)),
    "tens at ln 2": (1, math.log(2)),
    "end": (0, 0.0),
}
"""A run is in a regime at the snapshot whose loss of this digit, the mean of the steps before it, is nearest
to this (nats).
"""
MEANINGS = {"every": "one in so many of all inputs, drawn at random"}


def measure(this: Study) -> Finding:
    """The laws in every regime."""
    sweep = this.sweep(
        "sequence",
        digits=2,
        d_model=this["d_model"],
        batch=this["batch"],
        weight_decay=0,
        epoch_steps=25,
        save="every:1",
    )
    made = answer_laws.laws(sweep.task, this["every"])
    function = map_runs(functools.partial(answer_laws.of_run, made))
    found = {
        name: function(snapshots.runs(sweep, snapshots.nearest(sweep, digit, nats)))
        for name, (digit, nats) in REGIMES.items()
    }
    rests = {
        name: answer_laws.resting(sweep.metrics["loss"][:, :, digit], nats)
        for name, (digit, nats) in REGIMES.items()
        if nats > 0
    }
    third, on_shelf = answer_laws.of_third(this)
    correlation = {
        name: float(np.mean([answer_laws.dependence(law) for law in made.exact[name]]))
        for name in answer_laws.KNOWN
    } | {answer_laws.EVERYTHING: 0.0}
    return Finding(
        task=f"2-digit addition, sequence mode, most significant first; digit 2 of {this['third_digits']} "
        "digits alone",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, no decay, "
        f"{this['steps']} steps; "
        f"{len(made.naive)} inputs",
        seeds=this.seeds,
        answers=[joint_or_not(found, correlation), margins(found), even_odds(found, rests, third, on_shelf)],
        numbers={
            "exact_total_correlation": correlation,
            "sum_and_next_on_the_shelf": statistics.mean(third[on_shelf]),
            "regimes": {
                name: {key: statistics.mean(values.tolist()) for key, values in x.items()}
                for name, x in found.items()
            },
        },
        plot=pictured(found, list(correlation)),
    )


def pictured(found: dict[str, answer_laws.Found], known: Sequence[str]) -> figures.Plot:
    """The total variation to the law given each thing known, in every regime, a dot per run."""
    panel = {
        name: figures.Points.of_runs(list(found), [x[f"variation, {name}"].tolist() for x in found.values()])
        for name in known
    }
    return figures.points(
        {"2 digits, sequence mode, most significant first": panel},
        xlabel="snapshot of each run, by its loss",
        ylabel="total variation of the predicted joint law\nto the exact one",
        joined=False,
        legend="exact law given",
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
