"""Are the answer's digits independent, calibrated, evenly likely: answers of `joint_distribution`."""

import numpy as np

from experiments.frame.bounds import above, below
from experiments.frame.measured import exact as enumerated
from experiments.frame.measured import interval, mean, share
from experiments.frame.result import Result
from experiments.plateaus import answer_laws
from grokjax.curves import statistics

DEPENDENT, CALIBRATED, EVEN = 0.05, 0.05, 0.1
"""Nats of total correlation from which on digits depend on each other; the most calibration error (share of
the probability) of a calibrated margin; total variation within which odds are even.
"""


def joint_or_not(found: dict[str, answer_laws.Found], correlation: dict[str, float]) -> Result:
    """000-11."""
    sure = 1 - 0.05 / len(found)
    n = len(next(iter(found.values()))["correlation"])
    rows = {
        f"at_{i}": interval(f"total correlation, {name}", statistics.mean(x["correlation"], sure), "nats", n)
        for i, (name, x) in enumerate(found.items())
    }
    for i, (name, x) in enumerate(found.items()):
        known = min(correlation, key=lambda one, x=x: float(np.mean(x[f"variation, {one}"])))  # type: ignore[misc]
        rows[f"near_{i}"] = mean(
            f"{name}: total variation to the nearest exact law, that given {known}",
            x[f"variation, {known}"],
            "",
        )
    rows |= {
        f"exact_{i}": enumerated(f"total correlation of the exact law given {name}", x)
        for i, (name, x) in enumerate(correlation.items())
    }
    at = [rows[f"at_{i}"] for i in range(len(found))]
    joint = any(row.low is not None and row.low > DEPENDENT for row in at)
    separable = all(row.high is not None and row.high < DEPENDENT for row in at)
    return Result(
        "000-11",
        "A joint one: where the units are at ln 10 its digits share {at_1}, and {at_3} at the end.",
        rows,
        f"Joint if in some regime the total correlation of the predicted law is above {DEPENDENT} nats, "
        "separable if it is below in all (whole intervals, Bonferroni over the regimes): confirmed if joint, "
        "refuted if separable.",
        "confirmed"
        if joint
        else "refuted"
        if separable
        else "open: the intervals reach over the threshold; more seeds would tell",
    )


def margins(found: dict[str, answer_laws.Found]) -> Result:
    """000-12."""
    rows, good, bad = {}, [], []
    for i, (name, x) in enumerate(found.items()):
        row = rows[f"beyond_{i}"] = mean(
            f"calibration error of the units' margin beyond chance, {name}", x["beyond"], ""
        )
        rows[f"raw_{i}"] = mean(f"the same, chance included, {name}", x["calibration"], "")
        good += [name] * (row.high is not None and row.high < CALIBRATED)
        bad += [name] * (row.low is not None and row.low > CALIBRATED)
    return Result(
        "000-12",
        "They are extracted by summing the chain rule; the units' margin is off by {beyond_1} at ln 10, by "
        "{beyond_2} where the tens are at ln 2.",
        rows,
        f"Confirmed if in every regime the calibration error beyond chance is below {CALIBRATED}, refuted if "
        "above it in every one (whole intervals), mixed otherwise.",
        "confirmed"
        if len(good) == len(found)
        else "refuted"
        if len(bad) == len(found)
        else f"mixed: confirmed ({', '.join(good) or 'never'}); refuted ({', '.join(bad) or 'never'})"
        if good or bad
        else "open: the intervals reach over the threshold; more seeds would tell",
        ["A margin sums over wrong digits written before, which training never shows."],
    )


def even_odds(
    found: dict[str, answer_laws.Found], rests: dict[str, np.ndarray], third: np.ndarray, on_shelf: np.ndarray
) -> Result:
    """001-75."""
    claims = {
        "leading": ("0 or 1", found["leading at ln 2"]["leading"], rests["leading at ln 2"]),
        "units": ("0 to 9", found["units at ln 10"]["units"], rests["units at ln 10"]),
        "sum": ("sum or sum + 1", third[on_shelf], on_shelf),
    }
    rows = {key: mean(f"total variation to even odds, {name}", x, "") for key, (name, x, _) in claims.items()}
    rows |= {
        f"rest_{key}": share(f"runs with a shelf there, {name}", int(on_it.sum()), len(on_it))
        for key, (name, _, on_it) in claims.items()
    }
    rows["passing"] = mean(
        "tens in sequence mode passing ln 2, to .55 : .45", found["tens at ln 2"]["tens"], ""
    )
    none = [name for name, _, on_it in claims.values() if not on_it.any()]
    judged = {key: name for key, (name, *_) in claims.items() if name not in none}
    even = [name for key, name in judged.items() if below(rows[key], EVEN)]
    off = [name for key, name in judged.items() if above(rows[key], EVEN)]
    rest = [name for name in judged.values() if name not in (*even, *off)]
    kinds = {"confirmed": even, "refuted": off, "undecided": rest, "no shelf": none}
    return Result(
        "001-75",
        "On their shelves ten digits are {units} from even odds in total variation, the two sums {sum}.",
        rows,
        f"Confirmed if each of the three laws is within {EVEN} of even odds in total variation, refuted if "
        "none is (whole intervals), mixed otherwise. Sum and sum + 1: the runs with a shelf there. A law at "
        "whose level no run has a shelf gets no verdict.",
        "confirmed"
        if len(even) == len(claims)
        else "refuted"
        if len(off) == len(claims)
        else "mixed: " + "; ".join(f"{what} of {', '.join(names)}" for what, names in kinds.items() if names)
        if even or off
        else "open: the intervals reach over the threshold; more seeds would tell",
        ["Sum and sum + 1 have the exact odds .505 : .495 in digit 2."],
    )
