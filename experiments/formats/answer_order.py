"""Does writing the answer from its least significant digit on change how addition is learned?

    python -m experiments.formats.answer_order

--lengths 2,3 digits, --d_model 64 with 4 heads, --batch 128, --steps 2500, --seeds 8. Time to exact match:
the first evaluation (1024 fixed problems every 50 steps) with 99% of the answers right, teacher-forced.
Length generalisation is not measured.
Time: 230 s on two cores; GPU: not measured.

Found: least significant digit first, 8 of 8 seeds reach 99% (n = 2: step 700, n = 3: step 750, medians); most
  significant digit first none
does in 2500 steps: it is left with 8% and 14% wrong answers. With the least significant digit first each
  digit falls from ln 10 straight to 0; the other order keeps shelves near .24 nats that no exact level
  explains (shelf_atlas).
"""

import sys
from typing import Any

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Study
from grokjax import figures, tasks
from grokjax.curves import shelves, statistics
from grokjax.runner import exact
from grokjax.theory.levels import ORDERS

DEFAULTS: dict[str, study.Setting] = {
    "lengths": (2, 3),
    "d_model": 64,
    "batch": 128,
    "steps": 2500,
    "seeds": 8,
}
SMALL: dict[str, study.Setting] = {"lengths": (2,), "d_model": 8, "batch": 16, "steps": 50, "seeds": 2}
WRONG = 0.01


def measure(this: Study) -> Finding:
    """Times, final exact match and shelves of both orders."""
    sweeps = {
        (n, order): this.sweep(
            f"{order}_{n}", order=order, digits=n, d_model=this["d_model"], batch=this["batch"]
        )
        for n in this["lengths"]
        for order in ORDERS
    }
    wrong = {key: 1 - sweep.metrics["test_exact_match"] for key, sweep in sweeps.items()}
    times = {
        key: statistics.until_below(values, WRONG, steps=sweeps[key].metrics["test_step"], smoothing=1)
        for key, values in wrong.items()
    }
    shown = {key: shelves_of(sweep) for key, sweep in sweeps.items()}
    panels = {
        f"{n} digits": {
            order: figures.Points(steps.tolist(), [statistics.mean(column) for column in wrong[n, order].T])
            for order in ORDERS
        }
        for n in this["lengths"]
        for steps in [sweeps[n, "msb"].metrics["test_step"]]
    }
    return Finding(
        task=f"addition of {' and '.join(map(str, this['lengths']))} digits, sequence mode, both answer "
        "orders on the same seeds",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, decay .5, {this['steps']} "
        "steps",
        seeds=this.seeds,
        answers=[answer(this, times, wrong, shown)],
        numbers={
            f"{order}_{n}": dict(
                time=times[n, order].median,
                reached=times[n, order].share,
                exact_match=statistics.mean(1 - wrong[n, order][:, -1]),
                shelves=shown[n, order],
            )
            for n in this["lengths"]
            for order in ORDERS
        },
        plot=figures.points(
            panels, xlabel="optimiser step", ylabel="share of wrong answers", legend="answer order"
        ),
    )


def shelves_of(sweep: Any) -> list[dict[str, Any]]:
    """The levels that the runs show, and how many show them."""
    rows = shelves.table(sweep.metrics["loss"], range(sweep.num_runs))
    return [
        dict(
            digit=level.digit,
            known=level.known,
            exact=level.nats,
            runs=len(runs),
            level=statistics.mean([shelf.level for shelf in runs.values()]),
            length=statistics.summarise(list(runs.values())).length,
        )
        for level, runs in exact.shown(rows, tasks.exact_levels(sweep.task)).items()
    ]


def in_words(row: dict[str, Any]) -> str:
    """One level of `shelves_of`: digit, exact level or none, measured level, runs."""
    name = (
        "no exact level" if row["exact"] is None else f"{row['known'].replace('_', ' ')} {row['exact']:.3f}"
    )
    return f"digit {row['digit']} {name} ({row['level'].value:.3f}, {row['runs']} runs)"


def answer(this: Study, times: dict, wrong: dict, shown: dict) -> Answer:
    """Least against most significant digit first."""
    runs, parts, apart = this["seeds"], [], []
    for n in this["lengths"]:
        msb, lsb = times[n, "msb"], times[n, "lsb"]
        paired = statistics.mean(wrong[n, "msb"][:, -1] - wrong[n, "lsb"][:, -1])
        quicker = np.sum((lsb.time < msb.time) & lsb.ended)
        apart.append(
            paired.low is not None and paired.high is not None and not paired.low <= 0 <= paired.high
        )
        parts.append(
            f"n = {n}: lsb {counted(int(lsb.ended.sum()), runs)}, step {said(lsb.median, '.0f')}; msb "
            f"{counted(int(msb.ended.sum()), runs)}, step {said(msb.median, '.0f')}; lsb first in "
            f"{counted(int(quicker), runs)}; "
            f"exact match at the end, lsb − msb {said(paired, '+.3f')}"
        )
    longest = max(this["lengths"])
    listed = {
        order: [in_words(row) for row in shown[longest, order] if row["exact"] != 0] for order in ORDERS
    }
    parts += [f"shelves of {order}, n = {longest}: {', '.join(listed[order]) or 'none'}" for order in ORDERS]
    return Answer(
        "001-72",
        "something different happens from least to most significant",
        f"runs at 99% exact match and median step, {this['steps']} steps, width {this['d_model']}; shelves; "
        "length "
        "generalisation not measured",
        ". ".join(parts),
        "confirmed"
        if all(apart)
        else "open: no difference in exact match at these sizes"
        if not any(apart)
        else "confirmed: at one of the lengths",
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
