"""Why does the loss spike?

    python -m experiments.optimization.spikes

Rates by weight decay, the tensor that leaves its band first, and replays with one thing changed.

The tens of 2 digits in single mode, --d_model 32, --batch 256, rate 2e-3, decay 0, .1, .225, .5 and 1,
--steps 3000, --seeds 8, and 2 layers without decay. A spike is 3-fold above the median of the 100 steps
before it and .05 nats above. The highest spikes of --replayed 8 runs are replayed from 300 steps before their
start, exactly, and from 40 steps before with other data, a quarter of the rate, fresh moments, β2 = .999
(instead of .98), or no decay; averted: the loss stays below half of the spike's height.
Time: 230 s on two cores that others used too, of which 100 s for the replays; GPU: not measured.

Found: all 8 replays have the bits of their runs. A quarter of the rate averts all 8 spikes, other data 6,
  fresh moments 5, β2 = .999 and no decay 4 each (some of these runs have no decay to take away): what has
  been learned is not enough for a spike, it takes the batch as well. The first norm to leave its band is
  always that of an update, of no one tensor (W_in, W_V twice each), 10 (2 to 34) steps before the spike;
  total norms of gradient and second moment go with the loss at lag 0. Spikes do not need decay: 4 of 8 runs
  have one without, 1 to 3 of 8 with. Attention moves little in them (.016).
"""

import collections
import functools
import itertools
import sys
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Study
from grokjax import figures, replay, sweep, training
from grokjax.checkpoints import Sweep
from grokjax.curves import spikes, statistics
from grokjax.interp import attention, optimizer_statistics

DEFAULTS: dict[str, study.Setting] = {"d_model": 32, "batch": 256, "steps": 3000, "seeds": 8, "replayed": 8}
SMALL: dict[str, study.Setting] = {"d_model": 8, "batch": 16, "steps": 40, "seeds": 2, "replayed": 2}
DECAYS = (0.0, 0.1, 0.225, 0.5, 1.0)
RATE = 2e-3
LEAST = 3.0
HEIGHT = 0.05
"""A spike is LEAST-fold above the median of the steps before, and HEIGHT nats above it."""
EARLY, LEAD, AFTER = 300, 40, 30
"""Steps before a spike's start at which its replay begins, before it at which the changes are made, and after
its peak.
"""
CHANGES: dict[str, replay.Change] = {
    "same": {},
    "other data": {"data_seed": 12345},
    "rate / 4": {"learning_rate": RATE / 4},
    "moments reset": {"reset_opt_state": True},
    "β2 = .999": {"b2": 0.999},
    "no decay": {"weight_decay": 0.0},
}


class Replayed(NamedTuple):
    """One spike seen again: whether the replay had the run's bits, which changes averted it, which norms left
    their bands first, the lag at which the change of each kind of norm goes best with that of the loss, and
    how far attention moved in it and in quiet steps."""

    exact: bool
    averted: dict[str, bool]
    first: list[spikes.Exit]
    lags: dict[str, int]
    moved: float
    quiet: float


def found_in(curves: np.ndarray) -> list[list[spikes.Spike]]:
    """The spikes of each run."""
    return [
        [spike for spike in spikes.find(curve, least=LEAST) if spike.height >= HEIGHT] for curve in curves
    ]


def chosen(found: list[list[spikes.Spike]], most: int) -> dict[int, spikes.Spike]:
    """The highest spike of each run that has one late enough to be replayed, of at most so many runs."""
    late = {
        run: max(own, key=lambda spike: spike.height)
        for run, each in enumerate(found)
        if (own := [spike for spike in each if spike.start >= EARLY])
    }
    return dict(sorted(late.items(), key=lambda item: -item[1].height)[:most])


def states(of: Sweep, picked: dict[int, spikes.Spike]) -> list[training.Epoch]:
    """The newest state of each picked run at least EARLY steps before its spike: the runs are trained once
    more, from their seeds.
    """
    hypers, wanted = sweep.select(of.hypers, list(picked)), [spike.start - EARLY for spike in picked.values()]
    kept: list[Any] = [None] * len(picked)
    for epoch in training.train(
        of.task, of.config, of.recipe, hypers, steps=max(max(wanted), 1), epoch_steps=10
    ):
        kept = [epoch if epoch.step <= step else old for step, old in zip(wanted, kept, strict=True)]
    return kept


