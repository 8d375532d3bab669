"""Go on from an epoch, kept or restored, with one thing changed for one run while all else stays; nothing
here opens a file.

A run has the same bits in any company, so a replay trains only the run in question, once for each change: the
change `{}` is the exact replay, equal to the run to the last bit on the same kind of device and block, and
the others differ from it by what they name.
"""

import collections
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import PyTree

from grokjax import sweep, trees
from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.objective import Task
from grokjax.training import Epoch, RunState, train
from grokjax.training.optimizer import optimizer

Change = Mapping[str, Any]
"""Fields of Hyper and their new values, `{"data_seed": 7}`, `{"learning_rate": 1e-4}`; `{"reset_moments":
True}` begins Adam's afresh.
"""


class Start(NamedTuple):
    """An epoch to go on from: its number, the optimiser steps done, and the runs [S, ...]."""

    number: int
    step: int
    runs: RunState


def replay(
    task: Task,
    config: ModelConfig,
    recipe: Recipe,
    hypers: Hyper,
    first: Any,
    *,
    run: int,
    until: int,
    changes: Sequence[Change] = ({},),
    steps: int = 1,
    block: int | None = None,
) -> Iterator[Epoch]:
    """Epochs of `steps` steps from `first` (anything with number, step, runs [S]) to step `until`, one run
    for each of `changes`.

    block: that of the run replayed. With `Recipe.stop_below` the steps must be those of the run as well: it
      judges epochs. Raises ValueError for a change of what is no field of Hyper, or of the seed, which would
      change several things at once.
    """
    changed = sweep.concatenate([_hyper(hypers, run, change) for change in changes])
    runs = trees.stack([_state(recipe, hypers, first.runs, run, change) for change in changes])
    start = Start(0, int(first.step), runs)
    return train(task, config, recipe, changed, steps=steps, until=until, block=block, first=start)


def reset_moments(recipe: Recipe, hyper: Hyper, state: RunState) -> RunState:
    """One run whose optimiser begins afresh, moments and their bias correction, but goes on in the schedule
    of the learning rate.
    """
    fresh = optimizer(recipe, hyper).init(state.params)
    scheduled = lambda part: isinstance(part, optax.ScaleByScheduleState)
    return state.replace(
        moments=jax.tree.map(
            lambda new, old: old if scheduled(new) else new, fresh, state.moments, is_leaf=scheduled
        )
    )


def recent(epochs: Iterable[Epoch], size: int) -> Iterator[tuple[Epoch, ...]]:
    """After each epoch the last `size` of them, oldest first: a ring of full states. Dense if the epochs are
    of few steps.
    """
    ring: collections.deque[Epoch] = collections.deque(maxlen=size)
    for epoch in epochs:
        ring.append(epoch)
        yield tuple(ring)


def before(ring: Iterable[Epoch], step: int) -> Epoch:
    """The newest epoch of a ring whose state is that before the update of `step`, or earlier; ValueError if
    all are later.
    """
    early = [epoch for epoch in ring if epoch.step <= step]
    if not early:
        raise ValueError(
            f"step={step} is before the oldest state in the ring, step {min((e.step for e in ring), default=None)}"
        )
    return max(early, key=lambda epoch: epoch.step)


def watched(first: Any, epochs: Iterable[Epoch], function: Callable[[RunState, RunState], PyTree]) -> PyTree:
    """`function(state before, state after)` of one run, for all runs and each epoch: leaves [T, S, ...] on
    the host.

    With epochs of one step these are the updates: `lambda old, new: interp.updates.norms(old.params,
    new.params)`.
    first: the epoch before the first of `epochs`, with the same runs or one run for all.
    """
    mapped, seen, old = jax.jit(jax.vmap(function)), [], jax.device_get(first.runs)
    for epoch in epochs:
        new = jax.device_get(epoch.runs)  # epochs may lie on different devices
        old = jax.tree.map(lambda x, like: np.broadcast_to(x, like.shape), old, new)
        seen.append(jax.device_get(mapped(old, new)))
        old = new
    if not seen:
        raise ValueError("there is no epoch to watch")
    return jax.tree.map(lambda *leaves: np.stack(leaves), *seen)


def chosen(first: Any, run: int) -> Start:
    """One run of an epoch as an epoch of its own, runs [1, ...]."""
    return Start(first.number, int(first.step), _row(first.runs, slice(run, run + 1)))


def _row(runs, index):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[index]), runs)


def _hyper(hypers, run, change):
    named = {name: value for name, value in change.items() if name != "reset_moments"}
    if "seed" in named:
        raise ValueError("a change of the seed changes data, evaluation and split at once; change data_seed")
    return sweep.paired(sweep.select(hypers, run), **named)


def _state(recipe, hypers, runs, run, change):
    state = _row(runs, run)
    return (
        functools.partial(reset_moments, recipe, sweep.select(hypers, run))(state)
        if change.get("reset_moments")
        else state
    )
