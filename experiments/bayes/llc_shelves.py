"""Does the learning coefficient step when a shelf of addition ends, and which part of the model moves first?

    python -m experiments.bayes.llc_shelves

--digits 3 digits in sequence mode, most significant first, --d_model 64 with 4 heads, --batch 128, decay .1,
--seeds 4, --steps 1500. At every 50th step the coefficient of the whole model and that restricted to every
embedding, head, the MLP and the unembedding, at γ = 1000 on --examples 1024 fixed problems: --chains 4 of
--burn_in 40 steps and --draws 30, gradients from --batch_size 64 examples, ε = 1e-4.

An exit is the end of a shelf (`curves.shelves`) of one digit that was left after 200 steps or more, exits of
a run within 50 steps of each other being one. The jump is what the coefficient changes from the last
snapshot on the shelf to the first one 150 steps or more after its end; the drift what it changed in as long a
time before. Rule, set before the numbers were seen: it steps (confirmed) if in three of four exits |jump| is
above two standard errors, and the interval of the mean |jump| − |drift|, exits averaged within their runs,
lies above 0; it does not (refuted) if that interval lies below 0; else it is open. The first part to move is
the one whose restricted coefficient is first half the way through its jump, of those that jump by more than
two standard errors.

Time: 6 minutes on two cores that others used too; GPU: not measured. Changed after a first look: a mean below
0 counted as refuted, however wide its interval. Changed after a review: what is more, jump or drift, is said
without a negative number.
"""

import sys
from typing import Any

import numpy as np

from experiments.bayes import estimating, pictures
from experiments.bayes.shelf_exits import SPACING, Exit, Jump, at_exits, by_run, exits, firsts
from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, interval
from experiments.frame.result import Result
from experiments.frame.study import Setting, Study
from grokjax.curves import statistics
from grokjax.interp.bayes import masks

DEFAULTS: dict[str, Setting] = {
    "digits": 3,
    "d_model": 64,
    "batch": 128,
    "seeds": 4,
    "steps": 1500,
    "examples": 1024,
    **estimating.CHAINS,
    "draws": 30,
    "burn_in": 40,
    "batch_size": 64,
}
SMALL: dict[str, Setting] = {
    "digits": 1,
    "d_model": 4,
    "batch": 8,
    "seeds": 2,
    "steps": 150,
    "examples": 8,
    **estimating.FEW,
}
GAMMA = 1000.0
CELLS = [(GAMMA, estimating.epsilon(GAMMA))]


def measure(this: Study) -> Finding:
    """Coefficients of the model and of its parts over training, and what they do at the exits."""
    sweep = this.sweep(
        "addition",
        digits=this["digits"],
        d_model=this["d_model"],
        heads=4,
        batch=this["batch"],
        weight_decay=0.1,
        epoch_steps=SPACING,
        save="every:1",
    )
    names = list(masks.components(sweep.run(0).params))
    whole = estimating.estimates(this, sweep, "whole", epochs=sweep.epochs, cells=CELLS)
    parts = estimating.estimates(this, sweep, "parts", epochs=sweep.epochs, cells=CELLS, parts=names)
    steps = np.array([sweep.steps(epoch) for epoch in sweep.epochs])
    found = exits(sweep, steps)
    jumps = {name: at_exits(found, parts, i, steps) for i, name in enumerate(names)}
    jumps["whole model"] = at_exits(found, whole, 0, steps)
    curves = np.asarray(sweep.metrics["loss"])
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, decay .1, {this['steps']} "
        f"steps; {len(steps)} snapshots, {this['chains']} chains each",
        seeds=this.seeds,
        answers=[answer(found, jumps, whole, parts)],
        numbers=numbers(found, jumps, names, steps, whole, parts),
        plot=pictures.steps_of_parts(
            steps,
            whole["mean"][:, :, 0],
            {name.removeprefix("blocks.0."): parts["mean"][:, :, i] for i, name in enumerate(names)},
            {f"digit {digit}": curves[:, :, digit] for digit in range(curves.shape[2])},
            [(one.run, one.step) for one in found],
        ),
    )


