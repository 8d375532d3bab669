"""How many hidden units does an adder need: for the addition table, for the carry, for both?

    python -m experiments.mechanism.neurons_needed

By hand, and in trained runs. The weights made by hand (`grokjax.interp.hand_wired`) are tried on all scored
problems. Trained are the runs of `experiments.frame.adder`: 5-digit addition in sequence mode, most
significant digit first, --seeds 32, 512 neurons each. Neurons are pruned without training again: held at
their mean, one after the other, always the one whose removal costs the least loss at that moment on --size
512 problems; once for all answers, and once for each answer digit by itself. Scored on --scored 2048 others.
Needed is the smallest number with which, and with every larger one, accuracy is at least .99 of what it is
with all of them. The numbers are upper bounds: another choice, or training, may need fewer.
Time: 5 minutes on two cores that others used too; GPU: not measured.
"""

import functools
import sys
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from experiments.frame import adder, bounds, study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, exact, interval, share
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import ablation, hand_wired, pruning
from grokjax.interp.addition import evaluation_sets
from grokjax.run import Run
from grokjax.tasks import Addition, Batch

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "size": 512, "scored": 2048}
SMALL: dict[str, study.Setting] = {**adder.TINY, "size": 32, "scored": 32}
SHARE = 0.99
GREEDY, ONCE, RANDOM = "one after the other", "ranked once, by ablation", "random order"


def measure(this: Study) -> Finding:
    """Accuracy by the number of neurons kept."""
    sweep = adder.trained(this)
    chosen, scored = (drawn(sweep, this[name], seed) for name, seed in (("size", 3), ("scored", 4)))
    counts = numbers_kept(sweep.config.mlp_width)
    function = functools.partial(pruned, chosen, scored, counts)
    whole, by_digit = jax.tree.map(
        lambda x: np.asarray(x[0], float), map_epochs(sweep, function, sweep.epochs[-1:])
    )
    panels = pictured(sweep, counts, whole, by_digit)
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"{this['layers']} layer, width {this['d_model']}, 4 heads, {sweep.config.mlp_width} neurons, "
        f"batch {this['batch']}, decay .1, {this['steps']} steps",
        seeds=this.seeds,
        answers=[answer(sweep, by_hand(sweep.task, scored), counts, whole, by_digit)],
        numbers=numbers(sweep, counts, whole, by_digit),
        plot=figures.points(
            panels,
            xlabel="neurons kept, the others held at their means",
            ylabel="share of problems right",
            xscale="log",
        ),
    )


def drawn(sweep: Sweep, size: int, seed: int) -> Batch:
    """Problems with their answers."""
    found = evaluation_sets.drawn(sweep.task, size, seed=seed)
    return sweep.task.encode(found.a, found.b)


