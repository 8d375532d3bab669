"""How do one layer of attention and an MLP predict a digit: which places are read, and by which circuits?

    python -m experiments.mechanism.circuits

The shared runs of `experiments.frame.adder` (--digits 5, most significant digit first, 1 layer, width 128, 4
heads, 512 neurons, batch 256, rate 1e-3, decay .1, --steps 2500, --seeds 32) at their end, and for the times
at all saved steps.

Looks: the mean attention of a head, where a digit is predicted, to the digit pair, the pair below ..., on 512
  problems.
Needs: the values from all places but some are swapped for another problem's (path ablation, in
  `interp.patching`); the patterns stay the problem's own. Beside it every pattern is held at its mean over
  the problems: what is left is by position alone. An ideal reader of the digit pair and j pairs below is
  wrong on base^-j 2c(1-c) of the problems, c the probability of a carry into the lowest pair.
Times: half of the way, for both, in the first --close_steps 600 of the same runs, saved every 10. A digit's
  loss has gone half of the way from ln 10 to its level at the end; the head of the run (the one whose least
  attention to the pair of a digit is the largest, at the end) has gone half of the way from its attention to
  the digit pair at the start to that at the end: between two saved steps by a straight line. The digit after
  the leading one, which starts below ln 10, is left out there, and what is later than the steps saved.

Time: 3 minutes on two cores, apart from the shared training; GPU: not measured. Changed after a first
look: patterns held at their mean, and equal shares of the way for both times. Changed after a review: one
head for all digits, where the best of each was taken, and snapshots 10 steps apart instead of 50 to 100.
"""

import sys
from typing import Any

import jax
import numpy as np

from experiments.frame import adder, study
from experiments.frame.finding import Finding
from experiments.frame.study import Study
from experiments.mechanism.circuit_answers import contributions, digit_pair, mechanism
from experiments.mechanism.circuit_readers import (
    OWN,
    SPACING,
    Seen,
    head_of_pairs,
    ideal,
    lags,
    looked_into,
    sets,
)
from experiments.mechanism.circuit_tools import amfftc, bases, hand_made
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "close_steps": 600}
SMALL: dict[str, study.Setting] = {**adder.TINY, "close_steps": 40}
MEANINGS = {"close_steps": "steps of the runs that are saved every 10 steps, to tell when a head forms"}


def measure(this: Study) -> Finding:
    """The runs at their end, their times, and the compiled adder."""
    sweep = adder.trained(this)
    seen = jax.tree.map(lambda x: np.asarray(x)[0], map_epochs(sweep, looked_into, sweep.epochs[-1:]))
    times = lags(sweep, saved_often(this), head_of_pairs(seen))
    panels, names = grid(sweep, seen)
    needs = {
        name: {
            f"digit {digit}": statistics.mean(seen.right[:, k, place])
            for place, digit in enumerate(sweep.task.columns)
        }
        for k, name in enumerate(sets(sweep.task))
    }
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=[
            mechanism(sweep, seen),
            contributions(sweep, seen),
            digit_pair(seen, times),
            hand_made(),
            bases(seen),
            amfftc(seen),
        ],
        numbers={
            "right_when_only_these_are_read": needs,
            "ideal": {f"{j} below": ideal(sweep.task, j) for j in range(3)},
            "times": {
                digit: {name: x for name, x in of.items() if name != "apart"} for digit, of in times.items()
            },
        },
        plot=figures.matrices(panels, centred=False, **names),
    )


def saved_often(this: Study) -> Sweep:
    """The first steps of the shared runs, with a snapshot every SPACING steps."""
    size = {name: this[name] for name in adder.SIZE if name != "steps"}
    often = dict(epoch_steps=SPACING, save="every:1", steps=this["close_steps"])
    return this.sweep("close", order="msb", weight_decay=0.1, **often, **size)


def grid(sweep: Sweep, seen: Seen) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The mean attention where each digit is predicted: heads ordered by what they pay to their digit pair;
    one run, and the mean of all.
    """
    task = sweep.task
    order = np.argsort(-seen.looks[..., OWN].mean(-1), 1)
    pattern = np.take_along_axis(seen.pattern, order[..., None, None], 1)
    panels = {
        f"{whose}, head of rank {head + 1}": of[head]
        for whose, of in (("seed 0", pattern[0]), ("all seeds", pattern.mean(0)))
        for head in range(pattern.shape[1])
    }
    text, n = "abcdefghijklmnopqrstuvwxyz", task.num_digits
    operand = lambda name: [f"{name}{k}" for k in reversed(range(n))]
    keys = [*operand(text[0]), "+", *operand(text[1]), "=", *(f"s{k}" for k in range(n, 0, -1))]
    return panels, dict(
        rows="digit that is predicted (s0: units)",
        columns="position that is attended to (a, b: operands, s: answer); rank 1: most on the digit pair",
        label="mean attention",
        row_names=[f"s{k}" for k in task.columns],
        column_names=keys,
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
