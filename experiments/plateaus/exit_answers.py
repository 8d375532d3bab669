"""When digits leave their first shelf: answers of `exit_times`, whose rules stand here."""

import math
from collections.abc import Mapping, Sequence

from experiments.frame.measured import Measured, interval, share, time
from experiments.frame.result import Result
from experiments.plateaus.exit_law import FORMS, Cell, Lack, Law
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval

RULED = (0, 1)
"""The digits that the verdict rests on: those of which at least three lengths are measured."""
SAME = 0.25
"""Two powers are one if the whole interval of their difference is nearer to 0 than this."""
APART = 2.0
"""Log-likelihood by which one form of growth must beat the other."""
LEVEL = 0.05
MOST = 0.8
"""Share of the variance between cells that a law must explain."""
RULE = (
    "Fixed before the numbers. A model misses its cells if its lack of fit has p < .05 (against data made by "
    "the model, exits not seen included; Holm over the two digits). Confirmed as a law if in digits 0 and 1 "
    "a power of the base, with a level for each length, does not miss; the two powers are one (the interval "
    f"of their difference holds 0 and lies within ±{SAME}); a growth in the length n, as c^n or as n^q, "
    f"does not miss; and both together explain {MOST:.0%} of the variance between cells. Refuted if a power "
    "of the base misses in both digits. Open if too few exits are seen, or if only whether the powers are "
    "one is undecided. Else mixed. Of two growths that do not miss, the likelier holds if its "
    f"log-likelihood, summed over the digits, is greater by {APART:g} or more; else they are not told apart."
)
GROWTHS = {
    "exponential": "factor c for each further digit of the operands",
    "power": "power q of the number of digits",
}
LENGTHS = {
    "exponential": "exponentially in the length",
    "power": "as a power of the length",
    "either": "its form in the length is undecided",
    "neither": "no law of the length fits",
}


def its_law(
    cells: Sequence[Cell],
    laws: Sequence[Law | None],
    powers: Mapping[str, Interval],
    sizes: Mapping[str, Mapping[str, Interval]],
) -> Result:
    """001-15.

    laws: of the digits RULED;  powers: of the base by digit, and the `difference` of those of RULED
    sizes: by size, the same powers measured at the bases and the length that both sizes have
    """
    seeds = len(cells[0].times.ended)
    found = [one for one in laws if one is not None]
    left, runs = sum(int(c.times.ended.sum()) for c in cells), sum(len(c.times.ended) for c in cells)
    rows = {}
    for d, x in powers.items():
        what = "digit 1 less digit 0" if d == "difference" else f"digit {d}"
        rows[f"power_{d}"] = interval(f"{what}: power of the base", x, "", seeds)
    for one in found:
        rows |= of_law(one, seeds)
    rows |= of_sizes(sizes, seeds)
    rows["seen"] = share("exits seen", left, runs, "runs × digits")
    rows |= {f"b{c.base}_n{c.n}_digit_{c.digit}": cell(c) for c in cells}
    whole = len(found) == len(RULED) and "difference" in powers
    return Result(
        "001-15",
        its_sentence(found) if whole else "Too few runs leave ln b for a law: {seen}.",
        rows,
        RULE,
        verdict(found, powers["difference"])
        if whole
        else "open: too few exits are seen; more steps or bases would tell",
        [
            "The digit that follows the leading one starts below ln b, since it reads that digit: left out.",
            "Exits of one cell are taken as log-normal, with one spread for all bases of a length; runs of "
            "different tasks are taken as independent.",
            *size_caveat(sizes),
        ],
    )


def its_sentence(laws: Sequence[Law]) -> str:
    """The law in a sentence, and what is said of the length."""
    fitting = fits([law.of_base for law in laws])
    if not any(fitting):
        return (
            "No power of the base fits the exits of either digit; the nearest are {power_0} at digit 0, "
            "{power_1} at digit 1."
        )
    missed = "".join(
        f" (a misfit at digit {law.digit})" for law, fit in zip(laws, fitting, strict=True) if not fit
    )
    said = "The step grows as the base to the power {power_0} at digit 0, {power_1} at digit 1"
    return f"{said}{missed}; {LENGTHS[growth(laws)]}."


def of_law(law: Law, seeds: int) -> dict[str, Measured]:
    """The rows of one digit's law."""
    d, cells = law.digit, len(law.predicted)
    of_cells = lambda what, x: interval(f"digit {d}: {what}", Interval(x, None, None), "", cells, "cells")
    growths = [interval(f"digit {d}: {GROWTHS[form]}", law.growth[form], "", seeds) for form in FORMS]
    gap = law.likelihood["exponential"] - law.likelihood["power"]
    tests = {"base": ("a power of the base", law.of_base)}
    tests |= {form: (name, law.of_length[form]) for form, name in zip(FORMS, ("c^n", "n^q"), strict=True)}
    return {
        f"factor_{d}": growths[0],
        f"length_power_{d}": growths[1],
        f"likelihood_{d}": of_cells("log-likelihood, growth as c^n less growth as n^q", gap),
        **{
            f"lack_of_{key}_{d}": of_cells(f"p of the lack of fit of {name} ({tested(one)})", one.p)
            for key, (name, one) in tests.items()
        },
        f"explained_{d}": of_cells("share of the variance between cells explained", law.explained),
    }


