"""Which operations and groups grok, when, and with which frequencies or representations?

    python -m experiments.modular.operations

The preset of Nanda et al. on tables of pairs of other operations than addition, all else alike, over seeds.

--modulus 23, --d_model 64, --seeds 8, --steps 8000 full-batch steps on --percent 70 of the table.
--tasks 0,1,…,14: which of these
  0 a+b  1 a-b  2 a*b  3 a/b  4 a/b if b odd else a-b  5 a^2+b^2  6 a^2+ab+b^2  7 a^2+ab+b^2+a  8 a^3+ab
  9 a^3+ab^2+b  10 a random table, all mod --modulus
  11 the cyclic group of --cyclic 24 elements  12 the dihedral group of 2 x --dihedral 12
  13 all permutations of --symmetric 4 points  14 the even ones of --alternating 5

A run has memorised at its first step with a training loss below .01 nats and has grokked at its first with
such a test loss; a run that has not by the last step is "> T". The embeddings of residues are compared with
waves over the residues in their own order, and over the powers of a generator, in which products are sums: a
frequency is key where it has twice its equal share of the embedding's variance. A representation of a group
is key where 5% of the neurons have half of their variance or more in it.

The rule for the paper (Power et al., arXiv:2201.02177, figure 2): confirmed where most runs of 0, 1, 3, 4, 5,
6 and of a symmetric group grok, and less than half of 9 and none of 10 do; refuted where 9 or 10 groks with
an interval above one half; else open: larger tables, as the paper's modulus 97 and S5, may change it.

Time: 17 minutes on two cores; GPU: not measured.
"""

import contextlib
import sys
from typing import Any, NamedTuple

import numpy as np

import grokjax as gj
from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, count, share, time
from experiments.frame.result import Result
from experiments.frame.study import Setting, Study
from grokjax import figures
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.interp import fourier
from grokjax.interp.modular import components, progress
from grokjax.tasks.modular import FORMULAS

DEFAULTS: dict[str, Setting] = {
    "modulus": 23,
    "d_model": 64,
    "percent": 70,
    "seeds": 8,
    "steps": 8000,
    "tasks": tuple(range(15)),
    "cyclic": 24,
    "dihedral": 12,
    "symmetric": 4,
    "alternating": 5,
}
LARGE: dict[str, Setting] = {"modulus": 97, "steps": 10000}
SMALL: dict[str, Setting] = {
    "modulus": 5,
    "d_model": 8,
    "percent": 70,
    "seeds": 2,
    "steps": 40,
    "tasks": (2, 12),
    "cyclic": 4,
    "dihedral": 3,
    "symmetric": 3,
    "alternating": 4,
}
OPERATIONS = tuple(FORMULAS)
GROUPS = (("C", "cyclic"), ("D", "dihedral"), ("S", "symmetric"), ("A", "alternating"))
GROK, MAY_NOT, CANNOT = (0, 1, 3, 4, 5, 6, 13), 9, 10
"""The tasks of which the paper shows that they generalise, one that does not on its budget, and chance."""
NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven")
SOLVED, TIMES_EQUAL = 0.01, 2.0
"""Nats below which a loss is solved; so many times its equal share of the embedding has a key frequency."""
SHARE, NEURONS = 0.5, 0.05
"""Of a neuron's variance, and of the neurons, that make a representation a key one."""


class Found(NamedTuple):
    """The runs of one task.

    key: of each run the names of its key frequencies or representations
    gini: of the embedding's spectrum over the residues, and over the powers of a generator, [S] each by name
    """

    name: str
    memorised: statistics.Times
    grokked: statistics.Times
    final: np.ndarray
    key: list[list[str]]
    gini: dict[str, np.ndarray]


def measure(this: Study) -> Finding:
    """The times of every task, and what its runs are made of at the end."""
    if wrong := [task for task in this["tasks"] if task >= len(OPERATIONS) + len(GROUPS)]:
        raise ValueError(f"--tasks={wrong[0]} must be one of 0 to {len(OPERATIONS) + len(GROUPS) - 1}")
    found = {number: one(this, number) for number in this["tasks"]}
    return Finding(
        task=f"{len(found)} tables of pairs, {this['percent']}% of each trained on: "
        + ", ".join(each.name for each in found.values()),
        size=f"modulus {this['modulus']}; 1 layer, width {this['d_model']}, 4 heads, decay 1, rate .001, "
        f"full batch, {this['steps']} steps",
        seeds=this.seeds,
        answers=[answer(this, found)],
        numbers={each.name: numbers(each) for each in found.values()},
        plot=figures.times(
            {each.name: {"memorised": each.memorised, "grokked": each.grokked} for each in found.values()}
        ),
    )


def one(this: Study, number: int) -> Found:
    """The runs of a task, trained as far as they are missing."""
    same: dict[str, Any] = dict(preset="nanda", d_model=this["d_model"], train_fraction=this["percent"] / 100)
    if number < len(OPERATIONS):
        operation = OPERATIONS[number]
        name, own = FORMULAS[operation], dict(modulus=this["modulus"], operation=operation)
        sweep = this.sweep(operation, task="modular", **own, **same)
        return seen(name, sweep, *of_residues(sweep))
    letter, size = GROUPS[number - len(OPERATIONS)]
    name = f"{letter}{this[size]}"
    sweep = this.sweep(name, task="group", group=name, **same)
    return seen(f"group {name}", sweep, of_group(sweep), {})


