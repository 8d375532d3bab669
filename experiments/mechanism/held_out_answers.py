"""What held-out pairs and relabelled tokens answer, with the rules."""

import math

import numpy as np

from experiments.frame.bounds import above, all_above, below, crossed, within
from experiments.frame.measured import Measured, exact, mean, time
from experiments.frame.result import Result
from grokjax.curves import statistics

FALLEN = 1.0
"""Nats below which a digit's loss has fallen."""
LEARNED, GENERAL = 0.99, 0.9
"""Accuracies above which what is shown is learned, and what is not shown comes by itself."""
EQUAL = 1.25
"""Times within this factor of each other count as equal."""


def shown(modulus: int, pairs: dict[int, list[np.ndarray]], table: dict[float, list[np.ndarray]]) -> Result:
    """001-54: memorising and generalising."""
    rows: dict[str, Measured] = {}
    for i, name in enumerate(("shown", "never")):
        for count, parts in pairs.items():
            rows[f"pairs_{name}_{count}"] = crossed(
                f"units right, pairs {'never ' if i else ''}shown, {count} held out", parts[i], "", "seeds"
            )
        for fraction, parts in table.items():
            rows[f"mod_{name}_{fraction:.1f}".replace(".", "")] = mean(
                f"mod {modulus}, the table {'never ' if i else ''}shown, {fraction:.0%} of it shown",
                parts[i],
                "",
            )
    of = lambda start: [row for key, row in rows.items() if key.startswith(start)]
    learned = all_above(of("pairs_shown") + of("mod_shown"), LEARNED)
    rest = {"digit pairs": of("pairs_never"), f"the table mod {modulus}": of("mod_never")}
    words = {
        name: "confirmed"
        if all(below(row, GENERAL) for row in found)
        else "refuted"
        if all_above(found, GENERAL)
        else "confirmed at some shares only"
        for name, found in rest.items()
    }
    first = max(pairs)
    return Result(
        "001-54",
        f"What is shown is learned; of digit pairs never shown {{pairs_never_{first}}} are right, mod "
        f"{modulus} {{mod_never_03}} where least is shown."
        if learned
        else f"Not all that is shown is learned: {{pairs_shown_{first}}} of the digit pairs, "
        "{mod_shown_03} of the smallest part of the table.",
        rows,
        f"What is shown must be right above {LEARNED:g} everywhere. Then confirmed where all that is never "
        f"shown is right below {GENERAL:g}, refuted where all is above (whole intervals), mixed if it "
        "depends on the share shown or the task.",
        "open: the table shown is not learned in so many steps; more would tell"
        if not learned
        else next(iter(words.values()))
        if len(set(words.values())) == 1 and "some" not in str(words)
        else "mixed: " + "; ".join(f"{word} of {name}" for name, word in words.items()),
        [f"The pairs held out are drawn anew {pairs[first][0].shape[1]} times."],
    )


def of_names(
    times: dict[str, list[statistics.Times]], order: dict[str, dict[str, np.ndarray]], steps: int
) -> tuple[dict[str, Measured], list[Measured], list[Measured]]:
    """The numbers of 001-55; of these the ratios of times; and how R² of a digit's value grows."""
    rows: dict[str, Measured] = {}
    for digit, (a, b) in enumerate(zip(times["plain"], times["relabelled"], strict=True)):
        both = a.ended & b.ended
        # where a run is not there yet, its pair says nothing: then too few are left
        logs = np.log(np.maximum(b.time, 1) / np.maximum(a.time, 1)) if both.all() else np.array([])
        rows[f"ratio_{digit}"] = mean(f"ln of time relabelled / plain, digit {digit}", logs, "")
        rows[f"plain_{digit}"] = time(f"digit {digit} below {FALLEN:g} nat, plain", a, steps)
        rows[f"renamed_{digit}"] = time(f"digit {digit} below {FALLEN:g} nat, relabelled", b, steps)
    ratios = [row for key, row in rows.items() if key.startswith("ratio")]
    for i, (name, of) in enumerate(order.items()):
        for what in ("value", "circle"):
            rows[f"{what}_{i}"] = mean(
                f"R² of a left-out digit's {what}, end, {name}", of[f"{what}, end"], ""
            )
            rows[f"{what}_start_{i}"] = mean(
                f"R² of a left-out digit's {what}, start, {name}", of[f"{what}, start"], ""
            )
    grown = [
        mean("growth", of["value, end"] - of["value, start"], "")
        for of in (order["plain"], order["relabelled"])
    ]
    return rows, ratios, grown


def named(
    times: dict[str, list[statistics.Times]], order: dict[str, dict[str, np.ndarray]], steps: int
) -> Result:
    """001-55: relabelling, and the order in W_E."""
    rows, ratios, grown = of_names(times, order, steps)
    same = all(within(row, math.log(EQUAL)) for row in ratios)
    other = any(above(row, math.log(EQUAL)) or below(row, -math.log(EQUAL)) for row in ratios)
    rows["margin"] = exact("ln of the factor within which times count as equal", math.log(EQUAL), "")
    parts = {
        "names change no time": "confirmed" if same else "refuted" if other else "open",
        "the order grows in W_E": "confirmed"
        if all_above(grown, 0)
        else "refuted"
        if any(below(row, 0) for row in grown)
        else "open",
    }
    found = set(parts.values())
    return Result(
        "001-55",
        "From the table: at the end a digit's value is read off W_E with R² {value_0}, with tokens "
        "relabelled {value_1}.",
        rows,
        f"Two claims: names change no time by more than a factor of {EQUAL:g}, paired by seed, in any digit "
        "(whole intervals); R² of a digit's value grows, plain and relabelled.",
        found.pop()
        if len(found) == 1 and "open" not in found
        else "open: an interval holds a margin, or runs are not there yet; more seeds or steps would tell"
        if "open" in found
        else "mixed: " + ", ".join(f"{word} that {claim}" for claim, word in parts.items()),
    )