def answer(
    found: list[Exit],
    jumps: dict[str, list[Jump]],
    whole: dict[str, np.ndarray],
    parts: dict[str, np.ndarray],
) -> Result:
    """The rule above."""
    own = jumps["whole model"]
    clear = sum(abs(jump.jump) > 2 * jump.error for jump in own)
    by = by_run(found, own)
    excess = statistics.mean(by)
    less = (excess.value or 0.0) < 0
    what, told = ("|drift| less |jump|", statistics.mean(-by)) if less else ("|jump| less |drift|", excess)
    counts = firsts(jumps)
    ends = len(found)
    # exits of a run are not independent: no interval
    of_exits = lambda quantity, count: Measured(
        quantity, count / max(ends, 1), unit="share", n=ends, of="exits", count=count
    )
    return Result(
        "003-05",
        "Where shelves of addition end the coefficient jumps clearly at {clear}, by {excess} "
        + ("less than it drifted in as long a time before." if less else "more than it drifted before."),
        dict(
            clear=of_exits("exits with |jump| above two standard errors", clear),
            up=of_exits("exits with a jump upwards", sum(jump.jump > 0 for jump in own)),
            excess=interval(f"{what}, exits averaged within their runs", told, "", len(by)),
            **{
                f"first_{i}": of_exits(f"exits at which it is {name} that moves first", count)
                for i, (name, count) in enumerate(counts.most_common(4))
            },
            **estimating.mixing(whole, of="whole model"),
            **{f"parts_{name}": row for name, row in estimating.mixing(parts, of="parts").items()},
        ),
        "Confirmed if in three of four exits |jump| is above two standard errors, and the interval of the "
        "mean |jump| less |drift|, exits averaged within their runs, lies above 0; refuted if it lies "
        "below 0; else open.",
        verdict(clear, len(found), excess),
        [
            f"γ = {GAMMA:g}, where estimates need not have a plateau: they are compared with each other "
            "alone.",
            "Exits of a run are not independent: their counts have no interval.",
            *from_the_start(found),
        ],
    )


def from_the_start(found: list[Exit]) -> list[str]:
    """What to know where a drift begins before training, where an estimate is of no minimum."""
    early = sum(one.places[0] == 0 for one in found)
    said = f"At {early} of {len(found)} exits the drift begins at step 0, where estimates mean nothing"
    return [f"{said}: without these it may be smaller."] if early else []


def verdict(clear: int, exits: int, interval: statistics.Interval) -> str:
    """Whether the coefficient steps where shelves end."""
    if not exits or interval.value is None or interval.low is None:
        return "open: too few shelves end within the training; more steps or seeds would settle it"
    if clear >= 0.75 * exits and interval.low > 0:
        return "confirmed"
    if interval.high is not None and interval.high < 0:
        return "refuted"
    return "open: it steps at some ends and drifts as much elsewhere; more seeds would settle it"


def numbers(
    found: list[Exit],
    jumps: dict[str, list[Jump]],
    names: list[str],
    steps: np.ndarray,
    whole: dict[str, np.ndarray],
    parts: dict[str, np.ndarray],
) -> dict[str, Any]:
    """Medians over runs of every part at every snapshot, and the exits."""
    return dict(
        step=steps,
        exits=[dict(run=one.run, step=one.step) for one in found],
        first_to_move=dict(firsts(jumps)),
        half_way_after_exit={
            name: statistics.median([jump.half for jump in each if np.isfinite(jump.half)])
            for name, each in jumps.items()
        },
        jump={name: statistics.mean([jump.jump for jump in each]) for name, each in jumps.items()},
        whole_model=dict(
            median_llc=np.nanmedian(whole["mean"][:, :, 0], 1), negative=int((whole["mean"] < 0).sum())
        ),
        parts={name: np.nanmedian(parts["mean"][:, :, i], 1) for i, name in enumerate(names)},
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
