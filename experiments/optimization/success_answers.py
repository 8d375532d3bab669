"""How often a digit is learned: answers of `success_rates`."""

import numpy as np

from experiments.frame.measured import Measured, mean, share, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.optimization.learned_digits import NAMES, ORDERS, Cell
from grokjax.curves import statistics


def on_cells(this: Study, cells: list[Cell]) -> list[Result]:
    """Which widths and heads learn a digit, and whether they train at all."""
    return [by_size(this, cells), they_train(this, [c for c in cells if c.all_right is not None])]


def by_size(this: Study, cells: list[Cell]) -> Result:
    """001-44."""
    digit = NAMES[[c for c in cells if c.all_right is not None][-1].digit]
    widest = max(this["widths"])
    narrower = [int(c.learned.ended.sum()) for c in cells if NAMES[c.digit] == digit and c.width < widest]
    rows: dict[str, Measured] = {}
    for c in cells:
        name = f"{NAMES[c.digit]}_{c.width}_{c.heads}"
        of = f"{NAMES[c.digit]}, width {c.width}, {c.heads} head{'s' * (c.heads > 1)}"
        rows[name] = share(f"{of}: learned", int(c.learned.ended.sum()), this["seeds"])
        rows[f"{name}_left"] = time(f"{of}: leaves ln 10", c.left, this["steps"])
    return Result(
        "001-44",
        f"At the largest width {{few}} learn the {digit} with the fewest heads, {{large}} with the most"
        + ("; at smaller widths none does." if narrower and not any(narrower) else "."),
        dict(
            few=rows[f"{digit}_{widest}_{min(this['heads'])}"],
            large=rows[f"{digit}_{widest}_{max(this['heads'])}"],
            **rows,
        ),
        "Built where every size has its share of runs below .05 nats; decay, batch and width together "
        "are 000-05.",
        "built: python -m experiments.optimization.success_rates",
    )


def they_train(this: Study, large: list[Cell]) -> Result:
    """000-01."""
    done = sum(int((np.asarray(c.all_right) > 0.99).sum()) for c in large)
    runs = this["seeds"] * len(large)
    return Result(
        "000-01",
        "They train: asked for one digit alone, {right} of the largest size get it right on 99% of all "
        "problems.",
        dict(
            right=share(
                "runs right on 99% of all 10^4 problems, digit by digit",
                done,
                runs,
                "runs × digits",
            ),
            **{
                NAMES[c.digit]: mean(
                    f"share of all problems right, {NAMES[c.digit]}", np.asarray(c.all_right), ""
                )
                for c in large
            },
        ),
        "Confirmed if more than half of the runs of the largest size answer 99% of all 10^4 problems right.",
        "confirmed" if done > runs / 2 else "refuted",
        ["Sequence mode is 000-02."],
    )


def works(this: Study, orders: dict[str, tuple[np.ndarray, statistics.Times]]) -> Result:
    """Whether two digits have got to work."""
    rows, half = {}, {}
    for order, (exact, times) in orders.items():
        half[order] = int((exact > 0.99).sum())
        rows[order] = time(f"99% exact match, {ORDERS[order]}", times, this["sequence_steps"])
        rows[f"{order}_all"] = share(
            f"runs right on 99% of all 10^4 problems at the end, {ORDERS[order]}", half[order], len(exact)
        )
        rows[f"{order}_right"] = mean(f"share of all problems right, {ORDERS[order]}", exact, "")
    held = [ORDERS[order] for order in orders if half[order] > this["sequence_seeds"] / 2]
    return Result(
        "000-02",
        "It works, sooner from the units on: nearly all answers are right at {lsb}, most significant first "
        "at {msb}.",
        rows,
        f"Confirmed for an order if more than half of the runs answer 99% of all 10^4 problems right within "
        f"{this['sequence_steps']} steps.",
        "confirmed"
        if len(held) == len(orders)
        else f"mixed: confirmed {held[0]}; refuted in the other order within so many steps"
        if held
        else "refuted",
        [
            "The evaluation set of the times has fewer problems than the table; the end is scored on all "
            "of them."
        ],
    )
