"""What exact match by lengths answers, with the rules."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float
from scipy import stats

from experiments.frame.bounds import above, below
from experiments.frame.measured import Measured, exact, mean_share, share, time
from experiments.frame.result import Result
from grokjax.curves.statistics import Times

LEARNED, LEVEL = 0.5, 0.05
"""The exact match above which a run has learned a length, or adds longer numbers; the p of tests."""
FORMATS = {
    "lsb": "units first",
    "msb": "most significant first",
    "lsb with hints": "units first, index hints",
    "msb with hints": "most significant first, index hints",
}
POSITIONS = {"none": "no", "rope": "rotary", "abacus": "Abacus", "fire": "FIRE"}
CANNOT = (
    "open: no encoding adds a digit more than trained in most runs, so that this setting cannot show it; "
    "more layers, steps and trained digits would tell"
)
RULE = (
    f"A run adds longer numbers if its exact match one digit beyond those trained is above {LEARNED:g}; an "
    "encoding does if more than half of its runs do (Wilson's whole interval), and does not if fewer do and "
    f"all have learned the longest trained length (above {LEARNED:g} too). Open where no encoding does. "
)
Grids = dict[str, Float[np.ndarray, "S n n"]]


def longest(grid: Float[np.ndarray, "S n n"]) -> Float[np.ndarray, "S n"]:
    """Each run's exact match by the length of the longer operand, mean over the lengths of the other."""
    n = grid.shape[1]
    of = np.maximum(*np.indices((n, n)))
    return np.stack([grid[:, of == length].mean(1) for length in range(n)], 1)


def key(label: str) -> str:
    """The name of a cell's rows."""
    return label.replace(", ", "_").replace(" ", "_")


def words(label: str) -> str:
    """The format and the positions of a cell."""
    format_, positions = label.split(", ")
    return f"{FORMATS[format_]}, {POSITIONS.get(positions, positions)} positions"


class Beyond:
    """The rows of every cell, which have learned all trained lengths in all runs, and which add longer."""

    def __init__(self, grids: Grids, trained: int):
        self.rows: dict[str, Measured] = {}
        self.learned: dict[str, bool] = {}
        self.does: dict[str, bool] = {}
        self.does_not: dict[str, bool] = {}
        for label, grid in grids.items():
            of, n, name = longest(grid), grid.shape[1], words(label)
            able, counted = (
                share(f"runs that {what} digits, {name}", int((of[:, at] > LEARNED).sum()), len(of))
                for what, at in ((f"learn {trained}", trained - 1), (f"add {trained + 1}", trained))
            )
            self.rows |= {
                f"{key(label)}_runs": counted,
                f"{key(label)}_learned": able,
                f"{key(label)}_trained": mean_share(
                    f"exact match at {trained} digits, {name}", of[:, trained - 1]
                ),
                f"{key(label)}_next": mean_share(
                    f"exact match at {trained + 1} digits, {name}", of[:, trained]
                ),
                f"{key(label)}_far": mean_share(f"exact match at {n} digits, {name}", of[:, -1]),
            }
            self.learned[label], self.does[label] = able.count == able.n, above(counted, 0.5)
            self.does_not[label] = self.learned[label] and below(counted, 0.5)

    def of(self, labels: Iterable[str]) -> dict[str, Measured]:
        """The rows of some cells."""
        kept = tuple(key(label) for label in labels)
        return {name: row for name, row in self.rows.items() if name.rpartition("_")[0] in kept}

    def against(self, label: str, other: str) -> Measured:
        """Fisher's exact p of how many runs of two cells add longer numbers; 1 where one was not trained."""
        rows = [self.rows[f"{key(one)}_runs"] for one in (label, other) if one in self.does]
        split = [[row.count, (row.n or 0) - (row.count or 0)] for row in rows]
        p = float(stats.fisher_exact(split).pvalue) if len(split) == 2 else 1.0
        return exact(f"Fisher's exact p of the runs that do, {words(label)} against learned ones", p, "")


def answers(grids: Grids, times: dict[str, Times], trained: int, steps: int) -> list[Result]:
    """002-13 to 002-16."""
    beyond = Beyond(grids, trained)
    return [
        varied(grids, times, trained, steps),
        abacus(beyond),
        without(beyond, steps),
        by_format(beyond),
    ]


def varied(grids: Grids, times: dict[str, Times], trained: int, steps: int) -> Result:
    """002-13."""
    plain = [label for label in grids if label.startswith("lsb, ")] or list(grids)
    inside = {label: longest(grids[label])[:, trained - 1] for label in plain}
    best, worst = (choose(plain, key=lambda label: float(inside[label].mean())) for choose in (max, min))
    name = lambda label: words(label).rpartition(", ")[2]
    return Result(
        "002-13",
        f"At the longest trained length {name(best)} reach an exact match of {{{key(best)}}}, {name(worst)} "
        f"{{{key(worst)}}}.",
        {
            **{
                key(label): mean_share(f"exact match at {trained} digits, {words(label)}", values)
                for label, values in inside.items()
            },
            **{
                f"{key(label)}_down": time(f"mean loss below .1 nats, {words(label)}", times[label], steps)
                for label in plain
            },
        },
        "Built if one command trains every positional encoding on the same data, and gives its exact "
        "match and the time to a loss of .1 nats.",
        "built: python -m experiments.formats.positions",
        ["One rate for all: an encoding that wants another is at a disadvantage."],
    )


