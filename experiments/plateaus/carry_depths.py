"""What a run knows of carries by how many columns below decide them, on sets half of which have a carry."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from experiments.frame.study import Study
from experiments.plateaus import carry_knowledge
from grokjax.checkpoints import map_epochs
from grokjax.curves import statistics
from grokjax.interp.addition import evaluation_sets, loss_decomposition, predictions
from grokjax.run import Run
from grokjax.tasks import Addition

EACH = 200
KNOWN, UNKNOWN = 0.9, 0.1
"""From where on something counts as known, and how near to ½ an AUC is of who knows nothing."""
LASTING = 4
SOON = 5
"""Bases up to this one learn all within some hundred steps: a quarter of the steps, more snapshots."""


def every(base: int) -> int:
    """Steps from one snapshot of a base to the next."""
    return 5 if base <= SOON else 25


def decided(task: Addition, digit: int, depth: int, each: int) -> evaluation_sets.Problems:
    """Returns `each` problems without and `each` with a carry into the column `digit`, in this order.

    The depth − 1 columns below it sum to base − 1, the one below these does not: it alone decides. All other
    columns are uniform.
    """
    base, random = task.base, np.random.default_rng((digit, depth))
    a, b = random.integers(base, size=(2, 2 * each, task.num_digits))
    between = slice(digit - depth + 1, digit)
    b[:, between] = base - 1 - a[:, between]
    total = np.add.outer(np.arange(base), np.arange(base))
    for carry, rows in enumerate((slice(0, each), slice(each, 2 * each))):
        pairs = np.argwhere(total >= base if carry else total < base - 1)
        a[rows, digit - depth], b[rows, digit - depth] = pairs[random.integers(len(pairs), size=each)].T
    a, b = a.astype(np.int32), b.astype(np.int32)
    weights = np.full(2 * each, 1 / (2 * each), np.float32)
    return evaluation_sets.Problems(np.asarray(task.encode(a, b).tokens), a, b, weights)


def knowledge(sets: list[evaluation_sets.Problems], digit: int, run: Run) -> dict[str, Float[Array, ""]]:
    """What a run knows of a digit: `pair`, its chance of the carry-free sum or one more, and for each set of
    `decided` (depth 1, 2 …) `auc_1`, the chance that a problem with a carry has the higher log-odds of one (½
    if nothing is known), and `right_1`, the chance of the right answer.
    """
    found, pair = {}, []
    for depth, fixed in enumerate(sets, 1):
        log_probs = predictions.log_probabilities(run, fixed.tokens, digit)
        known = carry_knowledge.knowledge(log_probs, fixed, digit)
        without, with_one = map(jnp.exp, loss_decomposition.candidates(log_probs, fixed, digit))
        half = len(without) // 2
        found[f"auc_{depth}"] = known["auc"]
        found[f"right_{depth}"] = (without[:half].mean() + with_one[half:].mean()) / 2
        pair.append(known["mass"])
    return found | dict(pair=functools.reduce(jnp.add, pair) / len(pair))


class Phases(NamedTuple):
    """Of one base: the curves [E, S] at the steps [E], when each run knew the first three, and whether it had
    the phases "pair, no carry" and "depth 1, not 2".
    """

    steps: np.ndarray
    curves: dict[str, Float[np.ndarray, "E S"]]
    known: dict[str, statistics.Times]
    pair_alone: Bool[np.ndarray, " S"]
    first_alone: Bool[np.ndarray, " S"]


def phases(this: Study, base: int) -> Phases:
    """The phases of a base, by snapshots in its own time."""
    sweep = this.sweep(
        f"base_{base}",
        mode="single",
        base=base,
        digits=3,
        digit=2,
        d_model=this["d_model"],
        batch=this["batch"],
        weight_decay=0,
        epoch_steps=every(base),
        steps=-(-this["steps"] // 4) if base <= SOON else this["steps"],
        save="every:1",
    )
    sets = [decided(sweep.task, 2, depth, EACH) for depth in (1, 2)]
    curves = map_epochs(sweep, functools.partial(knowledge, sets, 2))
    steps = np.array([sweep.steps(epoch) for epoch in sweep.epochs])
    times = {
        name: statistics.until_below(-curves[name].T, -KNOWN, steps=steps, smoothing=3)
        for name in ("pair", "auc_1", "auc_2")
    }
    unknown = {depth: np.abs(curves[f"auc_{depth}"] - 0.5) <= UNKNOWN for depth in (1, 2)}
    return Phases(
        steps,
        curves,
        times,
        lasting((curves["pair"] >= KNOWN) & unknown[1]),
        lasting((curves["auc_1"] >= KNOWN) & unknown[2]),
    )


def lasting(held: Bool[np.ndarray, "E S"]) -> Bool[np.ndarray, " S"]:
    """Whether something holds at LASTING snapshots in a row."""
    if len(held) < LASTING:
        return np.zeros(held.shape[1], bool)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(held, LASTING, axis=0).all(-1).any(0))