def seen(name: str, sweep: Sweep, key: list[list[str]], gini: dict[str, np.ndarray]) -> Found:
    """The times of all runs of a sweep, with what they are made of."""
    train, test = (sweep.metrics[metric][..., 0] for metric in ("loss", "test_loss"))
    at = sweep.metrics["test_step"]
    return Found(
        name,
        statistics.until_below(train, SOLVED, smoothing=1),
        statistics.until_below(test, SOLVED, steps=at, smoothing=1),
        test[:, -1],
        key,
        gini,
    )


def of_residues(sweep: Sweep) -> tuple[list[list[str]], dict[str, np.ndarray]]:
    """Key frequencies of the embedding over the residues or, starred, over the powers of a generator, in the
    order whose spectrum is the more unequal one; and the Gini coefficients of both.
    """
    modulus, table = sweep.task.modulus, np.asarray(sweep.params()["W_E"])
    orders = {"residues": np.arange(modulus)}
    with contextlib.suppress(ValueError):  # a modulus that is no odd prime has no generator
        orders["powers of a generator"] = components.generator_powers(modulus)
    spectra = {name: spectrum(table[:, order]) for name, order in orders.items()}
    gini = {name: np.array([fourier.gini(row) for row in rows]) for name, rows in spectra.items()}
    best = [max(gini, key=lambda name: gini[name][run]) for run in range(len(table))]
    key = [
        [
            f"{frequency + 1}{'*' * (order != 'residues')}"
            for frequency in np.flatnonzero(spectra[order][run] >= TIMES_EQUAL / spectra[order].shape[1])
        ]
        for run, order in enumerate(best)
    ]
    return key, gini


def spectrum(rows: np.ndarray) -> np.ndarray:
    """The share of each frequency in the embedding of every run, [S, F]."""
    return np.stack([np.asarray(fourier.power(row, len(row))) for row in rows])


def of_group(sweep: Sweep) -> list[list[str]]:
    """The key representations of every run at the end."""
    names = components.of_task(sweep.task).names
    clusters = gj.map_runs(lambda run: progress.clusters(run, threshold=SHARE))(sweep.runs())
    least = NEURONS * clusters.share.shape[1]
    return [[names[i] for i in np.flatnonzero(row >= least)] for row in clusters.counts_above]


def numbers(each: Found) -> dict[str, Any]:
    """What is kept of a task; a step is null where a run did not get there, a median where most did not."""
    at = lambda times: np.where(times.ended, times.time, np.nan)
    return dict(
        memorised=at(each.memorised),
        grokked=at(each.grokked),
        share=each.grokked.share,
        median=each.grokked.median,
        final_test_loss=each.final,
        key=[" ".join(names) for names in each.key],
        **{f"gini over {name}": statistics.quantile(values) for name, values in each.gini.items()},
    )


def answer(this: Study, found: dict[int, Found]) -> Result:
    """Which tasks grok, against what was published of them."""
    solved = [number for number in GROK if number in found]
    most = sum(found[number].grokked.ended.mean() > 0.5 for number in solved)
    return Result(
        "000-14",
        "Most runs grok on {solved} that generalise in the paper; on a polynomial that does not there, "
        "{hard} do.",
        dict(
            solved=count(
                "tasks that generalise in the paper, and here in most runs", most, len(solved), "tasks"
            ),
            hard=that_grok(found, MAY_NOT, "a polynomial that does not generalise in the paper"),
            chance=that_grok(found, CANNOT, "a random table"),
            **{f"grok_{n}": that_grok(found, n, each.name) for n, each in found.items()},
            **{
                f"step_{n}": time(f"{each.name}: step of grokking", each.grokked, this["steps"])
                for n, each in found.items()
            },
        ),
        "Confirmed where most runs of a+b, a-b, a/b, the parity task, a^2+b^2, a^2+ab+b^2 and the symmetric "
        f"group have a test loss below {SOLVED} nats by the last step, less than half of a^3+ab^2+b and none "
        "of the random table; refuted where one of these two groks with an interval above one half; else "
        "open.",
        verdict(this, found),
        [
            f"A table mod {this['modulus']} has {this['modulus'] ** 2} pairs; the paper's, mod 97, has 9409.",
            "A run that has not grokked by the last step may do so later.",
        ],
    )


def that_grok(found: dict[int, Found], number: int, name: str) -> Measured:
    """How many runs of a task grok; none of none where it was not trained."""
    ended = found[number].grokked.ended if number in found else np.zeros(0, bool)
    return share(f"{name}: runs that grok", int(ended.sum()), len(ended))


def verdict(this: Study | dict[str, Setting], found: dict[int, Found]) -> str:
    """The rule of the docstring."""
    if missing := sorted({*GROK, MAY_NOT, CANNOT} - set(found)):
        return f"open: --tasks lacks {', '.join(map(str, missing))}"
    ended = {n: each.grokked.ended for n, each in found.items()}
    low = [n for n in GROK if ended[n].mean() <= 0.5]
    high = [n for n, most in ((MAY_NOT, 0.5), (CANNOT, 1e-9)) if ended[n].mean() >= most]
    least = [statistics.wilson(int(ended[n].sum()), len(ended[n])).low or 0.0 for n in high]
    if any(share > 0.5 for share in least):
        told = [*((n, "does") for n in high), *((n, "does not") for n in low)]
        return f"refuted: {'; '.join(f'{found[n].name} {does}' for n, does in told)}"
    if not low:
        some = [found[n].name for n in high]
        return f"open: some runs of {some[0]} grok; more --seeds would tell" if some else "confirmed"
    most = "most runs" if all(ended[n].mean() < 0.5 for n in low) else "half of the runs or more"
    where = f"at modulus {this['modulus']} {most} of {NUMBERS[len(low)]} of the {NUMBERS[len(GROK)]} tasks"
    return f"open: {where} do not grok in {this['steps']:,} steps; modulus 97 and S5 would settle it"


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
