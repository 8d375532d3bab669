"""Which snapshots count as the tens' level and what is measured there, run by run, for `tens_excess`."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from experiments.frame import snapshots
from experiments.plateaus import carry_knowledge
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.curves.statistics import Times
from grokjax.interp.addition import evaluation_sets, loss_decomposition, predictions
from grokjax.mapping import map_runs
from grokjax.run import Run
from grokjax.theory import columns, sums

EXACT = sums.binary_entropy(columns.carry_probability(10, 1))
LEFT = 0.95 * math.log(10)
PAIR, CARRY = 0.9, 0.6
"""At the level the two candidates have this mass or more, and the AUC of the carry is at most this."""
WINDOW = 0.068
LOOKED = 0.4
"""Nats below which a training loss needs more of the carry than an AUC of .6: not looked at, to save time."""
SOLVED = EXACT / 2
LAST, LEAST, MOST, EACH = 4, 4, 24, 400
"""Snapshots at the end of a run; the fewest whose weights are averaged; the most that are scored of a run;
problems without and with a carry that tell what is known.
"""
OFFSETS = (0, 50, 100, 200, 400, 800)
PARTS = ("excess", "leak", "miscalibration", "spread", "gain")
STRATA = tuple(f"{name}_{stratum}" for name in ("loss", "p0", "p1", "sd") for stratum in ("without", "with"))
NAMES = (*PARTS, "loss", *STRATA)

Values = dict[str, Float[np.ndarray, " S"]]


class Cell(NamedTuple):
    """The runs of one setting, of each the mean over its snapshots, NaN where it has none.

    known, window: snapshots chosen by knowledge, and by the training loss;  averaged: the mean of the weights
    of those chosen by knowledge;  late: the last snapshots of a run that has the problems solved
    stayed: how many snapshots are chosen by knowledge;  curve: median training losses OFFSETS after the exit
    """

    width: int
    rate: float
    batch: int
    exits: Times
    known: Values
    window: Values
    averaged: Values
    late: Values
    stayed: np.ndarray
    curve: list[float]

    @property
    def name(self) -> str:
        """The setting in words."""
        return f"width {self.width}, rate {self.rate:g}, batch {self.batch}"

    @property
    def short(self) -> str:
        """The setting as a part of a row's name."""
        return f"w{self.width}_r{self.rate * 1e6:.0f}_b{self.batch}"


def cell(sweep: Sweep, width: int, rate: float, batch: int, found: dict[str, Any], runs: np.ndarray) -> Cell:
    """The given runs of a sweep, of all of which `levels` found this."""
    of = lambda values: {name: x[runs] for name, x in values.items()}
    exits = Times(found["exits"].time[runs], found["exits"].ended[runs])
    loss = sweep.metrics["loss"][runs, :, 0]
    at = [time if ended else None for time, ended in zip(exits.time, exits.ended, strict=True)]
    curve = statistics.aligned(loss, at, (0, OFFSETS[-1])).median[list(OFFSETS)].tolist()
    kinds = {kind: of(found[kind]) for kind in ("known", "window", "averaged", "late")}
    return Cell(width, rate, batch, exits, **kinds, stayed=found["stayed"][runs], curve=curve)


def levels(sweep: Sweep) -> dict[str, Any]:
    """What all runs of a sweep show in the snapshots of each kind."""
    loss, steps = snapshots.losses(sweep, 0), np.array([sweep.steps(epoch) for epoch in sweep.epochs])
    exits = statistics.until_below(sweep.metrics["loss"][:, :, 0], LEFT)
    after = (steps[:, None] >= exits.time) & exits.ended
    asked = functools.partial(asks, evaluation_sets.strata(sweep.task, 1, EACH))
    tells, _ = scored(sweep, asked, after & (loss >= LOOKED), ("mass", "auc"))
    chosen = after & at_level(tells["mass"], tells["auc"])
    masks = dict(
        known=thinned(chosen, MOST),
        window=thinned(after & (np.abs(loss - EXACT) <= WINDOW), MOST),
        late=(np.arange(len(loss)) >= len(loss) - LAST)[:, None] & after & (loss < SOLVED),
    )
    look = functools.partial(looked_at, evaluation_sets.every(sweep.task))
    table, weights = scored(sweep, look, np.any(list(masks.values()), 0), NAMES, masks["known"])
    return dict(
        exits=exits,
        stayed=chosen.sum(0),
        averaged=of_mean_weights(sweep, look, weights, masks["known"].sum(0)),
        **{kind: means(table, mask) for kind, mask in masks.items()},
    )


