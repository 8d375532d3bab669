"""The phases in which a run comes to grok modular addition, and the drops of its test loss."""

from typing import Any, NamedTuple

import numpy as np

import grokjax as gj
from experiments.frame.study import Study
from grokjax.checkpoints import Sweep
from grokjax.curves import drops, statistics
from grokjax.interp.modular import grid, pizza, progress
from grokjax.run import Run

SOLVED = 0.01
"""Nats below which a loss counts as solved."""
FORMED = 1.0
"""Nats of the excluded loss from which on the key frequencies carry the training set."""
SHARE, NEURONS = 0.5, 0.01
"""Of a neuron's variance, and of the neurons, that make a frequency a key one."""
MOVED = 0.2
"""Of the gradient symmetricity, at a drop."""


class Events(NamedTuple):
    """When each phase of every run ends (steps)."""

    memorised: statistics.Times
    formed: statistics.Times
    grokked: statistics.Times

    @property
    def known(self) -> np.ndarray:
        """The runs in which all three happened, [S]."""
        return self.memorised.ended & self.formed.ended & self.grokked.ended

    @property
    def in_order(self) -> np.ndarray:
        """Those of them in which they happened in this order, [S]."""
        return self.known & (self.memorised.time < self.formed.time) & (self.formed.time < self.grokked.time)


class Fall(NamedTuple):
    """A drop of the test loss: what was there at the saved epochs around it.

    came, went: frequencies that are key after it and not before, and the other way round
    symmetricity: the gradient symmetricity before and after
    """

    drop: drops.Drop
    came: list[int]
    went: list[int]
    symmetricity: tuple[float, float]

    @property
    def other(self) -> bool:
        """Whether another algorithm is there after it."""
        return bool(self.came or self.went or abs(self.symmetricity[1] - self.symmetricity[0]) >= MOVED)


class Followed(NamedTuple):
    """The runs of a sweep, the steps of its saved epochs, what is measured there, events and drops."""

    sweep: Sweep
    steps: np.ndarray
    seen: dict[str, np.ndarray]
    happened: Events
    fallen: list[list[Fall]]


def followed(this: Study) -> Followed:
    """Train the preset of Nanda et al. with the settings of a study, and follow every run."""
    found = this.sweep(
        "nanda",
        task="modular",
        preset="nanda",
        modulus=this["modulus"],
        d_model=this["d_model"],
        train_fraction=this["percent"] / 100,
        save=f"every:{max(1, this['steps'] // 50 // this['snapshots'])}",
    )
    steps = np.array([found.steps(epoch) for epoch in found.epochs])
    seen = measured(found)
    happened = events(found, steps, seen["excluded"])
    return Followed(
        found, steps, seen, happened, [falls(found, steps, seen, run) for run in range(len(found))]
    )


def measured(found: Sweep) -> dict[str, np.ndarray]:
    """The measures by name, [S, E] or [S, E, F], of all runs at all saved epochs, in one call for each."""
    train = grid.training_rows(found.runs())
    last = gj.map_epochs(found, at_end, [-1])[0]
    seen = gj.map_epochs(found, of_epoch, own=[train, last])
    return {name: np.moveaxis(np.asarray(values), 0, 1) for name, values in seen.items()} | {"last": last}


def keys(clusters: progress.Clusters) -> Any:
    """Which frequencies are key, [F]."""
    return clusters.counts_above >= max(1, round(NEURONS * len(clusters.share)))


def at_end(run: Run) -> Any:
    """The key frequencies of a trained run."""
    return keys(progress.clusters(run, threshold=SHARE))


def of_epoch(run: Run, train: Any, last: Any) -> dict[str, Any]:
    """The measures of a run at one epoch, given the key frequencies of its end."""
    found = progress.measures(run, train, threshold=SHARE, keys=last)
    return dict(
        restricted=found.restricted_loss,
        excluded=found.excluded_loss,
        squares=found.sum_of_squares,
        coefficients=found.coefficients,
        key=keys(found.clusters),
        gini_W_E=progress.gini_of_embedding(run),
        gini_W_L=progress.gini_of_logit_weights(run),
        symmetricity=pizza.gradient_symmetricity_sample(run).mean,
    )


def events(found: Sweep, steps: np.ndarray, excluded: np.ndarray) -> Events:
    """The three events; one that has not happened by the last step is censored there."""
    train, test = (found.metrics[name][..., 0] for name in ("loss", "test_loss"))
    memorised = statistics.until_below(train, SOLVED, smoothing=1)
    late = (steps > memorised.time[:, None]) & memorised.ended[:, None] & (excluded >= FORMED)
    formed = statistics.Times(
        np.where(late.any(1), steps[late.argmax(1)], steps[-1]).astype(float), late.any(1)
    )
    at = found.metrics["test_step"]
    return Events(memorised, formed, statistics.until_below(test, SOLVED, steps=at, smoothing=1))


def falls(found: Sweep, steps: np.ndarray, seen: dict[str, np.ndarray], run: int) -> list[Fall]:
    """The drops of a run, with the key frequencies and the symmetricity around each."""
    window = max(1, int(found.metrics["loss"].shape[1]) // 20)
    test, at = found.metrics["test_loss"][run, :, 0], found.metrics["test_step"]
    result = []
    for drop in drops.drops(test, window=window, floor=SOLVED, steps=at):
        before = max(int(np.searchsorted(steps, drop.first, "right")) - 1, 0)
        after = min(int(np.searchsorted(steps, drop.last)), len(steps) - 1)
        key, symmetricity = seen["key"][run], seen["symmetricity"][run]
        new, old = (np.flatnonzero(key[a] & ~key[b]) for a, b in ((after, before), (before, after)))
        moved = float(symmetricity[before]), float(symmetricity[after])
        result.append(Fall(drop, (new + 1).tolist(), (old + 1).tolist(), moved))
    return result


def numbers(
    found: Sweep, steps: np.ndarray, seen: dict[str, np.ndarray], happened: Events, fallen: list[list[Fall]]
) -> dict[str, Any]:
    """Of every run its events (null: not by the last step), key frequencies, drops, and measures then."""
    at = lambda times: np.where(times.ended, times.time, np.nan)
    place = np.searchsorted(steps, happened.formed.time).clip(0, len(steps) - 1)
    runs, test = np.arange(len(found)), found.metrics["test_loss"][..., 0]
    return dict(
        {name: at(times) for name, times in happened._asdict().items()},
        last_step=int(steps[-1]),
        key_frequencies=[(np.flatnonzero(key) + 1).tolist() for key in seen["last"]],
        final_test_loss=test[:, -1],
        least_training_loss=found.metrics["loss"][..., 0].min(1),
        squares_at_formed_and_end=np.stack([seen["squares"][runs, place], seen["squares"][:, -1]], 1),
        gini_W_E_at_start_and_end=seen["gini_W_E"][:, [0, -1]],
        drops=[[dict(fall._asdict(), drop=list(fall.drop)) for fall in each] for each in fallen],
    )
