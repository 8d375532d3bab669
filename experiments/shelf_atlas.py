"""Which shelves do the losses of an addition show, and which exact level is each? Every digit, every seed, with those that fit none.

    python -m experiments.shelf_atlas

--digits 3, --d_model 64, --batch 128, --steps 2000, --seeds 32 of sequence mode, most significant digit first.
"""
import math
import sys
from typing import Any

import numpy as np

from experiments import study
from experiments.cli import exact
from experiments.study import Answer, Finding, Study, counted, said
from grokjax import figures
from grokjax.interp import shelves, statistics
from grokjax.theory import levels as theory

DEFAULTS: dict[str, study.Setting] = {"digits": 3, "d_model": 64, "batch": 128, "steps": 2000, "seeds": 32}
Shown = dict[exact.Shown, dict[int, shelves.Shelf]]


def measure(this: Study) -> Finding:
    """The shelves of every digit and the exact levels beside them."""
    found = this.sweep("msb", **{name: this[name] for name in ("digits", "d_model", "batch")})
    loss, levels = found.metrics["loss"], exact.of_task(found.task)
    rows = shelves.table(loss, this.seeds)
    shown = exact.shown(rows, levels)
    lines = [(f"{name}, digit {digit}", nats) for digit, named in exact.lines(levels, shown, found.task).items() for name, nats in named
             if (digit, name) in {(level.digit, level.known) for level in shown}]
    heights, digits = np.array([row.shelf.level for row in rows]), np.array([row.digit for row in rows], int)
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, {this['steps']} steps", seeds=this.seeds,
        answers=answers(this["digits"], loss, shown),
        numbers={"shelves": [row(level, runs, len(loss)) for level, runs in shown.items()]},
        figure=figures.level_histogram(heights, groups=digits, exact=lines), data=figures.level_histogram_data(heights, groups=digits))


def row(level: exact.Shown, runs: dict[int, shelves.Shelf], num_runs: int) -> dict[str, Any]:
    """One level that shelves show: the nearest exact one, the measured one, how many runs show it, when and for how long."""
    found = statistics.summarise([runs.get(run) for run in range(num_runs)])
    measured = statistics.mean([shelf.level for shelf in runs.values()])
    return dict(digit=level.digit, known=level.known, exact=level.nats, measured=measured, share=found.share, onset=found.onset,
                length=found.length, still_on_it=found.on_it)


def answers(n: int, loss: np.ndarray, shown: Shown) -> list[Answer]:
    """What the table says to the questions of the notes."""
    num_runs, of = len(loss), {(level.digit, level.known): runs for level, runs in shown.items()}
    at_start = [of.get((digit, "nothing"), {}) for digit in range(n - 1)]
    below = [np.array([shelf.level - math.log(10) for shelf in runs.values()]) for runs in at_start]
    second = of.get((n - 1, "answer_so_far"), {})
    level = theory.named(10, n, "msb", "sequence")
    exact_second = next(x.nats for x in level if x.digit == n - 1 and x.known == "answer_so_far")
    unfitted = {digit: of[digit, "none"] for digit in range(n + 1) if (digit, "none") in of}
    units = [shelf for run, shelf in of.get((0, "none"), {}).items()]
    on_start = min(len(runs) for runs in at_start)
    return [
        Answer("001-28", "other loss shelves and not-quite-shelves", "shelves that no exact level fits, by digit: runs and median level",
               "; ".join(f"digit {digit}: {counted(len(runs), num_runs)} at {np.median([x.level for x in runs.values()]):.3f}"
                         for digit, runs in unfitted.items()) or "none", "confirmed" if unfitted else "refuted"),
        Answer("001-59", "I think ln 10 is the main shelf", "runs that show a shelf at ln 10 in each digit below the first two",
               "; ".join(f"digit {digit}: {counted(len(runs), num_runs)}" for digit, runs in enumerate(at_start)),
               "confirmed" if on_start > num_runs / 2 else "refuted"),
        Answer("001-60", "the first digit after the leading one descends at once to ≈ 2.1", "runs with a shelf that fits "
               f"{exact_second:.4f}, the entropy given the leading digit, and its level",
               f"{counted(len(second), num_runs)}; {said(statistics.mean([x.level for x in second.values()]), '.4f')}",
               "confirmed" if len(second) > num_runs / 2 else "open: in most runs the stretch is shorter than a shelf"),
        Answer("001-76", "verify that the shelves are at the levels we expect", "ln 10 shelf: measured − exact, mean over runs",
               "; ".join(f"digit {digit}: {said(statistics.mean(list(x)), '+.4f')}" for digit, x in enumerate(below)),
               "confirmed" if all(len(x) and abs(x.mean()) < 0.05 for x in below) else "refuted"),
        Answer("001-66", "units: no shelf between ln 10 and 0", "runs whose units have another shelf above .1",
               counted(sum(shelf.level > 0.1 for shelf in units), num_runs),
               "confirmed" if not any(shelf.level > 0.1 for shelf in units) else "refuted"),
    ]


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
