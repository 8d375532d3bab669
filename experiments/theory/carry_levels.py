"""The exact chances of carries, and their levels: answers of `additive_bounds`."""

import math
from fractions import Fraction

from experiments.frame.measured import Measured, exact
from experiments.frame.result import Result
from grokjax.theory import columns, levels, sums


def on_carries() -> list[Result]:
    """The exact chances of carries, and their levels."""
    chance = [columns.carry_probability(10, k) for k in (1, 2, 3)]
    rows = {
        f"digit_{k}": exact(f"chance of a carry into digit {k}", float(c), "")
        for k, c in enumerate(chance, 1)
    }
    return [
        into_second_digit(chance[0], rows),
        ten_percent_wrong(rows),
        near_ln_2([sums.binary_entropy(c) for c in chance]),
    ]


def into_second_digit(chance: Fraction, rows: dict[str, Measured]) -> Result:
    """001-02."""
    return Result(
        "001-02",
        "Exactly: a carry comes into the second digit with chance {digit_1}; higher digits are nearer "
        "to one half.",
        rows,
        "Confirmed if the enumerated chance is 9/20.",
        "confirmed" if chance * 20 == 9 else "refuted",
    )


def ten_percent_wrong(rows: dict[str, Measured]) -> Result:
    """001-63."""
    wrong = sums.binary_entropy(0.1)
    off, near, where = min(
        (abs(row.nats - wrong), row.nats, f"digit {row.digit} of {n}, {row.known}")
        for n in range(2, 6)
        for order in levels.ORDERS
        for row in levels.named(10, n, order)
        if row.nats
    )
    return Result(
        "001-63",
        "Nowhere: the addition table is right half of the time, and the level nearest to {wrong} is {near}.",
        dict(
            wrong=exact("h(.1), the level that the note expects", wrong),
            near=exact(f"nearest level of 2 to 5 digits, both orders: {where}", near),
            **rows,
        ),
        "Refuted if no level of any information set lies within .02 nats of h(.1).",
        "refuted" if off > 0.02 else "open: a level lies within .02 nats; an atlas of runs would settle it",
    )


def near_ln_2(nats: list[float]) -> Result:
    """001-64."""
    shelves = {f"digit_{k}": exact(f"level h(c), digit {k}", x) for k, x in enumerate(nats, 1)}
    return Result(
        "001-64",
        "Yes, nearly: the level is {digit_1} for the second digit and {digit_2} for the third.",
        shelves,
        "Confirmed if the levels of digits 1 to 3 lie within .01 nats of ln 2.",
        "confirmed" if all(abs(x - math.log(2)) < 0.01 for x in nats) else "refuted",
    )
