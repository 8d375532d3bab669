"""Which weight decay and batch size learn an addition soonest, and is a wider model better?

    python -m experiments.optimization.decay_batch_width

Sequence mode, most significant digit first, 1 layer, 4 heads. Each arm is trained at three rates, 3e-4, 1e-3
and 3e-3: the even seeds choose the rate of the odd ones, and these that of the even ones.

- Decay 0, .1, .5, 1 × --batches 64,128,256: --digits 2, --d_model 64, --steps 6000, --seeds 8. A run is there
  at the first evaluation (1024 fixed problems every 50 steps) with 99% of the answers right, teacher-forced.
- Widths --widths 128,256, seed by seed: --third_digits 3, batch 128, decay .5, --wide_steps 1500; of a digit,
  the first step at which the running median of its loss is below .5 nats.
Time: about 30 minutes on two cores. Changed after a review: best rates at an edge of the three are told.
"""

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, count, exact, interval, mean, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.optimization import best_rate
from experiments.optimization.best_rate import RATES, Arm
from grokjax import figures
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics

DEFAULTS: dict[str, study.Setting] = {
    "digits": 2,
    "d_model": 64,
    "batches": (64, 128, 256),
    "steps": 6000,
    "third_digits": 3,
    "widths": (128, 256),
    "wide_steps": 1500,
    "seeds": 8,
}
LARGE: dict[str, study.Setting] = {
    "digits": 5,
    "d_model": 128,
    "steps": 10000,
    "third_digits": 5,
    "wide_steps": 6000,
    "seeds": 16,
}
SMALL: dict[str, study.Setting] = {
    "digits": 1,
    "d_model": 8,
    "batches": (16,),
    "steps": 20,
    "third_digits": 1,
    "widths": (8, 12),
    "wide_steps": 20,
    "seeds": 2,
}
DECAYS = (0, 0.1, 0.5, 1)
NOTE = (256, 0.5)
FALLEN, MARGIN = 0.5, 0.02
"""Nats below which a digit's loss has fallen; shares of right answers within which two arms are as good."""
Cells = dict[tuple[int, float], Arm]


def measure(this: Study) -> Finding:
    """Every decay and batch; the wider model against the narrower one, seed by seed."""
    cells = {key: found for batch in this["batches"] for key, found in of_batch(this, batch).items()}
    narrow, wide = (of_width(this, width) for width in this["widths"])
    fallen = [
        [statistics.until_below(one.loss[:, :, digit], FALLEN) for one in (narrow, wide)]
        for digit in range(this["third_digits"] + 1)
    ]
    rows = {
        f"batch {batch}, decay {decay:g}": {"99% right": (one.right.time, one.right.ended)}
        for (batch, decay), one in cells.items()
    }
    return Finding(
        task=f"{this['digits']}-digit (widths: {this['third_digits']}-digit) addition, sequence mode, most "
        "significant first",
        size=f"1 layer, width {this['d_model']}, {this['steps']} steps; widths "
        f"{' and '.join(map(str, this['widths']))}, {this['wide_steps']} steps; 4 heads, the better of three "
        "rates",
        seeds=this.seeds,
        answers=[by_setting(cells, this["steps"]), by_width(this, narrow, wide, fallen)],
        numbers={
            "cells": [
                dict(
                    batch=batch,
                    decay=decay,
                    rates=one.rates,
                    there=one.right.share,
                    time=one.right.median,
                    right_at_the_end=statistics.mean(one.end),
                )
                for (batch, decay), one in cells.items()
            ],
            "widths": {
                str(width): dict(rates=one.rates, right_at_the_end=statistics.mean(one.end))
                for width, one in zip(this["widths"], (narrow, wide), strict=True)
            },
        },
        plot=figures.times(rows, xlabel="optimiser step at which 99% of the answers are right"),
    )


def of_batch(this: Study, batch: int) -> Cells:
    """All decays of one batch size."""
    sweep = this.sweep(
        f"batch_{batch}",
        digits=this["digits"],
        d_model=this["d_model"],
        batch=batch,
        weight_decay=DECAYS,
        learning_rate=RATES,
    )
    return {(batch, decay): of_rates(sweep, np.isclose(sweep.hypers.weight_decay, decay)) for decay in DECAYS}


def of_width(this: Study, width: int) -> Arm:
    """One width."""
    sweep = this.sweep(
        f"width_{width}",
        digits=this["third_digits"],
        d_model=width,
        batch=128,
        learning_rate=RATES,
        steps=this["wide_steps"],
    )
    return of_rates(sweep, np.ones(sweep.num_runs, bool))


def of_rates(sweep: Sweep, kept: Any) -> Arm:
    """The runs that are kept as one arm."""
    at = [kept & np.isclose(sweep.hypers.learning_rate, rate) for rate in RATES]
    right, loss = sweep.metrics["test_exact_match"], sweep.metrics["loss"]
    return best_rate.arm([right[x] for x in at], sweep.metrics["test_step"], [loss[x] for x in at])


