"""In which order are the cells (answer digit × carry class) learned, and is it the same in every seed?

    python -m experiments.optimization.learning_order

--digits 3, sequence mode, --d_model 64 with 4 heads, --batch 128, decay 0, --steps 2000, --seeds 8. A cell is
an answer digit and how many columns below it the carry into it begins (0: there is none). It counts as
learned at the first saved epoch, every 100 steps, at which 99% (and, beside it, 90%) of its problems are
right, teacher-forced, there and at the next one.
Two runs are compared over the pairs of cells that both tell apart: cells that a run never learned have no
order.
Time: 30 s on two cores; GPU: not measured.
"""

import functools
import itertools
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import exact, mean, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import map_epochs
from grokjax.curves import statistics
from grokjax.interp.addition import carry_free, evaluation_sets
from grokjax.run import Run

DEFAULTS: dict[str, study.Setting] = {
    "digits": 3,
    "d_model": 64,
    "batch": 128,
    "steps": 2000,
    "size": 2000,
    "seeds": 8,
}
SMALL: dict[str, study.Setting] = {
    "digits": 1,
    "d_model": 8,
    "batch": 16,
    "steps": 100,
    "size": 256,
    "seeds": 2,
}
SHARES = (0.9, 0.99)
LEAST = 20
"""Problems that a cell must have."""


def measure(this: Study) -> Finding:
    """When each cell is learned, and how alike the orders are."""
    sweep = this.sweep(
        "msb",
        digits=this["digits"],
        d_model=this["d_model"],
        batch=this["batch"],
        weight_decay=0,
        save="every:2",
    )
    drawn = evaluation_sets.drawn(sweep.task, this["size"])
    cells = of_problems(drawn, sweep.task)
    steps = np.array([sweep.steps(epoch) for epoch in sweep.epochs])
    right = map_epochs(sweep, functools.partial(accuracies, drawn, cells))
    times = {
        share: {name: learned(right[..., i], steps, share) for i, name in enumerate(cells)}
        for share in SHARES
    }
    orders = {share: alike(np.stack([ended(one) for one in of.values()], 1)) for share, of in times.items()}
    names = sorted(cells, key=lambda name: order(times[SHARES[0]][name]))
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, no decay, {this['steps']} "
        "steps",
        seeds=this.seeds,
        answers=[answer(this, times, orders)],
        numbers={
            "cells": [
                dict(
                    cell=name.replace("\n", ", "),
                    problems=int(cells[name].sum()),
                    **{f"step_of_{share:.0%}": times[share][name].median for share in SHARES},
                    reached_99=times[0.99][name].share,
                )
                for name in names
            ],
            "orders": {f"{share:.0%}": found for share, found in orders.items()},
        },
        plot=pictured(times, names),
    )


def pictured(times: dict[float, dict[str, statistics.Times]], names: list[str]) -> figures.Plot:
    """When each cell is learned, the first ones first."""
    panels = {
        f"{share:.0%} right": {"": figures.Points(names, [times[share][name].median for name in names])}
        for share in SHARES
    }
    return figures.points(
        panels,
        xlabel="answer digit, and how many columns below it its carry begins (0: no carry)",
        ylabel="optimiser step",
        scale="log",
        joined=False,
    )


def of_problems(drawn: evaluation_sets.Problems, task: Any) -> dict[str, np.ndarray]:
    """Which problems [B] belong to each cell, by its name."""
    found: dict[str, np.ndarray] = {}
    for digit in range(task.num_digits + 1):
        depth = np.asarray(carry_free.depths(drawn, task.base, digit))
        found |= {
            f"digit {digit}\nfrom {j}": depth == j for j in range(digit + 1) if (depth == j).sum() >= LEAST
        }
    return found


def accuracies(drawn: evaluation_sets.Problems, cells: dict[str, np.ndarray], run: Run) -> Any:
    """The share of right answers in every cell."""
    task = run.task
    answers = carry_free.digits(drawn, task.base, task.num_digits)
    given = run.logits(jnp.asarray(drawn.tokens)).argmax(-1)
    right = [given[:, task.columns.index(digit)] == answers[:, digit] for digit in range(task.num_digits + 1)]
    return jnp.stack(
        [jnp.where(own, right[int(name[6])], False).sum() / own.sum() for name, own in cells.items()]
    )