def at_level(mass: Float[np.ndarray, "E S"], auc: Float[np.ndarray, "E S"]) -> Bool[np.ndarray, "E S"]:
    """Where the digit pair is known and the carry is not; NaN is neither."""
    return (mass >= PAIR) & (auc <= CARRY)


def thinned(mask: Bool[np.ndarray, "E S"], most: int) -> Bool[np.ndarray, "E S"]:
    """At most so many snapshots of each run, evenly spaced among its own."""
    kept = np.zeros_like(mask)
    for run in range(mask.shape[1]):
        places = np.flatnonzero(mask[:, run])
        if len(places) > most:
            places = places[np.linspace(0, len(places) - 1, most).round().astype(int)]
        kept[places, run] = True
    return kept


def means(table: dict[str, np.ndarray], mask: Bool[np.ndarray, "E S"]) -> Values:
    """The mean over each run's snapshots; NaN of none."""
    count = np.where(mask.any(0), mask.sum(0), np.nan)
    return {name: np.where(mask, x, 0.0).sum(0) / count for name, x in table.items()}


def scored(
    sweep: Sweep,
    function: Callable[[Run], dict[str, Array]],
    wanted: Bool[np.ndarray, "E S"],
    names: tuple[str, ...],
    summed: Bool[np.ndarray, "E S"] | None = None,
) -> tuple[dict[str, np.ndarray], Any]:
    """What a function gives of the wanted snapshots, [E, S] and NaN elsewhere, and the sums [S, ...] of the
    weights of those that are to be summed.
    """
    mapped, weights = map_runs(function), None
    table = {name: np.full(wanted.shape, np.nan) for name in names}
    for place, epoch in enumerate(sweep.epochs):
        picked = np.flatnonzero(wanted[place])
        if not len(picked):
            continue
        runs = sweep.runs(epoch)
        for name, values in mapped(taken(runs, picked)).items():
            table[name][place, picked] = values
        if summed is not None and summed[place].any():
            own = jax.tree.map(functools.partial(masked, summed[place]), runs.params)
            weights = own if weights is None else jax.tree.map(np.add, weights, own)
    return table, weights


def masked(mask: Bool[np.ndarray, " S"], leaf: Array) -> np.ndarray:
    """A leaf [S, ...] in float64, 0 where the mask is false."""
    return np.asarray(leaf, np.float64) * mask.reshape(-1, *[1] * (leaf.ndim - 1))


def taken(runs: Any, picked: np.ndarray) -> Any:
    """Some runs of a stack."""
    return jax.tree.map(lambda leaf: leaf[picked], runs)


def of_mean_weights(
    sweep: Sweep, function: Callable[[Run], dict[str, Array]], weights: Any, count: np.ndarray
) -> Values:
    """What a function gives of the mean of each run's weights; NaN where fewer than LEAST were summed."""
    values = {name: np.full(len(count), np.nan) for name in NAMES}
    picked = np.flatnonzero(count >= LEAST)
    if weights is None or not len(picked):
        return values
    mean = lambda x: (x[picked] / count[picked].reshape(-1, *[1] * (x.ndim - 1))).astype(np.float32)
    runs = taken(sweep.runs(-1), picked).replace(params=jax.tree.map(mean, weights))
    for name, found in map_runs(function)(runs).items():
        values[name][picked] = found
    return values


def asks(fixed: evaluation_sets.Problems, run: Run) -> dict[str, Array]:
    """What a run knows of the digit pair and of the carry."""
    log_probs = predictions.log_probabilities(run, fixed.tokens, run.task.digit)
    return carry_knowledge.knowledge(log_probs, fixed, run.task.digit)


def looked_at(fixed: evaluation_sets.Problems, run: Run) -> dict[str, Array]:
    """The excess and its parts on all problems; on those without and with a carry the mean loss, its spread
    over problems, and the mean chances of the carry-free sum and of one more.
    """
    digit = run.task.digit
    log_probs = predictions.log_probabilities(run, fixed.tokens, digit)
    parts = loss_decomposition.split(log_probs, fixed, digit)
    found = {name: getattr(parts, name) for name in (*PARTS, "loss")}
    zero, one = loss_decomposition.candidates(log_probs, fixed, digit)
    carry = jnp.asarray(fixed.a[:, 0] + fixed.b[:, 0] >= run.task.base, jnp.float32)
    for name, weights, loss in (("without", 1 - carry, -zero), ("with", carry, -one)):
        mean = lambda x, weights=weights: weights @ x / weights.sum()
        found |= {
            f"loss_{name}": mean(loss),
            f"p0_{name}": mean(jnp.exp(zero)),
            f"p1_{name}": mean(jnp.exp(one)),
            f"sd_{name}": jnp.sqrt(jnp.maximum(mean((loss - mean(loss)) ** 2), 0)),
        }
    return found
