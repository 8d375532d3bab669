"""Norms of every tensor in the steps before a spike, and before quiet steps that match: for `spikes`."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from experiments.optimization.spike_events import BAND, Event, Place, before, on
from grokjax import replay
from grokjax.curves import spikes
from grokjax.interp import attention, optimizer_statistics

LEAD, WINDOW = 50, 150
"""A norm's band is that of WINDOW steps, and ends LEAD steps before the event."""
LAST = 10
"""The steps before the event whose largest deviation is compared."""
KINDS = ("gradient", "update", "second moment")
MEANT = (
    f"A norm's band: the median of its logarithm ± 5 robust standard deviations over {WINDOW} steps, which "
    f"end {LEAD} steps before the event; it has left it where it is outside for two steps in a row."
)
""" "Leaves its band", in a caveat's words."""


class Seen(NamedTuple):
    """An event replayed without a change.

    exact: whether the replay had the run's bits
    first: the tensors' norms that left their bands before the event's start, the first to leave first
    early: for the total norm of each kind, whether it left its band before the start
    deviation: for each kind, and for the loss, the largest deviation in the last steps before the start
    lags: for each kind the steps by which its changes lead those of the loss
    moved: how far attention moved through the event (total variation, largest head)
    """

    exact: bool
    first: list[spikes.Exit]
    early: dict[str, bool]
    deviation: dict[str, float]
    lags: dict[str, int]
    moved: float


def watch(event: Event, place: Place, recorded: Float[np.ndarray, " T"], task: Any) -> Seen:
    """An event seen again, step by step; recorded: the run's own loss from its first step on."""
    first, until = int(place.snapshot.step), min(event.peak, event.start + 100) + 30
    epochs = list(on(place, until, [{}], 1))
    loss = np.concatenate([epoch.metrics["loss"][0, :, 0] for epoch in epochs])
    known = recorded[first:until]
    norms = all_norms(place, epochs)
    at = spikes.Spike(event.start - first, until - 30 - first, until - first, event.level, 0.0)
    totals = total(norms)
    out = lambda curves: [x for x in spikes.exits(curves, at, lead=LEAD, window=WINDOW) if x.lead > 0]
    tokens = task.batch(jax.random.key(0), 256).tokens
    span = min(event.peak - event.start, 100) + 10
    patterns = [
        attention.patterns(next(e for e in epochs if e.step == step).runs[0], tokens)
        for step in (event.start - 10, event.start - 10 + span)
    ]
    lag = lambda curve: int(np.nanargmax(np.nan_to_num(spikes.lead_lag(curve, loss), nan=-1.0))) - 20
    return Seen(
        exact=bool(np.array_equal(loss[: len(known)], known)),
        first=out(norms),
        early={kind: bool(out({kind: curve})) for kind, curve in totals.items()},
        deviation={kind: largest(curve, at.start) for kind, curve in {**totals, "loss": loss}.items()},
        lags={kind: lag(curve) for kind, curve in totals.items()},
        moved=float(attention.distance(*patterns)[..., -1].max()),
    )


def largest(curve: Float[np.ndarray, " T"], start: int) -> float:
    """The largest robust deviation of ln of a curve in the last steps before the start, above its band."""
    logs = np.log(np.maximum(curve, 1e-30))
    band = logs[max(0, start - LEAD - WINDOW) : start - LEAD]
    middle = np.median(band)
    sigma = max(1.4826 * np.median(np.abs(band - middle)), 1e-6)
    return float((logs[start - LAST : start] - middle).max() / sigma)


def all_norms(place: Place, epochs: list) -> dict[str, Float[np.ndarray, " T"]]:
    """Of every tensor and step the norm of the gradient, of the update and the root of Adam's second moment:
    KIND.TENSOR.
    """
    look = lambda old, new: {
        "update": optimizer_statistics.update_norms(old.params, new.params),
        "second moment": optimizer_statistics.root_second_moments(new.params, new.opt_state),
    }
    watched = replay.watched(place.snapshot, epochs, look)
    gradients = {
        name.replace("gradient_norm", "gradient"): np.concatenate(
            [epoch.metrics[name][0] for epoch in epochs]
        )
        for name in epochs[0].metrics
        if name.startswith("gradient_norm.")
    }
    return gradients | {
        f"{kind}.{name}": curve[:, 0] for kind, each in watched.items() for name, curve in each.items()
    }


def total(norms: dict[str, Float[np.ndarray, " T"]]) -> dict[str, Float[np.ndarray, " T"]]:
    """The norm of each kind over all tensors."""
    return {
        kind: np.sqrt(sum(curve**2 for name, curve in norms.items() if name.startswith(kind + ".")))
        for kind in KINDS
    }


def start_of_band(event: Event) -> int:
    """The step from which on an event is watched."""
    return before(event.start, BAND)
