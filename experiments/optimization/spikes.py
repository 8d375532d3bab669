"""Why does the loss spike?

    python -m experiments.optimization.spikes

Rates by weight decay, then random spikes trained through again, with one thing changed before them.

The tens of 2 digits in single mode, --d_model 32, --batch 256, rate 2e-3, decay 0, .1, .15, .225, .3, .5 and
1, --steps 4000, --seeds 16, and 2 layers without decay. A spike is 3-fold above the median of the 100 steps
before it and .05 nats above. Looked at are a random spike of each of --replayed 16 random runs, and for each
a quiet step that matches it: of the same run within 1000 steps where it has one, else of a run of the same
decay at the same step.

Both are trained through again from 10, 40 and 160 steps before: as they were, with other data (10 draws), a
quarter of the rate, fresh moments, β2 = .999 instead of .98, or without decay (where there was some). They
are followed for 500 steps: a spike that comes within these was put off, not averted. From 200 steps before
on, the norms of every tensor are watched.
Time: 9 minutes on two cores; GPU: not measured.

Changed after two reviews. The highest spike of each run, followed for 30 steps past its peak and compared
with nothing, made regression to the mean and postponement look like a cure. A spike in a replay was a loss
above a fixed threshold, so that a third of the quiet steps "spiked" without a change; it is found as in the
run itself now.
"""

import sys
from typing import Any

import numpy as np
from jaxtyping import Float

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.study import Study
from experiments.optimization import spike_causes, spike_events, spike_norms, spike_rates, spike_signs
from experiments.optimization.spike_events import LEADS, Event
from grokjax import figures, replay
from grokjax.checkpoints import Sweep

DEFAULTS: dict[str, study.Setting] = {"d_model": 32, "batch": 256, "steps": 4000, "seeds": 16, "replayed": 16}
LARGE: dict[str, study.Setting] = {"d_model": 128, "steps": 20000, "seeds": 32, "replayed": 40}
SMALL: dict[str, study.Setting] = {"d_model": 8, "batch": 16, "steps": 40, "seeds": 2, "replayed": 2}
DECAYS = (0.0, 0.1, 0.15, 0.225, 0.3, 0.5, 1.0)
RATE = 2e-3
DRAWS = 10
CHANGES: dict[str, replay.Change] = {
    "same": {},
    **{f"data {draw}": {"data_seed": 10_000 + draw} for draw in range(DRAWS)},
    "rate / 4": {"learning_rate": RATE / 4},
    "moments reset": {"reset_opt_state": True},
    "β2 = .999": {"b2": 0.999},
    "no decay": {"weight_decay": 0.0},
}


def measure(this: Study) -> Finding:
    """Rates by decay and layers, then the replays."""
    one, two = trained(this)
    found, deep = (spike_events.found_in(sweep.metrics["loss"][:, :, 0]) for sweep in (one, two))
    decay = np.asarray(one.hypers.weight_decay)
    cells = {
        value: [own for own, of in zip(found, decay, strict=True) if np.isclose(of, value)]
        for value in DECAYS
    }
    events = spike_events.chosen(one, found, this["replayed"])
    places = spike_events.places(one, events) if events else {}
    loss = one.metrics["loss"][:, :, 0]
    effects = {lead: effect(events, places, loss, lead) for lead in LEADS}
    seen = [
        spike_norms.watch(x, places[x.run, spike_norms.start_of_band(x)], loss[x.run], one.task)
        for x in events
    ]
    return Finding(
        task="tens of 2-digit addition, single mode",
        size=f"1 layer (2 where said), width {this['d_model']}, 4 heads, batch {this['batch']}, rate "
        f"{RATE:g}, {this['steps']} steps",
        seeds=this.seeds,
        answers=[
            spike_rates.by_decay("001-37", cells, one, found, this["steps"]),
            spike_rates.by_layers("001-21", cells[0.0], deep, this["steps"]),
            spike_causes.why("001-20", events, effects),
            spike_signs.norms("001-22", events, seen),
            spike_signs.attention("001-24", events, seen),
            spike_causes.reproduced("001-38", events, seen),
        ],
        numbers={
            "by_decay": {f"{value:g}": spike_rates.row(cell, this["steps"]) for value, cell in cells.items()},
            "two_layers": spike_rates.row(deep, this["steps"]),
        },
        plot=pictured(cells, events, places, effects, loss),
    )