def abacus(beyond: Beyond) -> Result:
    """002-14."""
    own = [label for label in beyond.does if label.endswith(", abacus")]
    main = next(iter(own), next(iter(beyond.does)))
    other = f"{main.split(', ')[0]}, learned"
    p = beyond.against(main, other)
    return Result(
        "002-14",
        f"With Abacus {{{key(main)}_runs}} add a digit more than trained; their exact match there is "
        f"{{{key(main)}_next}}."
        if own
        else f"Abacus is not trained here; {{{key(main)}_runs}} of another encoding add a digit more.",
        beyond.of(own) | beyond.of([main]) | beyond.of(["lsb, learned", "msb, learned"]) | {"p": p},
        RULE + "Confirmed if, units first, Abacus does and learned positions do not, with counts that differ "
        f"(Fisher's exact test, p < {LEVEL:g}); refuted if it does not and another encoding does.",
        CANNOT
        if not any(beyond.does.values()) or not own
        else "confirmed"
        if beyond.does[main] and beyond.does_not.get(other) and (p.value or 0.0) < LEVEL
        else "refuted"
        if beyond.does_not[main]
        else "open: about half of the runs do, or are not told from learned positions; more runs would tell",
        [
            "Its offsets train indices past the trained lengths; learned positions there stay as drawn.",
            few(beyond.rows[f"{key(main)}_runs"]),
        ],
    )


def few(runs: Measured) -> str:
    """What so many runs say at most, by Clopper and Pearson's interval."""
    least = 0.025 ** (1 / max(runs.n or 1, 1))
    return (
        f"By an exact 95% interval, all of {runs.n} runs hold shares from {least:.2f} up, and none of them "
        f"shares up to {1 - least:.2f}."
    )


def without(beyond: Beyond, steps: int) -> Result:
    """002-15."""
    none = [x for x in ("lsb, none", "msb, none") if x in beyond.does] or list(beyond.does)[:1]
    main = none[0]
    return Result(
        "002-15",
        f"Without positions the exact match is {{{key(main)}_trained}} at the trained length, "
        f"{{{key(main)}_next}} one digit beyond.",
        beyond.of(none),
        RULE + "Confirmed if runs without positions do, units first; refuted if they do not; open if a run "
        "does not learn the trained length: what is not learned cannot generalise.",
        f"open: the trained length is not learned in {steps} steps; longer training would settle it"
        if not beyond.learned[main]
        else CANNOT
        if not any(beyond.does.values())
        else "confirmed"
        if beyond.does[main]
        else "refuted"
        if beyond.does_not[main]
        else "open: about half of the runs do; more runs would tell",
        ["A causal mask tells places apart from the second layer on: one layer sees a multiset."],
    )


def best(beyond: Beyond, labels: list[str]) -> str:
    """The cell with the largest exact match one digit beyond; of all where there are no labels."""
    return max(labels or list(beyond.does), key=lambda label: beyond.rows[f"{key(label)}_next"].value or 0.0)


def by_format(beyond: Beyond) -> Result:
    """002-16."""
    groups = {
        "units first": [label for label in beyond.does if label.startswith("lsb, ")],
        "index hints": [label for label in beyond.does if "hints" in label],
        "most significant first": [label for label in beyond.does if label.startswith("msb, ")],
    }
    hinted = " and ".join(dict.fromkeys(FORMATS[label[:3]] for label in groups["index hints"]))
    does = {name: any(beyond.does[label] for label in labels) for name, labels in groups.items()}
    none = lambda labels: bool(labels) and all(beyond.does_not[label] for label in labels)
    does_not = {name: none(labels) for name, labels in groups.items()} | {"index hints": False}
    first, last = (best(beyond, groups[name]) for name in ("units first", "most significant first"))
    claims = {
        "writing units first generalises": ("units first", does, does_not),
        f"index hints ({hinted or 'not tried'}) generalise": ("index hints", does, does_not),
        "most significant first does not": ("most significant first", does_not, does),
    }
    told = {
        part: "confirmed" if holds[name] else "refuted" if against[name] else "open"
        for part, (name, holds, against) in claims.items()
    }
    found = set(told.values())
    return Result(
        "002-16",
        f"One digit beyond, the best encoding has an exact match of {{{key(first)}_next}} units first, "
        f"{{{key(last)}_next}} most significant first.",
        beyond.rows,
        RULE + "Three claims: some encoding does, units first; index hints do, in some order (never refuted: "
        "see the caveat); none does, most significant first without them.",
        CANNOT
        if not any(beyond.does.values())
        else found.pop()
        if len(found) == 1
        else "mixed: "
        + ", ".join(f"{word} {'whether' if word == 'open' else 'that'} {part}" for part, word in told.items())
        + ("; more runs, and hints that start at random, would tell" if "open" in found else ""),
        [
            "Hints start at the same one in every problem, so those of longer numbers are never trained; "
            "random starts were not tried.",
            "The best of several encodings is shown; the rule asks each for most of its runs.",
            "One rate and one number of steps for all: what trains longer may generalise later.",
            few(beyond.rows[f"{key(first)}_runs"]),
        ],
    )
