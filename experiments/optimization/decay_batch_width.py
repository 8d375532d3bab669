"""Which weight decay and batch size learn an addition soonest, and is a wider model better?

    python -m experiments.optimization.decay_batch_width

Seeds paired over every setting.

--digits 2, sequence mode, most significant digit first; decay 0, .1, .5, 1 × --batches 64,128,256 at
--d_model 32; --widths 32,64 with 4 heads each at batch 128 and decay .5. --steps 2000, --seeds 8. Time to
exact match: the first evaluation (1024 fixed problems every 50 steps) with 90% of the answers right,
teacher-forced (99% is out of reach of most settings in so many steps); of a
digit: the first step at which the running median of its loss is below .5 nats.

Time: 8 minutes on two cores; GPU: not measured. Found (8 seeds a cell): no decay is best and .1 as good (at
  batch 256 90% by step 575, 500 to 650, in both), 1 is slower (800) and ends with more wrong answers (.07
  against .045). A larger batch is sooner at every decay: 1075, 700, 575 steps without. Width 64 needs .63,
  .65, .49 times the steps of width 32 for digits 0, 1, 2. The aim was 99% before the first run.
"""

import sys

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.curves import statistics

DEFAULTS: dict[str, study.Setting] = {
    "digits": 2,
    "d_model": 32,
    "batches": (64, 128, 256),
    "widths": (32, 64),
    "steps": 2000,
    "seeds": 8,
}
SMALL: dict[str, study.Setting] = {
    "digits": 1,
    "d_model": 8,
    "batches": (16,),
    "widths": (8, 12),
    "steps": 20,
    "seeds": 2,
}
DECAYS = (0, 0.1, 0.5, 1)
WRONG, FALLEN = 0.1, 0.5
Cells = dict[tuple[int, float], tuple[statistics.Times, np.ndarray]]


def measure(this: Study) -> Finding:
    """Times and final exact match of every decay and batch; the wider model against the narrower one, seed by
    seed.
    """
    cells = {key: found for batch in this["batches"] for key, found in of_batch(this, batch).items()}
    narrow, wide = (
        this.sweep(f"width_{width}", digits=this["digits"], d_model=width, batch=128)
        for width in this["widths"]
    )
    ratios = {
        digit: ratio(narrow.metrics["loss"][:, :, digit], wide.metrics["loss"][:, :, digit])
        for digit in range(this["digits"] + 1)
    }
    exact = [sweep.metrics["test_exact_match"] for sweep in (narrow, wide)]
    times = [
        statistics.until_below(1 - x, WRONG, steps=narrow.metrics["test_step"], smoothing=1) for x in exact
    ]
    gain = statistics.mean(exact[1][:, -1] - exact[0][:, -1])
    line = lambda batch, of: figures.Points(
        [str(decay) for decay in DECAYS], [of(*cells[batch, decay]) for decay in DECAYS]
    )
    panels = {
        "step of 90% exact match": {
            f"{batch}": line(batch, lambda times, final: times.median) for batch in this["batches"]
        },
        "share of wrong answers at the end": {
            f"{batch}": line(batch, lambda times, final: statistics.mean(1 - final))
            for batch in this["batches"]
        },
    }
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant first",
        size=f"1 layer, width {this['d_model']} (and {this['widths']}), 4 heads, rate 1e-3, {this['steps']} "
        "steps",
        seeds=this.seeds,
        answers=answers(this, cells, ratios, gain, times),
        numbers={
            "cells": [
                dict(
                    batch=batch,
                    decay=decay,
                    reached=times.share,
                    time=times.median,
                    exact_match=statistics.mean(final),
                )
                for (batch, decay), (times, final) in cells.items()
            ],
            "time_ratio_wide_to_narrow_by_digit": ratios,
            "exact_match_wide_minus_narrow": gain,
            "time_by_width": [found.median for found in times],
        },
        plot=figures.points(
            panels, xlabel="weight decay", ylabel="", joined=False, legend="batch", sharey=False
        ),
    )


def of_batch(this: Study, batch: int) -> Cells:
    """All decays of one batch size."""
    sweep = this.sweep(
        f"batch_{batch}", digits=this["digits"], d_model=this["d_model"], batch=batch, weight_decay=DECAYS
    )
    exact, steps = sweep.metrics["test_exact_match"], sweep.metrics["test_step"]
    chosen = {decay: np.isclose(sweep.hypers.weight_decay, decay) for decay in DECAYS}
    return {
        (batch, decay): (
            statistics.until_below(1 - exact[runs], WRONG, steps=steps, smoothing=1),
            exact[runs, -1],
        )
        for decay, runs in chosen.items()
    }


def ratio(narrow: np.ndarray, wide: np.ndarray) -> list[float | None]:
    """The geometric mean over seeds of time(wide) / time(narrow), with its interval; pairs in which one never
    got there take no part.
    """
    first, second = (statistics.until_below(loss, FALLEN) for loss in (narrow, wide))
    both = first.ended & second.ended & (first.time > 0)
    found = statistics.mean(np.log(np.maximum(second.time[both], 1) / first.time[both]))
    return [None if end is None else float(np.exp(end)) for end in found]


def answers(
    this: Study, cells: Cells, ratios: dict, gain: statistics.Interval, times: list[statistics.Times]
) -> list[Answer]:
    """Decay and batch; width."""
    ends = {key: statistics.mean(final) for key, (_, final) in cells.items()}
    best = max(ends, key=lambda key: ends[key].value or 0.0)
    notes = ends.get((256, 0.5), ends[best])
    clear = [x for x in (ends[best].low, notes.high) if x is not None]
    beaten = len(clear) == 2 and clear[0] > clear[1]
    known = [(low, high) for _, low, high in ratios.values() if low is not None and high is not None]
    better, worse = known and all(high < 1 for _, high in known), known and all(low > 1 for low, _ in known)
    narrow, wide = this["widths"]
    return [
        Answer(
            "000-05",
            "batch size 256, AdamW, weight_decay=0.5",
            f"median step of 90% exact match and exact match at step {this['steps']}, by batch/decay, width "
            f"{this['d_model']}",
            "; ".join(
                f"{batch}/{decay}: {said(found.median, '.0f')}, {said(ends[batch, decay], '.3f')}"
                for (batch, decay), (found, _) in cells.items()
            ),
            f"refuted: batch {best[0]} with decay {best[1]} ends above it"
            if beaten
            else "confirmed"
            if best == (256, 0.5)
            else f"open: no setting is clearly better than it ({best[0]}/{best[1]} is highest)",
        ),
        Answer(
            "000-07",
            "width=256 works better than 128",
            f"here width {wide} against {narrow}, seed by seed: ratio of the steps at which a digit's loss "
            f"falls below {FALLEN}; exact "
            f"match at step {this['steps']}",
            "; ".join(
                f"digit {digit} {said(statistics.Interval(*found), '.2f')}" for digit, found in ratios.items()
            )
            + f"; exact match {said(gain, '+.3f')}; 90% at step {said(times[1].median, '.0f')} against "
            f"{said(times[0].median, '.0f')}",
            f"confirmed: at {wide} against {narrow}"
            if better
            else f"refuted: at {wide} against {narrow}"
            if worse
            else "open: not on every digit; widths 128 and 256 themselves would tell",
        ),
    ]


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
