"""Go on from an epoch, kept or restored, with one thing changed for one run while all else stays.

A run has the same bits in any company, so a replay trains only the run in question, once for each change. The
change `{}` is the exact replay, equal to the run to the last bit on the same kind of device and block. The
others differ from it by what they name. Nothing here opens a file.
"""

import collections
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import PyTree

from grokjax import sweep, trees
from grokjax.config import Hyper, Recipe
from grokjax.run import Run
from grokjax.training import Epoch, RunState, Snapshot, train
from grokjax.training.interventions import Intervened
from grokjax.training.optimizer import initial

Change = Mapping[str, Any]
"""Fields of Hyper and their new values, `{"data_seed": 7}`, `{"learning_rate": 1e-4}`; `{"reset_opt_state":
True}` begins the optimiser's state afresh.
"""


def replay(
    runs: Run,
    start: Snapshot | Epoch,
    *,
    run: int,
    until: int,
    changes: Sequence[Change] = ({},),
    epoch_steps: int = 1,
    block: int | None = None,
) -> Iterator[Epoch]:
    """Epochs of `epoch_steps` steps from `start` to step `until`, of one run for each of `changes`.

    runs: the stack of runs that `start` belongs to, `epoch.runs` or `sweep.runs(epoch)`; their parameters are
      not read
    run: which of them is replayed
    epoch_steps: with `Recipe.stop_below`, which judges epochs, they must be those of the run
    block: that of the run replayed

    Raises ValueError for a change of what is no field of Hyper, or of the seed, which would change several
    things at once.
    """
    changed = sweep.concatenate([_hyper(runs.hyper, run, change) for change in changes])
    states = trees.stack([_state(runs, start.state, run, change) for change in changes])
    return train(
        runs.task,
        runs.config,
        runs.recipe,
        changed,
        steps=until,
        epoch_steps=epoch_steps,
        block=block,
        resume_from=Snapshot(0, int(start.step), states),
    )


def reset_opt_state(recipe: Recipe, hyper: Hyper, state: RunState) -> RunState:
    """One run whose optimiser begins afresh, but goes on in the schedule of the learning rate.

    Moments and their bias correction begin again, and the averages of interventions. A clamp of the norm
    stays where it was.
    """
    fresh = initial(recipe, hyper, state.params)
    scheduled = lambda part: isinstance(part, optax.ScaleByScheduleState)
    kept = lambda new, old: old if scheduled(new) else new
    made = jax.tree.map(kept, fresh, state.opt_state, is_leaf=scheduled)
    if isinstance(made, Intervened):
        made = made._replace(initial_norm=state.opt_state.initial_norm)
    return state.replace(opt_state=made)


def recent(epochs: Iterable[Epoch], size: int) -> Iterator[tuple[Epoch, ...]]:
    """Yields after each epoch the last `size` of them, oldest first: a ring of full states.

    It is dense if the epochs are of few steps.
    """
    ring: collections.deque[Epoch] = collections.deque(maxlen=size)
    for epoch in epochs:
        ring.append(epoch)
        yield tuple(ring)


def before(ring: Iterable[Epoch], step: int) -> Epoch:
    """The newest epoch of a ring whose state is that before the update of `step`, or earlier.

    Raises ValueError if all are later.
    """
    ring = tuple(ring)
    early = [epoch for epoch in ring if epoch.step <= step]
    if not early:
        oldest = min((epoch.step for epoch in ring), default=None)
        raise ValueError(f"step={step} is before the oldest state in the ring, step {oldest}")
    return max(early, key=lambda epoch: epoch.step)


def watched(
    start: Snapshot | Epoch, epochs: Iterable[Epoch], function: Callable[[RunState, RunState], PyTree]
) -> PyTree:
    """`function(state before, state after)` of one run, for all runs and each epoch: leaves [T, S, ...] on
    the host.

    With epochs of one step these are the updates: `lambda old, new:
    interp.optimizer_statistics.update_norms(old.params, new.params)`.

    start: the epoch before the first of `epochs`, with the same runs or one run for all
    """
    mapped, seen, old = jax.jit(jax.vmap(function)), [], jax.device_get(start.state)
    for epoch in epochs:
        new = jax.device_get(epoch.state)  # epochs may lie on different devices
        old = jax.tree.map(lambda x, like: np.broadcast_to(x, like.shape), old, new)
        seen.append(jax.device_get(mapped(old, new)))
        old = new
    if not seen:
        raise ValueError("there is no epoch to watch")
    return jax.tree.map(lambda *leaves: np.stack(leaves), *seen)


def chosen(start: Snapshot | Epoch, run: int) -> Snapshot:
    """One run of an epoch as a place to go on from of its own, state [1, ...]."""
    return Snapshot(start.number, int(start.step), _row(start.state, slice(run, run + 1)))


def _row(state, index):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[index]), state)


def _hyper(hypers, run, change):
    named = {name: value for name, value in change.items() if name != "reset_opt_state"}
    if "seed" in named:
        raise ValueError("a change of the seed changes data, evaluation and split at once; change data_seed")
    return sweep.paired(sweep.select(hypers, run), **named)


def _state(runs, state, run, change):
    own = _row(state, run)
    if not change.get("reset_opt_state"):
        return own
    return reset_opt_state(runs.recipe, sweep.select(runs.hyper, run), own)
