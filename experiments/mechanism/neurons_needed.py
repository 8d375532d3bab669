"""How many hidden units does an adder need: for the addition table, for the carry, for both?

    python -m experiments.mechanism.neurons_needed

5-digit addition in sequence mode, most significant digit first: the runs of `experiments.frame.adder`,
--seeds 16, 512 neurons each. Neurons are
pruned without training again: held at their mean, one after the other, always the one whose removal costs the
  least loss at that moment on --size 512 problems; once for all answers, and once for each answer digit by
  itself. Scored on --scored 1024 others. Needed is the smallest number with which, and with every larger one,
  accuracy is at least .99 of what it is with all of them.
Time: 8 min on two cores that others used too; GPU: not measured.

Found: 243 of the 512 neurons (218 to 270) keep .99 of the exact match, by a good choice only: at random, or
  ranked once by what each costs alone, even the first tenth is too much, since neurons that cost nothing
  alone pull the same way. For one digit alone: 46 where it is a carry (the leading digit), 76 where it is a
  table (the units), 176 to 218 where it is both. The weights made by hand do all of it with 18, and 18 of a
  trained run's are worth nothing (.003).
"""

import functools
import sys
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from experiments.frame import adder, study
from experiments.frame.finding import Answer, Finding, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import ablation, hand_wired, pruning
from grokjax.interp.addition import evaluation_sets
from grokjax.run import Run
from grokjax.tasks import Addition, Batch

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "size": 512, "scored": 1024}
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
        f"batch {this['batch']}, "
        f"decay .1, {this['steps']} steps",
        seeds=this.seeds,
        answers=[answer(sweep, counts, whole, by_digit)],
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


def answer(
    sweep: Sweep, counts: tuple[int, ...], whole: dict[str, np.ndarray], by_digit: np.ndarray
) -> Answer:
    """How many it takes, beside the number in weights made by hand."""
    by_hand = hand_wired.adder(Addition(num_digits=1, base=sweep.task.base)).config.mlp_width
    number = {name: said(statistics.median(needed(counts, shares)), ".0f") for name, shares in whole.items()}
    alone = {
        digit: said(statistics.median(needed(counts, by_digit[:, place])), ".0f")
        for place, digit in enumerate(sweep.task.columns)
    }
    below = whole[GREEDY][:, counts.index(max(count for count in counts if count <= by_hand))]
    leading, *others, units = sweep.task.columns
    middle = ", ".join(f"digit {digit} {alone[digit]}" for digit in others) or "none"
    return Answer(
        "004-16",
        "how a 1-layer Attn+MLP could do....that",
        f"neurons of {sweep.config.mlp_width} that keep .99 of the exact match of trained runs, retraining "
        "nothing: one after the other, "
        "ranked once, at random; for one answer alone: leading digit (a carry), units (a table), the "
        "others (both); exact match with as "
        f"many as weights made by hand need, {by_hand}",
        f"{number[GREEDY]}, {number[ONCE]}, {number[RANDOM]}; {alone[leading]}; {alone[units]}; {middle}; "
        f"{said(statistics.mean(below), '.3f')}",
        verdict(statistics.median(needed(counts, whole[GREEDY])), by_hand, sweep.config.mlp_width),
    )


def verdict(number: statistics.Interval, by_hand: int, width: int) -> str:
    """What pruning has to say to it."""
    if number.value is None:
        return "open: too few runs to tell"
    if number.value <= by_hand:
        return "confirmed: trained runs can be pruned to the size of the weights made by hand"
    return (
        f"open: {by_hand} neurons do it by hand, the trained runs spread the work over "
        f"{number.value / by_hand:.0f} times as many"
        + ("; training with fewer would tell" if number.value < width else ", all that they have")
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
