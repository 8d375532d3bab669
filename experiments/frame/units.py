"""How many units hold a digit's damage, ranked on one half of the problems and counted on the other."""

import itertools

import numpy as np
from jaxtyping import Float

from experiments.frame.measured import Measured, mean
from grokjax.curves import statistics
from grokjax.interp import ablation

SHARE = 0.9
"""Of the damage, which the units that count make up."""


def needed(chosen: Float[np.ndarray, " U"], scored: Float[np.ndarray, " U"]) -> int:
    """How many units make up SHARE of the damage, ranked on one half and counted on the other."""
    total = np.cumsum(scored[np.argsort(-chosen, kind="stable")])
    return int(np.argmax(total >= SHARE * total[-1])) + 1


def counts(damage: Float[np.ndarray, "2 S U C"], digit: int) -> Float[np.ndarray, " S"]:
    """The same of every run for one digit, mean of both ways."""
    one, other = damage[..., digit]
    return np.array([(needed(x, y) + needed(y, x)) / 2 for x, y in zip(one, other, strict=True)])


def overlap(damage: Float[np.ndarray, "2 S M C"]) -> dict[str, Measured]:
    """Common share of the neurons that hold 90% of two digits of a run, across the halves: of one digit, of
    neighbours, of all others; and of random sets of those sizes.
    """
    size, digits = damage.shape[2], range(damage.shape[3])
    sets = [
        [[set(ablation.units_for(run[:, digit], SHARE).tolist()) for digit in digits] for run in half]
        for half in damage
    ]
    apart = {"same": (0,), "neighbours": (1,), "others": tuple(range(2, len(digits)))}
    chance = lambda x, y: statistics.common_share_by_chance(len(x), len(y), size)
    found = {}
    for name, gaps in apart.items():
        pairs = [(i, j) for i, j in itertools.product(digits, digits) if abs(i - j) in gaps]
        for word, of in (("", statistics.common_share), ("_by_chance", chance)):
            per_run = [
                float(np.mean([of(one[i], other[j]) for i, j in pairs]))
                for one, other in zip(*sets, strict=True)
                if pairs
            ]
            what = {"same": "one digit, two halves", "neighbours": "neighbouring digits", "others": "others"}
            found[f"common_{name}{word}"] = mean(
                f"common share of neurons, {what[name]}{', random sets' if word else ''}", per_run, ""
            )
    return found
