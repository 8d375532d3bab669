"""What random spikes show beside matched quiet steps: answers of `spikes`."""

import collections
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from experiments.frame.measured import Measured, interval, mean, share
from experiments.frame.result import Result
from experiments.optimization.spike_events import FOLLOWED, LEADS, SOON, Event
from experiments.optimization.spike_norms import KINDS, LAST, Seen
from grokjax.curves import statistics

NONE = "open: no spike late enough to be replayed; more steps or a higher rate would make one"
NOT_SEEN = "No spike is late enough to be trained through again."
AT = LEADS[1]
"""Steps before an event at which the rules judge changes."""
INFORMATIVE = 0.75
"""The AUC of a norm, spikes against quiet steps, from which on it tells them apart."""
MOVED = 0.05
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
    at, rows = spiked(events), {}
    for lead, of in effects.items():
        for name, values in of.items():
            key = f"{''.join(c if c.isascii() and c.isalnum() else '_' for c in name)}_{lead}"
            spans = (("soon", 0, SOON), ("late", 1, FOLLOWED))
            for when, column, steps in spans if lead == AT else spans[1:]:
                own = values[at, column]
                kept = own[np.isfinite(own)]
                rows[f"averted_{when}_{key}"] = interval(
                    f"{name}, {lead} steps before: averted for {steps}",
                    estimate(1 - kept),
                    "",
                    len(kept),
                    "spikes",
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
        f"Other data avert {{averted_soon_other_data_{AT}}} of the spikes at first, a quarter of the rate "
        f"{{averted_late_rate___4_{AT}}} for good.",
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
        ["Averted for good: no spike in the 500 steps after; quiet steps show how often one comes anyway."],
    )


def norms(id: str, events: Sequence[Event], seen: Sequence[Seen]) -> Result:
    """Does a norm lead the loss?"""
    if not events:
        return Result(id, NOT_SEEN, {}, "Spikes against quiet steps.", NONE)
    at, rows = spiked(events), {}
    spike, quiet = (
        [x for x, is_one in zip(seen, at, strict=True) if is_one == which] for which in (True, False)
    )
    p = {}
    for i, kind in enumerate(KINDS):
        early = [sum(x.early[kind] for x in of) for of in (spike, quiet)]
        rows[f"early_{i}"] = share(
            f"{kind}: total norm leaves its band before a spike", early[0], len(spike), "spikes"
        )
        rows[f"chance_{i}"] = share(
            f"{kind}: the same before quiet steps", early[1], len(quiet), "quiet steps"
        )
        table = [[early[0], len(spike) - early[0]], [early[1], len(quiet) - early[1]]]
        p[kind] = float(stats.fisher_exact(table, alternative="greater").pvalue)
        rows[f"lag_{i}"] = interval(
            f"{kind}: median lag of its changes before those of the loss",
            statistics.median([float(x.lags[kind]) for x in spike]),
            "steps",
            len(spike),
            "spikes",
        )
    for i, kind in enumerate((*KINDS, "loss")):
        rows[f"auc_{i}"] = interval(
            f"{kind}: AUC of its deviation in the {LAST} steps before, spikes over quiet steps",
            statistics.auc([x.deviation[kind] for x in quiet], [x.deviation[kind] for x in spike]),
            "",
            len(seen),
            "events",
        )
    adjusted = dict(zip(p, statistics.holm(list(p.values())).tolist(), strict=True))
    leads = [kind for kind, x in adjusted.items() if x < 0.05]
    lag, tells = rows["lag_0"], rows["auc_0"]
    tracks = lag.value == 0
    dull = "gradient" not in leads and tells.high is not None and tells.high < INFORMATIVE
    told = "gradient" in leads or (tells.low is not None and tells.low > 0.5)
    others = [kind for kind in leads if kind != "gradient"]
    return Result(
        id,
        "The total gradient norm moves with the loss at a lag of {lag_0}; it leaves its band before "
        "{early_0}.",
        rows,
        "Tracks: confirmed if the median lag is 0. Uninformative: refuted if the norm leaves its band before "
        "spikes more often than before quiet steps (Fisher, Holm over three kinds, p < .05) or its deviation "
        f"tells them apart (AUC above ½, whole interval); confirmed if neither, and the AUC is below "
        f"{INFORMATIVE}.",
        ("confirmed" if tracks else "mixed: refuted that it moves at lag 0; confirmed that it tells nothing")
        if dull
        else (
            f"mixed: {'confirmed' if tracks else 'refuted'} that it tracks the loss; refuted that it tells "
            "nothing"
        )
        if told
        else "open: too few spikes to say what it tells; more would",
        [
            f"Of the other kinds {' and '.join(others) or 'none'} leaves its band before spikes more than "
            "by chance."
        ],
    )


def attention(id: str, events: Sequence[Event], seen: Sequence[Seen]) -> Result:
    """How far attention moves in a spike."""
    if not events:
        return Result(id, NOT_SEEN, {}, "Spikes against quiet steps.", NONE)
    at, moved = spiked(events), np.array([x.moved for x in seen])
    gap = statistics.mean(moved[at] - moved[~at])
    return Result(
        id,
        "Through a spike the head that moves most moves its attention by {spike}, in quiet steps by {quiet}.",
        dict(
            spike=mean("total variation from =, into a spike", moved[at], "", "spikes"),
            quiet=mean("the same, as many quiet steps", moved[~at], "", "quiet steps"),
            gap=interval("difference, matched pairs", gap, "", int(at.sum()), "pairs"),
        ),
        f"Confirmed that attention takes part if it moves more in spikes than in their matched quiet steps; "
        f"refuted if less than {MOVED} more (whole intervals).",
        "confirmed"
        if gap.low is not None and gap.low > 0
        else "refuted"
        if gap.high is not None and gap.high < MOVED
        else "open: too few spikes to tell; more would",
    )


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
    name, count = first[True].most_common(1)[0] if first[True] else ("", 0)
    blows = count > runs / 2 and count / runs > first[False][name] / max(len(seen) - runs, 1)
    return Result(
        id,
        "Replays have the bits of their runs in {same}; some tensor's norm leaves its band first before "
        "{any}.",
        rows,
        "Reproduced: confirmed if every replay has the bits of its run. What blows up: confirmed if one "
        "tensor's norm is the first to leave its band before more than half of the spikes, and before quiet "
        "steps less often.",
        "refuted: a replay differs"
        if same < len(seen)
        else f"confirmed: {name} blows up first"
        if blows
        else "mixed: confirmed that it is reproduced; refuted that one tensor blows up first",
    )
