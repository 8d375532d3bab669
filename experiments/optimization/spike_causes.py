"""What random spikes show beside matched quiet steps: answers of `spikes`."""

import collections
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from experiments.frame.bounds import above, below
from experiments.frame.measured import Measured, interval, share
from experiments.frame.result import Result
from experiments.optimization.spike_events import FOLLOWED, LEADS, SOON, Event
from experiments.optimization.spike_norms import MEANT, Seen
from grokjax.curves import statistics

NONE = "open: no spike late enough to be replayed; more steps or a higher rate would make one"
NOT_SEEN = "No spike is late enough to be trained through again."
AT = LEADS[1]
"""Steps before an event at which the rules judge changes."""
INFORMATIVE = 0.75
"""The AUC of a norm, spikes against quiet steps, from which on it tells them apart."""
Effects = Mapping[int, Mapping[str, Float[np.ndarray, "N 2"]]]


def spiked(events: Sequence[Event]) -> Bool[np.ndarray, " N"]:
    """Which events are spikes."""
    return np.array([event.spike for event in events], bool)


def estimate(values: Float[np.ndarray, " N"]) -> statistics.Interval:
    """The mean with a bootstrap interval; where all are alike, Wilson's for so many of so many."""
    kept = values[np.isfinite(values)]
    if len(kept) and np.ptp(kept) == 0 and kept[0] in (0, 1):
        return statistics.wilson(int(kept.sum()), len(kept))
    return statistics.bootstrap(kept)


def compared(events: Sequence[Event], values: Float[np.ndarray, " N"]) -> dict[str, statistics.Interval]:
    """The mean of a value of every event, before spikes and before quiet steps."""
    at = spiked(events)
    return {"before spikes": estimate(values[at]), "before quiet steps": estimate(values[~at])}


def why(id: str, events: Sequence[Event], effects: Effects) -> Result:
    """State or batch, and what averts a spike."""
    if not events:
        return Result(id, NOT_SEEN, {}, "Spikes against quiet steps.", NONE)
    at, rows = spiked(events), averted_by(events, effects)
    data = effects[AT]["other data"][:, 0]
    apart = statistics.auc(data[~at], data[at])
    rows["state"] = interval(
        f"other data, {AT} steps before: AUC of spikes within {SOON} steps, spike states over quiet ones",
        apart,
        "",
        len(events),
        "events",
    )
    averted = rows[f"averted_soon_other_data_{AT}"]
    state = apart.low is not None and apart.low > 0.5
    batch = averted.low is not None and averted.low > 0.5
    kept_up = averted.high is not None and averted.high < 0.5
    return Result(
        id,
        f"Other batches shortly before avert {{averted_soon_other_data_{AT}}} of loss spikes for a hundred "
        f"steps; a quarter of the learning rate averts {{averted_late_rate___4_{AT}}} for five hundred.",
        rows,
        f"Changed {AT} steps before. State: confirmed if with other data spike states spike within {SOON} "
        "steps more often than quiet ones (AUC above ½), the batch: if other data avert more than half of "
        "the "
        "spikes (whole intervals). Confirmed if one of both alone is, mixed if both, open if neither.",
        "mixed: it takes the state and the batch"
        if state and batch
        else "confirmed: the state alone makes them"
        if state and kept_up
        else "mixed: confirmed that the state matters; undecided of the batch"
        if state
        else "confirmed: the batch alone makes them"
        if batch and apart.high is not None and apart.high < INFORMATIVE
        else "open: the intervals are too wide; more spikes would tell",
        [
            "Averted for good: no spike in the 500 steps after; quiet steps show how often one comes anyway.",
            "The changes of an event are trained side by side, by another program than the run's: rounding "
            "alone averts what `same` shows. A replay by itself has the bits of the run (001-38).",
        ],
    )


def averted_by(events: Sequence[Event], effects: Effects) -> dict[str, Measured]:
    """The share of spikes that each change averts, and how often one comes after a quiet step."""
    at, rows = spiked(events), {}
    for lead, of in effects.items():
        for name, values in of.items():
            key = f"{''.join(c if c.isascii() and c.isalnum() else '_' for c in name)}_{lead}"
            spans = (("soon", 0, SOON), ("late", 1, FOLLOWED))
            for when, column, steps in spans if lead == AT else spans[1:]:
                own = values[at, column]
                kept = own[np.isfinite(own)]
                what = f"{name}, {lead} steps before: averted for {steps}"
                rows[f"averted_{when}_{key}"] = (
                    share(what, int((1 - kept).sum()), len(kept), "spikes")
                    if np.isin(kept, (0, 1)).all() and name != "other data"
                    else interval(what, estimate(1 - kept), "", len(kept), "spikes")
                )
            if lead != AT:
                continue
            quiet = values[~at, 1]
            rows[f"quiet_{key}"] = interval(
                f"{name}, {lead} steps before quiet ones: a spike within {FOLLOWED}",
                estimate(quiet),
                "",
                int(np.isfinite(quiet).sum()),
                "quiet steps",
            )
    return rows


def reproduced(id: str, events: Sequence[Event], seen: Sequence[Seen]) -> Result:
    """Is a spike reproduced, and what blows up first?"""
    if not events:
        return Result(id, NOT_SEEN, {}, "Spikes against quiet steps.", NONE)
    at = spiked(events)
    first = {
        which: collections.Counter(
            x.first[0].name for x, is_one in zip(seen, at, strict=True) if x.first and is_one == which
        )
        for which in (True, False)
    }
    same, runs = sum(x.exact for x in seen), int(at.sum())
    rows: dict[str, Measured] = dict(
        same=share("replays with the bits of the run", same, len(seen), "replays")
    )
    for i, (name, count) in enumerate(first[True].most_common(8)):
        rows[f"first_{i}"] = share(
            f"first norm to leave its band before a spike: {name}", count, runs, "spikes"
        )
        rows[f"by_chance_{i}"] = share(
            f"{name}, before quiet steps", first[False][name], len(seen) - runs, "quiet steps"
        )
    any_first = sum(first[True].values())
    rows["any"] = share("spikes before which some tensor's norm leaves its band", any_first, runs, "spikes")
    rows["any_quiet"] = share(
        "the same, quiet steps", sum(first[False].values()), len(seen) - runs, "quiet steps"
    )
    name = first[True].most_common(1)[0][0] if first[True] else ""
    kind, _, tensor = name.partition(".")
    leads = f"the commonest first tensor, the {kind} of {tensor}, leads in {{first_0}}"
    return Result(
        id,
        f"Replays have the bits of their runs in {{same}}; {leads if name else 'no norm leaves its band'}.",
        rows,
        "Reproduced: confirmed if every replay has the bits of its run. What blows up: one tensor, if its "
        "norm is the first to leave its band before more than half of the spikes, and before fewer of "
        "the quiet steps; refuted if the commonest is first before fewer than half (whole intervals).",
        "refuted: a replay differs"
        if same < len(seen)
        else blows_up(rows["first_0"], name, rows["by_chance_0"])
        if name
        else "mixed: confirmed that it is reproduced; refuted that one tensor blows up first",
        [MEANT],
    )


def blows_up(first: Measured, name: str, by_chance: Measured) -> str:
    """The verdict on the tensor that is most often first, where every replay has the bits of its run."""
    if above(first, 0.5) and (first.value or 0) > (by_chance.value or 0):
        return f"confirmed: {name} blows up first"
    if below(first, 0.5):
        return "mixed: confirmed that it is reproduced; refuted that one tensor blows up first"
    return "mixed: confirmed that it is reproduced; open whether one tensor leads most spikes"