def numbers_kept(width: int) -> tuple[int, ...]:
    """All, then a tenth less each time, to none."""
    counts = [width]
    while counts[-1]:
        counts.append(min(counts[-1] * 9 // 10, counts[-1] - 1))
    return tuple(counts)


def pruned(
    chosen: Batch,
    scored: Batch,
    counts: tuple[int, ...],
    run: Run,
) -> tuple[dict[str, Array], Float[Array, "C K"]]:
    """Of one run: the share of problems with every answer right [K], and of right answers in each place,
    pruned for it alone [C, K].
    """
    score = lambda order: pruning.scores(run, scored, pruning.ranked(order, counts))
    damage = ablation.neurons(run, chosen).loss[-1, :, 0].mean(-1)
    whole = {
        GREEDY: score(pruning.greedy(run, chosen)).exact,
        ONCE: score(damage).exact,
        RANDOM: score(jax.random.uniform(jax.random.key(0), (run.config.mlp_width,))).exact,
    }
    alone = [
        score(pruning.greedy(run, chosen, places=(place,))).accuracy[:, place]
        for place in range(len(run.task.columns))
    ]
    return whole, jax.numpy.stack(alone)


def needed(counts: tuple[int, ...], shares: Float[np.ndarray, "S K"]) -> list[float]:
    """Of each run the smallest number of neurons with which, and with every larger one, it is nearly as good
    as with all.
    """
    enough = np.logical_and.accumulate(shares >= SHARE * shares[:, :1], 1)
    return [float(counts[int(row.sum()) - 1]) for row in enough]


def pictured(
    sweep: Sweep,
    counts: tuple[int, ...],
    whole: dict[str, np.ndarray],
    by_digit: np.ndarray,
) -> dict[str, dict[str, figures.Points]]:
    """The panels: every answer right, by order of pruning; the leading digit, a middle one and the units,
    pruned for each alone.
    """
    kept = [count for count in counts if count]
    point = lambda shares: figures.Points(kept, [statistics.mean(column) for column in shares.T[: len(kept)]])
    return {
        "every answer right": {name: point(shares) for name, shares in whole.items()},
        "one digit right, pruned for it alone": {
            f"digit {sweep.task.columns[place]}": point(by_digit[:, place])
            for place in (0, by_digit.shape[1] // 2, -1)
        },
    }


def numbers(
    sweep: Sweep, counts: tuple[int, ...], whole: dict[str, np.ndarray], by_digit: np.ndarray
) -> dict[str, Any]:
    """Means and medians over runs."""
    at = [k for k, count in enumerate(counts) if k % 4 == 0 or not count]
    return {
        "kept": [counts[k] for k in at],
        "every answer right": {name: shares.mean(0)[at] for name, shares in whole.items()},
        "each digit right": {
            digit: by_digit[:, place].mean(0)[at] for place, digit in enumerate(sweep.task.columns)
        },
        "needed": {name: statistics.median(needed(counts, shares)) for name, shares in whole.items()},
        "needed for one digit": {
            digit: statistics.median(needed(counts, by_digit[:, place]))
            for place, digit in enumerate(sweep.task.columns)
        },
    }


def by_hand(task: Addition, scored: Batch) -> tuple[int, Float[np.ndarray, " B"]]:
    """The neurons of weights made by hand, and whether they answer each scored problem."""
    run = hand_wired.adder(task)
    return run.config.mlp_width, np.asarray(run.scores(scored).correct.all(-1))


def rows(
    sweep: Sweep,
    made: tuple[int, np.ndarray],
    counts: tuple[int, ...],
    whole: dict[str, np.ndarray],
    by_digit: np.ndarray,
) -> dict[str, Measured]:
    """The numbers of 004-16."""
    few, right = made
    width, columns = sweep.config.mlp_width, sweep.task.columns
    median = lambda words, shares: interval(
        words, statistics.median(needed(counts, shares)), f"of {width} neurons", len(shares)
    )
    as_few = counts.index(max(count for count in counts if count <= few))
    kept = whole[GREEDY][:, as_few] >= SHARE * whole[GREEDY][:, 0]
    small = share(f"runs that keep {SHARE:g} of their exact match with as few", int(kept.sum()), len(kept))
    return dict(
        few=exact("neurons of the weights made by hand", few, "neurons"),
        by_hand=share(
            "problems answered by the weights made by hand", int(right.sum()), len(right), "problems"
        ),
        needed=median("needed for every answer, one after the other", whole[GREEDY]),
        once=median("needed for every answer, ranked once", whole[ONCE]),
        random=median("needed for every answer, at random", whole[RANDOM]),
        small=small,
        left=bounds.scored(
            f"exact match with {counts[as_few]} neurons", whole[GREEDY][:, as_few], len(right)
        ),
        **{
            f"needed_{digit}": median(f"needed for digit {digit} alone", by_digit[:, place])
            for place, digit in enumerate(columns)
        },
    )


def answer(
    sweep: Sweep,
    made: tuple[int, np.ndarray],
    counts: tuple[int, ...],
    whole: dict[str, np.ndarray],
    by_digit: np.ndarray,
) -> Result:
    """004-16."""
    _, right = made
    found = rows(sweep, made, counts, whole, by_digit)
    small = found["small"]
    do = bool(right.all())
    return Result(
        "004-16",
        "By hand {few} do; trained runs spread the work: pruned one by one they need {needed}.",
        found,
        "Few are enough if the weights made by hand answer every scored problem. Trained runs are that "
        f"small if more than half of them, pruned to as few, keep {SHARE:g} of their exact match (Wilson's "
        "whole interval), and not if fewer than half do. Confirmed or refuted of both, else mixed.",
        "refuted"
        if not do
        else "confirmed"
        if bounds.above(small, 0.5)
        else "mixed: confirmed that so few are enough, by hand; refuted that trained runs are that small"
        if bounds.below(small, 0.5)
        else "open: about half of the runs can be pruned as far; more runs would tell",
        [
            "Numbers of neurons are upper bounds: of one greedy order, and without training again.",
            "The leading digit is a carry, the units are a table, the others are both.",
        ],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
