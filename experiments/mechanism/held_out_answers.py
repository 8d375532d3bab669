"""What held-out pairs and relabelled tokens answer, with the rules."""

import math

import numpy as np

from experiments.frame.bounds import above, all_above, below, sided, within
from experiments.frame.measured import Measured, exact, interval, mean, time
from experiments.frame.result import Result
from grokjax.curves import statistics

FALLEN = 1.0
"""Nats below which a digit's loss has fallen."""
LEARNED, GENERAL = 0.99, 0.9
"""Accuracies above which what is shown is learned, and what is not shown comes by itself."""
RESAMPLES = 4000
EQUAL = 1.25
"""Times within this factor of each other count as equal."""


def resampled(quantity: str, values: np.ndarray, of: str = "runs") -> Measured:
    """The mean of shares [S, D] of every run in every draw, with the bootstrap's interval over both: it lies
    between the least and the largest share, as Student's would not.
    """
    x = np.asarray(values, float)
    runs, draws = x.shape
    if runs < 2:
        return interval(quantity, statistics.Interval(float(x.mean()), None, None), "", runs, of)
    random = np.random.default_rng(0)
    rows = random.integers(runs, size=(RESAMPLES, runs, 1))
    columns = random.integers(draws, size=(RESAMPLES, 1, draws))
    low, high = np.quantile(x[rows, columns].mean((1, 2)), (0.025, 0.975))
    found = statistics.Interval(float(x.mean()), float(low), float(high))
    return interval(quantity, found, "", runs, of)


def by_share(rows: dict[str, Measured]) -> str:
    """In words where what is never shown stays wrong (confirmed), comes by itself (refuted), or is open."""
    kinds = {name: sided(row, GENERAL, "refuted", "confirmed", "open") for name, row in rows.items()}
    if len(set(kinds.values())) == 1:
        return next(iter(kinds.values()))
    return ", ".join(f"{kind} at {name}" for name, kind in kinds.items())


def shown(
    modulus: int, pairs: dict[int, list[np.ndarray]], table: dict[float, list[np.ndarray]], steps: int
) -> Result:
    """001-54: memorising and generalising."""
    rows: dict[str, Measured] = {}
    never: dict[str, dict[str, Measured]] = {"digit pairs": {}, f"mod {modulus}": {}}
    for i, name in enumerate(("shown", "never")):
        for count, parts in pairs.items():
            what = f"units right, pairs {'never ' if i else ''}shown, {count} held out"
            rows[f"pairs_{name}_{count}"] = row = resampled(what, parts[i], "seeds")
            never["digit pairs"] |= {f"{count} held out": row} if i else {}
        for fraction, parts in table.items():
            what = f"mod {modulus}, the table {'never ' if i else ''}shown, {fraction:.0%} of it shown"
            rows[f"mod_{name}_{fraction:.1f}".replace(".", "")] = row = resampled(what, parts[i][:, None])
            never[f"mod {modulus}"] |= {f"{fraction:.0%} shown": row} if i else {}
    learned = all_above([row for key, row in rows.items() if "_shown_" in key], LEARNED)
    words = {name: by_share(found) for name, found in never.items()}
    kinds, first = set(words.values()), max(pairs)
    return Result(
        "001-54",
        f"After all steps what is shown is learned; of digit pairs never shown {{pairs_never_{first}}} are "
        f"right, mod {modulus} {{mod_never_03}} where least is shown."
        if learned
        else f"Not all that is shown is learned: {{pairs_shown_{first}}} of the digit pairs, "
        "{mod_shown_03} of the smallest part of the table.",
        rows,
        f"What is shown must be right above {LEARNED:g} everywhere. Then confirmed where what is never shown "
        f"is right below {GENERAL:g}, refuted where it is right above, open where the interval holds it "
        "(whole intervals), mixed if it depends on the share shown or the task.",
        "open: what is shown is not learned in so many steps; more would tell"
        if not learned
        else "open: the intervals hold the limit; more seeds would tell"
        if kinds == {"open"}
        else kinds.pop()
        if kinds in ({"confirmed"}, {"refuted"})
        else "mixed: "
        + "; ".join(
            f"{word} of {name}" if word in ("confirmed", "refuted", "open") else f"{name} {word}"
            for name, word in words.items()
        ),
        [
            f"All runs are trained for {steps} steps.",
            f"The pairs held out are drawn anew {pairs[first][0].shape[1]} times.",
        ],
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
