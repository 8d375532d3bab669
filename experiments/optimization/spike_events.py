"""Random spikes and quiet windows that match them, and what happens when training goes on from before them
with one thing changed: for `spikes`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from grokjax import replay, sweep, training
from grokjax.checkpoints import Sweep
from grokjax.curves import spikes
from grokjax.run import Run

LEAST, HEIGHT = 3.0, 0.05
"""A spike is LEAST-fold above the median of the 100 steps before, and HEIGHT nats above it."""
EARLY, FOLLOWED, SOON = 480, 500, 100
"""The first step of an event that is looked at; steps after it in which a spike counts, and is soon."""
CALM = 250
"""Steps before an event in which no other spike may be."""
LEADS = (10, 40, 160)
"""Steps before an event at which training is changed."""
BAND = 210
"""Steps before an event from which on norms are watched."""


class Event(NamedTuple):
    """A spike of a run, or a quiet step that matches one.

    level: the median loss of the 100 steps before;  peak: of the spike, or as many steps after a quiet one
    """

    run: int
    start: int
    peak: int
    level: float
    decay: float
    spike: bool


def found_in(curves: Float[np.ndarray, "S T"]) -> list[list[spikes.Spike]]:
    """The spikes of each run."""
    return [
        [spike for spike in spikes.find(curve, least=LEAST) if spike.height >= HEIGHT] for curve in curves
    ]


def chosen(of: Sweep, found: list[list[spikes.Spike]], most: int) -> list[Event]:
    """One random spike of each of at most so many random runs, and after each the quiet step that matches."""
    random, loss = np.random.default_rng(0), of.metrics["loss"][:, :, 0]
    decay = np.asarray(of.hypers.weight_decay)
    events: list[Event] = []
    for run in random.permutation(len(found)):
        own = [x for x in found[run] if x.start >= EARLY and calm(found[run], x.start, but=x.start)]
        if not own or len(events) >= 2 * most:
            continue
        spike = own[random.integers(len(own))]
        quiet = matched(random, found, decay, int(run), spike.start, loss.shape[1])
        if quiet is None:
            continue
        for at, step, is_spike in ((int(run), spike.start, True), (*quiet, False)):
            level = float(np.median(loss[at, step - 100 : step]))
            peak = step + spike.peak - spike.start
            events.append(Event(at, step, peak, level, float(decay[at]), is_spike))
    return events


def calm(own: list[spikes.Spike], step: int, after: int = 0, but: int = -1) -> bool:
    """Whether a run has no spike from CALM steps before a step to `after` steps after it, `but` one apart."""
    return not any(x.start <= step + after and x.stop > step - CALM for x in own if x.start != but)


def matched(
    random: np.random.Generator,
    found: list[list[spikes.Spike]],
    decay: np.ndarray,
    run: int,
    step: int,
    steps: int,
) -> tuple[int, int] | None:
    """A run of the same decay and a step without a spike before or after: the same run within 1000 steps if
    there is one, else another run at the same step.
    """
    near = range(max(EARLY, step - 1000), min(step + 1000, steps - FOLLOWED), 10)
    own = [at for at in near if calm(found[run], at, FOLLOWED)]
    if own:
        return run, int(random.choice(own))
    others = [
        other
        for other in np.flatnonzero(np.isclose(decay, decay[run]))
        if other != run and step < steps - FOLLOWED and calm(found[other], step, FOLLOWED)
    ]
    return (int(random.choice(others)), step) if others else None


class Place(NamedTuple):
    """One run at a step from which it can be trained on."""

    runs: Run
    snapshot: training.Snapshot


def before(step: int, lead: int) -> int:
    """The last step that is a multiple of 10, at least `lead` steps earlier."""
    return max(0, (step - lead) // 10 * 10)


def places(of: Sweep, events: list[Event]) -> dict[tuple[int, int], Place]:
    """The states of the events' runs by (run, step), at every step that is wanted: the runs are trained once
    more, from their seeds.
    """
    rows = {run: row for row, run in enumerate(dict.fromkeys(event.run for event in events))}
    wanted: dict[int, set[int]] = {}
    for event in events:
        for lead in (*LEADS, BAND):
            wanted.setdefault(before(event.start, lead), set()).add(event.run)
    found: dict[tuple[int, int], Place] = {}
    hypers = sweep.select(of.hypers, list(rows))
    for epoch in training.train(of.task, of.config, of.recipe, hypers, steps=max(wanted), epoch_steps=10):
        for run in wanted.get(epoch.step, ()):
            row = rows[run]
            found[run, epoch.step] = Place(epoch.runs[row : row + 1], replay.chosen(epoch, row))
    return found


def outcomes(
    event: Event, place: Place, changes: list[replay.Change], recorded: Float[np.ndarray, " T"]
) -> Float[np.ndarray, "changes 2"]:
    """For each change whether a spike starts within SOON, and within FOLLOWED steps after the event.

    recorded: the run's own loss from its first step on; a spike is one of `found_in`, in it as in a replay
    """
    until, first = before(event.start, 0) + FOLLOWED, int(place.snapshot.step)
    loss, known = played(place, until, changes, epoch_steps=10), recorded[max(0, first - EARLY) : first]
    each = found_in(np.concatenate([np.tile(known, (len(loss), 1)), loss], 1))
    starts = [[x.start + first - len(known) for x in own if x.start >= len(known)] for own in each]
    table = [[any(start <= event.start + SOON for start in own), bool(own)] for own in starts]
    return np.array(table, float)


def played(
    place: Place, until: int, changes: list[replay.Change], epoch_steps: int
) -> Float[np.ndarray, "changes T"]:
    """The losses of a run with each change."""
    epochs = on(place, until, changes, epoch_steps)
    return np.concatenate([epoch.metrics["loss"][:, :, 0] for epoch in epochs], 1)


def on(place: Place, until: int, changes: list[replay.Change], epoch_steps: int) -> Iterator[training.Epoch]:
    """A run trained on from a place with each change."""
    return replay.replay(
        place.runs, place.snapshot, run=0, until=until, changes=changes, epoch_steps=epoch_steps
    )