def by_setting(cells: Cells, steps: int) -> Result:
    """000-05."""
    notes = cells.get(NOTE, next(iter(cells.values())))
    others = {key: one for key, one in cells.items() if one is not notes}
    p = {key: statistics.log_rank(one.right, notes.right).p for key, one in others.items()}
    adjusted = dict(
        zip(p, statistics.holm([1.0 if x is None else x for x in p.values()]).tolist(), strict=True)
    )
    restricted = lambda one: float(one.right.time.mean())
    sooner = [key for key, x in adjusted.items() if x < 0.05 and restricted(others[key]) < restricted(notes)]
    # the soonest is chosen on the even seeds, and told from the odd ones
    half = lambda one, k: statistics.Times(one.right.time[k::2], one.right.ended[k::2])
    best = min(cells, key=lambda key: float(half(cells[key], 0).time.mean()))
    name = lambda key: f"batch {key[0]}, decay {key[1]:g}"
    rows: dict[str, Measured] = dict(
        notes=time("the note's setting: 99% right", notes.right, steps),
        best=time(
            f"the soonest, {name(best)} (chosen on other seeds): 99% right", half(cells[best], 1), steps
        ),
    )
    for i, (key, one) in enumerate(cells.items()):
        rows[f"time_{i}"] = time(f"{name(key)}, rate {one.rates}: 99% right", one.right, steps)
        rows[f"end_{i}"] = mean(f"{name(key)}: right at the end", one.end, "")
        if key in adjusted:
            rows[f"p_{i}"] = exact(
                f"{name(key)} against the note's setting: log-rank p, Holm", adjusted[key], ""
            )
    return Result(
        "000-05",
        "The note's setting has nearly all answers right at {notes}; the soonest of all decays and batches "
        "at {best}.",
        rows,
        "Nearly all: 99%. Confirmed if more than half of the runs of the note's setting (batch 256, decay "
        ".5) get there and no other is sooner (log-rank, Holm over all others, p < .05); refuted if one is "
        "sooner; open otherwise.",
        f"refuted: {told(sooner, list(others))}"
        if sooner
        else "confirmed"
        if notes.right.ended.mean() > 0.5
        else "open: half of its runs never get there; more steps would tell",
        [
            "Steps, not examples: a larger batch sees more of these in as many steps.",
            *at_edge(cells.values()),
        ],
    )


def told(sooner: list[tuple[int, float]], others: list[tuple[int, float]]) -> str:
    """Which other settings are sooner, in words: decays with all their batches, then single ones."""
    of = {decay: {key for key in others if key[1] == decay} for decay in DECAYS}
    whole = [f"{decay:g}" for decay, keys in of.items() if keys and keys <= {*sooner}]
    single = [f"batch {batch}, decay {decay:g}" for batch, decay in sooner if f"{decay:g}" not in whole]
    every = f"decay {' and '.join(whole)} {'are' if len(whole) > 1 else 'is'} sooner at every batch"
    return "; ".join([*([every] if whole else []), *(f"sooner with {one}" for one in single)])


def at_edge(arms: Iterable[Arm]) -> list[str]:
    """What to know where the best rate of some arms is the smallest or the largest of those tried."""
    edges = [set(one.pick.tolist()) <= {0, len(RATES) - 1} for one in arms]
    if not any(edges):
        return []
    which = (
        "Every best rate is" if all(edges) else f"The best rate of {sum(edges)} of {len(edges)} settings is"
    )
    return [f"{which} an edge of the three tried: a better one may lie outside."]


def by_width(this: Study, narrow: Arm, wide: Arm, fallen: list[list[statistics.Times]]) -> Result:
    """000-07."""
    first, second = this["widths"]
    ratios = [statistics.paired_ratio(two, one) for one, two in fallen]
    p = statistics.holm([1.0 if x.p is None else x.p for x in ratios])
    rows: dict[str, Measured] = {}
    for digit, (ratio, times) in enumerate(zip(ratios, fallen, strict=True)):
        rows[f"ratio_{digit}"] = interval(
            f"digit {digit}: steps to {FALLEN} nats, width {second} over {first}, by seed (sign test, Holm: "
            f"p {p[digit]:.2g})",
            ratio.median,
            "",
            len(narrow.end),
        )
        for width, one in zip((first, second), times, strict=True):
            rows[f"time_{digit}_{width}"] = time(f"digit {digit}, width {width}", one, this["wide_steps"])
    gain = statistics.mean(wide.end - narrow.end)
    rows["gain"] = interval(f"right at the end, width {second} less {first}", gain, "", len(narrow.end))
    sooner = [k for k, x in enumerate(ratios) if p[k] < 0.05 and x.earlier > x.later]
    later = [k for k, x in enumerate(ratios) if p[k] < 0.05 and x.later > x.earlier]
    rows["sooner"] = count("digits that the wider model learns sooner", len(sooner), len(ratios), "digits")
    no_worse = gain.low is not None and gain.low > -MARGIN
    return Result(
        "000-07",
        "Twice the width is sooner in {sooner}; at the end its share of right answers is {gain} higher.",
        rows,
        f"Confirmed if width {second} is sooner at {FALLEN} nats in every digit (sign test by seed, Holm, "
        f"p < .05) and its share of right answers is no more than {MARGIN} lower; refuted if it is later in "
        "some digit and sooner in none; open if no order is shown in any; mixed otherwise.",
        "confirmed"
        if len(sooner) == len(ratios) and no_worse
        else "refuted"
        if later and not sooner
        else "open: neither width is shown to be sooner in any digit; more seeds would tell"
        if not sooner
        else f"mixed: sooner in digit {', '.join(map(str, sooner))}; "
        + ("no worse in the end" if no_worse else "the end is not settled"),
        ["Four heads at either width.", *at_edge([narrow, wide])],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