def learned(right: np.ndarray, steps: np.ndarray, share: float) -> statistics.Times:
    """The step from which on the accuracy [E, S] is at the share in two epochs in a row."""
    return statistics.until_below(
        -np.minimum(right[:-1], right[1:]).T, np.nextafter(-share, 0), steps=steps[:-1], smoothing=1
    )


def ended(times: statistics.Times) -> np.ndarray:
    """Times, infinite where a run never got there."""
    return np.where(times.ended, times.time, np.inf)


def order(times: statistics.Times) -> tuple[float, float]:
    """Sorts cells by their median, those that most runs never learn last."""
    return times.median.value if times.median.value is not None else np.inf, -times.ended.mean()


def alike(times: np.ndarray) -> dict[str, Any]:
    """Of times [S, cells]: Kendall's τ of each run with the others, mean over them [S], and how many pairs of
    cells it rests on.

    Only pairs of cells count that both runs tell apart: two cells that a run never learned have no order.
    """
    pairs = list(itertools.combinations(range(times.shape[1]), 2))
    with np.errstate(invalid="ignore"):
        signs = np.stack([np.sign(times[:, i] - times[:, j]) for i, j in pairs], 1)
    signs = np.where(np.isfinite(signs), signs, 0)
    told = np.abs(signs) @ np.abs(signs).T
    tau = np.where(told > 0, signs @ signs.T / np.maximum(told, 1), np.nan)
    np.fill_diagonal(tau, np.nan)
    seen = np.asarray(np.isfinite(tau).any(1))
    of_run = np.array([np.nanmean(one) if seen[run] else np.nan for run, one in enumerate(tau)])
    return dict(tau=of_run, pairs=float(np.median(np.abs(signs).sum(1))), of=len(pairs))


def in_words(name: str) -> str:
    """A cell's name in a sentence, its number of columns spelt out."""
    digit, carry = name.split("\n")
    count = int(carry.split()[-1])
    spelt = ("no", "one", "two", "three", "four", "five")
    of = spelt[count] if count < len(spelt) else "many"
    return f"{digit} with a carry from {of} column{'s' * (count != 1)} below"


def answer(this: Study, times: dict, orders: dict) -> Result:
    """The order, and how alike it is from run to run."""
    names = sorted(times[0.9], key=lambda name: order(times[0.9][name]))
    first, last = (
        names[0],
        [name for name in names if times[0.9][name].median.value is not None][-1:] or names[-1:],
    )
    plain = lambda name: name.replace("\n", ", carry ")
    key = lambda name: name.replace("\n", "_").replace(" ", "_")
    tau = statistics.mean(orders[0.9]["tau"][np.isfinite(orders[0.9]["tau"])].tolist())
    rows = {
        key(name): time(f"90% right, {plain(name)} columns below", times[0.9][name], this["steps"])
        for name in names
    }
    return Result(
        "000-13",
        f"Soonest learned is {in_words(first)}, at {{first}}; runs agree on the order, Kendall's τ {{tau}}.",
        dict(
            first=rows[key(first)],
            tau=mean("Kendall's τ of a run with the others, 90% right", orders[0.9]["tau"], ""),
            tau_99=mean("the same, 99% right", orders[0.99]["tau"], ""),
            pairs=exact(
                f"pairs of cells that a run tells apart (median), of {orders[0.9]['of']}, 90% right",
                orders[0.9]["pairs"],
                "",
            ),
            last=rows[key(last[0])],
            **rows,
        ),
        "Confirmed if τ of runs with each other, over pairs of cells that both tell apart, is above .7 "
        "(whole interval), "
        "refuted if it is below.",
        "open: too little is learned to order; more steps would tell"
        if tau.low is None or tau.high is None
        else "confirmed"
        if tau.low > 0.7
        else "refuted"
        if tau.high < 0.7
        else "open: the interval holds .7; more seeds would tell",
        ["Runs enter each other's τ, so its interval is a little too narrow."],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