def trained(this: Study) -> tuple[Sweep, Sweep]:
    """The runs of one layer, with every decay, and those of two without."""
    options = dict(
        mode="single",
        digits=2,
        digit=1,
        d_model=this["d_model"],
        batch=this["batch"],
        learning_rate=RATE,
        epoch_steps=100,
    )
    return (
        this.sweep("decay", weight_decay=list(DECAYS), **options),
        this.sweep("layers_2", weight_decay=0, num_layers=2, **options),
    )


def effect(
    events: list[Event],
    places: dict[tuple[int, int], spike_events.Place],
    recorded: Float[np.ndarray, "S T"],
    lead: int,
) -> dict[str, Float[np.ndarray, "N 2"]]:
    """For each change so many steps before whether each event has a spike soon, and within the steps that it
    is followed; `other data` is the share of draws that have one. NaN where there is no decay to take away.
    """
    each = [
        spike_events.outcomes(
            x,
            places[x.run, spike_events.before(x.start, lead)],
            list(CHANGES.values()),
            recorded[x.run],
        )
        for x in events
    ]
    table = np.array(each).reshape(-1, len(CHANGES), 2)
    names = list(CHANGES)
    found = {name: table[:, names.index(name)] for name in names if not name.startswith("data")}
    found["other data"] = table[:, [names.index(f"data {draw}") for draw in range(DRAWS)]].mean(1)
    none = np.array([x.decay == 0 for x in events], bool)
    found["no decay"] = np.where(none[:, None], np.nan, found["no decay"])
    return found


def pictured(
    cells: dict[float, list], events: list[Event], places: Any, effects: Any, loss: Float[np.ndarray, "S T"]
) -> figures.Plot:
    """The highest spike and what becomes of it; runs with a spike by decay; what changes do, beside quiet
    steps.
    """
    panels: dict[str, dict[str, figures.Points]] = {}
    xlabel, ylabel, lead = {}, {}, 40
    spike, rate, after = "the highest spike", "how often", "what a change averts"
    if events:
        highest = max((x for x in events if x.spike), key=lambda x: loss[x.run, x.peak])
        panels[spike] = one_spike(highest, places, lead)
        xlabel[spike], ylabel[spike] = "optimiser step", "loss (nats)"
    panels[rate] = {
        "all runs": figures.Points(
            [f"{value:g}" for value in cells], [spike_rates.share(x) for x in cells.values()]
        )
    }
    xlabel[rate], ylabel[rate] = "weight decay", "share of runs with a spike"
    if events:
        panels[after] = {
            what: figures.Points(
                list(effects[lead]),
                [spike_causes.compared(events, values[:, 1])[what] for values in effects[lead].values()],
            )
            for what in ("before spikes", "before quiet steps")
        }
        xlabel[after], ylabel[after] = "what is changed 40 steps before", "share with a spike in 500 steps"
    return figures.points(panels, xlabel=xlabel, ylabel=ylabel, joined=[spike], sharey=False)


def one_spike(event: Event, places: Any, lead: int) -> dict[str, figures.Points]:
    """The loss through a spike, trained through again as it was and with three changes."""
    first = spike_events.before(event.start, lead)
    changes = {name: CHANGES[name] for name in ("same", "data 0", "rate / 4", "moments reset")}
    loss = spike_events.played(places[event.run, first], first + 200, list(changes.values()), 10)
    steps = list(range(first, first + loss.shape[1]))
    return {
        name.replace("data 0", "other data"): figures.Points(steps, [(float(x), None, None) for x in row])
        for name, row in zip(changes, loss, strict=True)
    }


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