def of_sizes(sizes: Mapping[str, Mapping[str, Interval]], seeds: int) -> dict[str, Measured]:
    """The rows of the powers of the base at the bases and the length that two sizes have."""
    return {
        f"{name}_size_{d}": interval(
            f"digit {d}, {size}: power of the base, bases of both sizes", x, "", seeds
        )
        for name, (size, own) in zip(("same", "other"), sizes.items(), strict=False)
        for d, x in own.items()
        if d != "difference"
    }


def tested(lack: Lack) -> str:
    """A test of lack of fit in words."""
    return f"likelihood ratio {lack.gain:.3g}, {lack.freedom} degrees of freedom"


def cell(of: Cell) -> Measured:
    """The median exit of a cell; what is not determined is later than its last step."""
    return time(f"base {of.base}, n = {of.n}, digit {of.digit}", of.times, of.until)


def fits(lacks: Sequence[Lack]) -> list[bool]:
    """Whether a model does not miss, of every digit, by Holm's p."""
    return [bool(p >= LEVEL) for p in statistics.holm([one.p for one in lacks])]


def growth(laws: Sequence[Law]) -> str:
    """How the step grows with the length: `exponential`, `power`, `either` or `neither`."""
    if not laws:
        return "either"
    holding = [form for form in FORMS if all(fits([law.of_length[form] for law in laws]))]
    total = {form: sum(law.likelihood[form] for law in laws) for form in FORMS}
    gap = abs(total[FORMS[0]] - total[FORMS[1]])
    if len(holding) == 2:
        return max(FORMS, key=total.__getitem__) if gap >= APART else "either"
    return holding[0] if holding else "neither"


def verdict(laws: Sequence[Law], difference: Interval) -> str:
    """By RULE, of the laws of both digits."""
    fitting = dict(zip([law.digit for law in laws], fits([law.of_base for law in laws]), strict=True))
    missed = [digit for digit, fit in fitting.items() if not fit]
    if len(missed) == len(laws):
        return "refuted"
    low, high = difference.low, difference.high
    known = low is not None and high is not None
    own = low is not None and high is not None and not low <= 0 <= high
    one = low is not None and high is not None and -SAME < low <= 0 <= high < SAME
    weak = [law.digit for law in laws if not law.explained >= MOST]
    parts = [f"a power of the base misses the cells of digit {digit}" for digit in missed]
    parts += ["each digit has a power of the base of its own"] if known and own else []
    parts += ["neither growth in the length fits"] if growth(laws) == "neither" else []
    parts += [f"at digit {digit} less than {MOST:.0%} of the variance is explained" for digit in weak]
    if parts:
        fit = ["at each length a power of the base fits both digits"] if not missed else []
        undecided = [] if own or one else ["one power for both is undecided"]
        return "mixed: " + "; ".join(fit + parts + undecided)
    return "confirmed" if one else "open: whether one power fits both digits; more seeds would tell"


def size_caveat(sizes: Mapping[str, Mapping[str, Interval]]) -> list[str]:
    """Whether the powers of the base are those of another size."""
    if len(sizes) < 2 or not all(sizes.values()):
        return []
    (here, own), (there, other) = list(sizes.items())[:2]
    apart = [
        f"digit {digit}"
        for digit in (own.keys() & other.keys()) - {"difference"}
        if None not in (own[digit].low, other[digit].low)
        and (own[digit].low > other[digit].high or own[digit].high < other[digit].low)  # type: ignore[operator]
    ]
    return [
        f"Measured at {here}; at {there} the power of the base differs at {', '.join(sorted(apart))}."
        if apart
        else f"Measured at {here}; at {there} the intervals of the powers of the base overlap these."
    ]


def first_descent(cells: Sequence[Cell], width: int, batch: int) -> Result:
    """001-57, from the cells of the longest task in base 10."""
    known = [of.times.median.value for of in cells if of.times.median.value is not None]
    early = min(cells, key=lambda of: of.times.median.value or math.inf)
    late = max(cells, key=lambda of: of.times.median.value or math.inf)
    hundreds = bool(known) and 100 <= min(known) < 1000
    return Result(
        "001-57",
        f"{'Hundreds of steps at' if hundreds else 'At'} width {width}: digit {early.digit} leaves "
        f"ln {early.base} first, at {{first}}, digit {late.digit} last, at {{last}}.",
        dict(
            first=time("the first digit to leave", early.times, early.until),
            last=time("the last digit to leave", late.times, late.until),
            **{f"digit_{of.digit}": cell(of) for of in cells},
        ),
        f"Confirmed if the first median exit of the {early.n}-digit runs is between 100 and 1000 steps, "
        "refuted if it is not, open if no digit has left when the runs stop before step 1000.",
        "confirmed"
        if hundreds
        else "refuted"
        if known or early.until >= 999
        else "open: no digit has left in so many steps; more would tell",
        [
            "The released run has width 512, batch 64 and rate 1e-4; "
            f"here width {width}, batch {batch}, rate 1e-3."
        ],
    )
