"""What goes before a spike and with it, norms and attention, beside quiet steps: answers of `spikes`."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from experiments.frame.bounds import above, below
from experiments.frame.measured import Measured, interval, mean, share
from experiments.frame.result import Result
from experiments.optimization.spike_causes import NONE, NOT_SEEN, spiked
from experiments.optimization.spike_events import Event
from experiments.optimization.spike_norms import KINDS, LAST, MEANT, Seen
from grokjax.curves import statistics

MOVED, BEYOND = 0.05, 0.1
"""How much more attention moves (total variation) to take part; and how much better than the loss (difference
of AUCs) the gradient norm tells spikes.
"""


def norms(id: str, events: Sequence[Event], seen: Sequence[Seen]) -> Result:
    """Does a norm lead the loss?"""
    if not events:
        return Result(id, NOT_SEEN, {}, "Spikes against quiet steps.", NONE)
    rows, p = of_norms(events, seen)
    adjusted = dict(zip(p, statistics.holm(list(p.values())).tolist(), strict=True))
    leads = [kind for kind, x in adjusted.items() if x < 0.05]
    lag, tells = rows["lag_0"], rows["beyond_loss"]
    tracks = lag.value == 0
    dull = "gradient" not in leads and below(tells, BEYOND)
    told = "gradient" in leads or above(tells, 0)
    others = [kind for kind in leads if kind != "gradient"]
    return Result(
        id,
        "The total gradient norm moves with the loss at a lag of {lag_0}; its deviation tells spikes apart "
        "better than the loss's own by {beyond_loss}.",
        rows,
        "Tracks: confirmed if the median lag is 0. Uninformative: refuted if the norm leaves its band before "
        "spikes more often than before quiet steps (Fisher, Holm over three kinds, p < .05) or its deviation "
        "tells them apart better than that of the loss itself (difference of AUCs, whole interval above 0); "
        f"confirmed if neither, and the difference is below {BEYOND}.",
        ("confirmed" if tracks else "mixed: refuted that it moves at lag 0; confirmed that it tells nothing")
        if dull
        else (
            f"mixed: {'confirmed' if tracks else 'refuted'} that it tracks the loss; refuted that it tells "
            "nothing"
        )
        if told
        else f"mixed: {'confirmed' if tracks else 'refuted'} that it tracks the loss; open whether it tells "
        "more than the loss, more spikes would show it",
        [
            f"Of the other kinds {' and '.join(others) or 'none'} leaves its band before spikes more than "
            "by chance.",
            MEANT,
        ],
    )


def of_norms(events: Sequence[Event], seen: Sequence[Seen]) -> tuple[dict[str, Measured], dict[str, float]]:
    """How often each norm leaves its band, its lag behind the loss and how well it tells spikes apart; and p
    of its leaving more often before spikes.
    """
    rows, p, at = {}, {}, spiked(events)
    spike, quiet = (
        [x for x, is_one in zip(seen, at, strict=True) if is_one == which] for which in (True, False)
    )
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
    rows["beyond_loss"] = interval(
        "AUC of the gradient's deviation less that of the loss's own, pairs drawn again",
        difference(
            *([[x.deviation[kind] for x in of] for of in (quiet, spike)] for kind in ("gradient", "loss"))
        ),
        "",
        len(spike),
        "pairs",
    )
    return rows, p


def difference(first: list[list[float]], second: list[list[float]]) -> statistics.Interval:
    """How much better one value than another tells spikes from quiet steps: the difference of the AUCs, with
    a bootstrap over matched pairs.

    first, second: the values of N quiet steps, and of the N spikes that they match
    """
    wins = [np.subtract.outer(np.array(spike), np.array(quiet)) for quiet, spike in (first, second)]
    table = (np.sign(wins[0]) - np.sign(wins[1])) / 2

    if not table.any():
        return statistics.Interval(0.0, 0.0, 0.0)

    def mean_over(pairs: np.ndarray, axis: int = -1) -> np.ndarray:
        drawn = (np.moveaxis(pairs, axis, -1)[..., None] == np.arange(len(table))).sum(-2)
        return np.einsum("...i,ij,...j->...", drawn, table, drawn) / drawn.sum(-1) ** 2

    return statistics.bootstrap(np.arange(len(table)), mean_over)


def attention(id: str, events: Sequence[Event], seen: Sequence[Seen]) -> Result:
    """How far attention moves in a spike."""
    if not events:
        return Result(id, NOT_SEEN, {}, "Spikes against quiet steps.", NONE)
    at, moved = spiked(events), np.array([x.moved for x in seen])
    gap = mean("difference, matched pairs", moved[at] - moved[~at], "", "pairs")
    return Result(
        id,
        "Through a spike the head that moves most moves its attention by {spike}, in quiet steps by {quiet}.",
        dict(
            spike=mean("total variation from =, into a spike", moved[at], "", "spikes"),
            quiet=mean("the same, as many quiet steps", moved[~at], "", "quiet steps"),
            gap=gap,
        ),
        f"Confirmed that attention takes part if it moves by more than {MOVED} more in spikes than in their "
        f"matched quiet steps, refuted if by less (whole intervals); mixed if by less, yet by more than 0.",
        "confirmed"
        if above(gap, MOVED)
        else "mixed: it moves in spikes, but hardly"
        if gap.low is not None and gap.high is not None and gap.low > 0 and gap.high < MOVED
        else "refuted"
        if below(gap, MOVED)
        else "open: too few spikes to tell; more would",
    )