def seen(of: Sweep, row: int, run: int, spike: spikes.Spike, first: training.Epoch) -> Replayed:
    """One spike replayed, exactly and with each change."""
    until = spike.peak + AFTER
    epochs = list(replay.replay(first.runs, first, run=row, until=until))
    loss = np.concatenate([epoch.metrics["loss"][0, :, 0] for epoch in epochs])
    recorded = of.metrics["loss"][run, first.step : spike.peak + AFTER, 0]
    early = next(epoch for epoch in epochs if epoch.step == spike.start - LEAD)
    changes = list(CHANGES.values())
    changed = list(replay.replay(early.runs, early, run=0, until=until, changes=changes))
    highest = np.max([epoch.metrics["loss"][:, 0, 0] for epoch in changed], 0)
    norms = all_norms(first, row, epochs)
    shifted = spike._replace(
        start=spike.start - first.step, peak=spike.peak - first.step, stop=spike.stop - first.step
    )
    window = slice(max(0, shifted.start - 100), None)
    lags = {
        kind: int(np.nanargmax(np.nan_to_num(spikes.lead_lag(curve[window], loss[window]), nan=-1.0))) - 20
        for kind, curve in totals(norms).items()
    }
    at = lambda step: next(epoch for epoch in epochs if epoch.step == step).runs[0]
    moved, span = functools.partial(movement, of.task, at), min(spike.peak - spike.start, 100) + 10
    return Replayed(
        exact=bool(np.array_equal(loss, recorded)),
        averted=dict(zip(CHANGES, (highest < spike.level + spike.height / 2).tolist(), strict=True)),
        first=spikes.exits(norms, shifted),
        lags=lags,
        moved=moved(spike.start - 10, spike.start - 10 + span),
        quiet=moved(spike.start - 110 - span, spike.start - 110),
    )


def all_norms(first: training.Epoch, row: int, epochs: list[training.Epoch]) -> dict[str, np.ndarray]:
    """Of every tensor and step the norm of the gradient, of the update and the root of Adam's second moment:
    KIND.TENSOR.
    """
    look = lambda old, new: {
        "update": optimizer_statistics.update_norms(old.params, new.params),
        "second moment": optimizer_statistics.root_second_moments(new.params, new.opt_state),
    }
    watched = replay.watched(replay.chosen(first, row), epochs, look)
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


def totals(norms: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The norm of each kind over all tensors."""
    kinds = dict.fromkeys(name.partition(".")[0] for name in norms)
    return {
        kind: np.sqrt(sum(curve**2 for name, curve in norms.items() if name.startswith(kind + ".")))
        for kind in kinds
    }


def movement(task: Any, at: Any, before: int, after: int) -> float:
    """The most that the attention of a head from `=` moves between two steps, as total variation on 256 fixed
    problems.
    """
    tokens = task.batch(jax.random.key(0), 256).tokens
    patterns = [attention.patterns(at(step), tokens) for step in (before, after)]
    return float(attention.distance(*patterns)[..., -1].max())


def measure(this: Study) -> Finding:
    """Rates by decay and layers, then the replays."""
    options = dict(
        mode="single",
        digits=2,
        digit=1,
        d_model=this["d_model"],
        batch=this["batch"],
        learning_rate=RATE,
        epoch_steps=100,
    )
    one = this.sweep("decay", weight_decay=list(DECAYS), **options)
    two = this.sweep("layers_2", weight_decay=0, num_layers=2, **options)
    found, deep = found_in(one.metrics["loss"][:, :, 0]), found_in(two.metrics["loss"][:, :, 0])
    decay = np.asarray(one.hypers.weight_decay)
    cells = {
        value: [own for own, of in zip(found, decay, strict=True) if np.isclose(of, value)]
        for value in DECAYS
    }
    picked = chosen(found, this["replayed"])
    kept = states(one, picked) if picked else []
    replays = [seen(one, row, run, spike, kept[row]) for row, (run, spike) in enumerate(picked.items())]
    averted = {name: counts([x.averted[name] for x in replays]) for name in CHANGES}
    panels = {
        "runs with a spike": {
            "": figures.Points([f"{value:g}" for value in DECAYS], [share(cells[value]) for value in DECAYS])
        }
    }
    if replays:
        panels["spikes averted"] = {
            "": figures.Points([name.replace(" ", "\n", 1) for name in CHANGES], list(averted.values()))
        }
    return Finding(
        task="tens of 2-digit addition, single mode",
        size=f"1 layer (2 where said), width {this['d_model']}, 4 heads, batch {this['batch']}, rate "
        f"{RATE:g}, {this['steps']} steps",
        seeds=this.seeds,
        answers=[*on_rates(this, cells, deep, one, decay), *on_replays(replays, averted)],
        numbers={
            "by_decay": {f"{value:g}": row(cells[value], this["steps"]) for value in DECAYS},
            "two_layers": row(deep, this["steps"]),
            "averted": averted,
            "first": firsts(replays),
            "lags": lags(replays),
        },
        plot=figures.points(
            panels,
            xlabel="weight decay (left); what is changed 40 steps before a spike (right)",
            ylabel="share",
            joined=False,
        ),
    )


def counts(values: list[bool]) -> statistics.Interval:
    """The share of true ones."""
    return statistics.wilson(sum(values), len(values))


def share(cell: list[list[spikes.Spike]]) -> statistics.Interval:
    """The share of runs with a spike."""
    return counts([bool(own) for own in cell])


def row(cell: list[list[spikes.Spike]], steps: int) -> dict[str, Any]:
    """How many spikes a cell has, and the steps between two of a run."""
    between = [float(b.start - a.start) for own in cell for a, b in itertools.pairwise(own)]
    return dict(
        runs_with_a_spike=share(cell),
        per_1000_steps=statistics.mean([1000 * len(own) / steps for own in cell]),
        steps_between=statistics.median(between),
        first=statistics.median([float(own[0].start) for own in cell if own]),
    )


def firsts(replays: list[Replayed]) -> dict[str, int]:
    """How often each tensor's norm was the first to leave its band before the spike's start."""
    found = collections.Counter(x.first[0].name for x in replays if x.first and x.first[0].lead > 0)
    return dict(found.most_common())


def lags(replays: list[Replayed]) -> dict[str, statistics.Interval]:
    """The median lag (steps by which the norm leads the loss) of every kind of norm."""
    return {
        kind: statistics.median([float(x.lags[kind]) for x in replays])
        for kind in (replays[0].lags if replays else ())
    }


def on_rates(
    this: Study, cells: dict[float, list], deep: list, one: Sweep, decay: np.ndarray
) -> list[Answer]:
    """Where spikes happen."""
    shares = {value: share(cell) for value, cell in cells.items()}
    text = "; ".join(
        f"decay {value:g}: {counted(sum(map(bool, cell)), len(cell))}" for value, cell in cells.items()
    )
    gaps = "; ".join(
        f"decay {value:g}: {said(row(cell, this['steps'])['steps_between'], '.0f')}"
        for value, cell in cells.items()
    )
    high, low = (
        [shares[value].value or 0 for value in (0.225, 0.5)],
        [shares[value].value or 0 for value in (0.0, 0.1)],
    )
    plain, norm = cells[0.0], one.metrics["parameter_norm"]
    at_start = [
        float(norm[run, own[0].start])
        for run, own in enumerate(found_in(one.metrics["loss"][:, :, 0]))
        if own
    ]
    both = [sum(map(bool, x)) for x in (plain, deep)]
    return [
        Answer(
            "001-37",
            "wtf is up with spikes in weight-decay regimes (repeated at .225 to .5, none at .1)",
            "runs with a spike; median steps between two; parameter norm at the first",
            f"{text}. Between: {gaps}. Norm {said(statistics.mean(at_start), '.1f')}",
            "confirmed"
            if min(high) > 0.5 and max(low) < 0.5
            else "refuted: decay is not what decides at this size and rate",
        ),
        Answer(
            "001-21",
            "spikes in 1 layer at decay 0, and in 2 layers the same",
            "runs with a spike without decay: 1 layer; 2 layers",
            "; ".join(
                f"{counted(count, len(x))}, {said(row(x, this['steps'])['per_1000_steps'], '.2f')} per 1000 "
                "steps"
                for count, x in zip(both, (plain, deep), strict=True)
            ),
            "confirmed" if all(both) else "refuted",
        ),
    ]


NONE = "open: no spike late enough to be replayed; more steps or a higher rate would make one"


def on_replays(replays: list[Replayed], averted: dict[str, statistics.Interval]) -> list[Answer]:
    """What replays say of their cause."""
    number, same = len(replays), sum(x.exact for x in replays)
    early, leads = firsts(replays), [x.first[0].lead for x in replays if x.first]
    moved = statistics.mean([x.moved - x.quiet for x in replays])
    text = "; ".join(f"{name}: {counted(sum(x.averted[name] for x in replays), number)}" for name in averted)
    told = ", ".join(f"{name} {count}" for name, count in list(early.items())[:5]) or "none before the start"
    most = lambda name: (averted[name].value or 0) > 0.5
    ahead = [kind for kind, lag in lags(replays).items() if lag.low is not None and lag.low > 0]
    return [
        Answer(
            "001-20",
            "why do loss spikes happen?",
            f"{number} spikes, changed {LEAD} steps before: averted by; first norm of a tensor "
            "to leave its band, how often; median lead (steps)",
            f"{text}. First: {told}; {said(statistics.median([float(x) for x in leads]), '.0f')}",
            NONE
            if not replays
            else "confirmed: the state makes them: other data avert fewer than half, a lower rate most"
            if most("rate / 4") and not most("other data")
            else "open: the changes do not tell state from data; more spikes would",
        ),
        Answer(
            "001-22",
            "the gradient norm tracks the loss and is uninformative",
            "lag at which changes of each norm go best with those of the loss (median); positive: the norm "
            "leads",
            "; ".join(f"{kind}: {said(lag, '.0f')}" for kind, lag in lags(replays).items()) or "no spike",
            NONE
            if not replays
            else f"refuted: {', '.join(ahead)} leads"
            if ahead
            else "confirmed: no total norm leads the loss",
        ),
        Answer(
            "001-24",
            "apply attention plots before and after?",
            "how far attention from = moves into the spike, less in as many quiet steps (total variation, "
            "largest head)",
            said(moved, "+.3f"),
            NONE
            if not replays
            else "confirmed: attention moves in a spike"
            if moved.low is not None and moved.low > 0
            else "refuted: no more than in quiet steps"
            if moved.high is not None and moved.high < 0.05
            else "open: too few spikes to tell",
        ),
        Answer(
            "001-38",
            "get reproducibility, find what blows up",
            "replays whose losses are those of the run to the bit",
            counted(same, number),
            NONE if not replays else "confirmed" if same == number else "refuted: a replay differs",
        ),
    ]


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
