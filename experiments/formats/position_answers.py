"""What exact match by lengths answers, with the rules."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from experiments.frame.bounds import above, below
from experiments.frame.measured import Measured, mean, share, time
from experiments.frame.result import Result
from grokjax.curves.statistics import Times

LEARNED = 0.5
"""A run has learned what it was trained on, or adds longer numbers, where its exact match is above this."""
CANNOT = (
    "open: no encoding adds a digit more than trained in most runs, so that this setting cannot show it; "
    "more layers, steps and trained digits would tell"
)
RULE = (
    f"A run adds longer numbers if its exact match one digit beyond those trained is above {LEARNED:g}; an "
    "encoding does if more than half of its runs do (Wilson's whole interval), does not if fewer do. Open "
    "where no encoding does. "
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


class Beyond:
    """The rows of every cell on lengths that were never trained, and which cells do or do not add them."""

    def __init__(self, grids: Grids, trained: int):
        self.rows: dict[str, Measured] = {}
        self.does: dict[str, bool] = {}
        self.does_not: dict[str, bool] = {}
        for label, grid in grids.items():
            of, n = longest(grid), grid.shape[1]
            counted = share(
                f"runs that add {trained + 1} digits, {label}", int((of[:, trained] > LEARNED).sum()), len(of)
            )
            self.rows |= {
                f"{key(label)}_runs": counted,
                f"{key(label)}_trained": mean(
                    f"exact match at {trained} digits, {label}", of[:, trained - 1], ""
                ),
                f"{key(label)}_next": mean(
                    f"exact match at {trained + 1} digits, {label}", of[:, trained], ""
                ),
                f"{key(label)}_far": mean(f"exact match at {n} digits, {label}", of[:, -1], ""),
            }
            self.does[label], self.does_not[label] = above(counted, 0.5), below(counted, 0.5)

    def of(self, labels: Iterable[str]) -> dict[str, Measured]:
        """The rows of some cells."""
        kept = tuple(key(label) + "_" for label in labels)
        return {name: row for name, row in self.rows.items() if name.rpartition("_")[0] + "_" in kept}


def answers(grids: Grids, times: dict[str, Times], trained: int, steps: int) -> list[Result]:
    """002-13 to 002-16."""
    beyond = Beyond(grids, trained)
    return [
        varied(grids, times, trained, steps),
        abacus(beyond),
        without(beyond),
        by_format(beyond),
    ]


def varied(grids: Grids, times: dict[str, Times], trained: int, steps: int) -> Result:
    """002-13."""
    plain = [label for label in grids if label.startswith("lsb, ")] or list(grids)
    inside = {label: longest(grids[label])[:, trained - 1] for label in plain}
    best, worst = (choose(plain, key=lambda label: float(inside[label].mean())) for choose in (max, min))
    name = lambda label: {"none": "no"}.get(label.split(", ")[1], label.split(", ")[1]) + " positions"
    return Result(
        "002-13",
        f"At the longest trained length {name(best)} reach an exact match of {{{key(best)}}}, {name(worst)} "
        f"{{{key(worst)}}}.",
        {
            **{
                key(label): mean(f"exact match at {trained} digits, {label}", values, "")
                for label, values in inside.items()
            },
            **{
                f"{key(label)}_down": time(f"mean loss below .1 nats, {label}", times[label], steps)
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
    return Result(
        "002-14",
        f"With Abacus {{{key(main)}_runs}} add a digit more than trained; their exact match there is "
        f"{{{key(main)}_next}}."
        if own
        else f"Abacus is not trained here; {{{key(main)}_runs}} of another encoding add a digit more.",
        beyond.of(own) | beyond.of([main]) | beyond.of(["lsb, learned", "msb, learned"]),
        RULE + "Confirmed if Abacus does in either order and learned positions do not; refuted if it does in "
        "neither and another encoding does.",
        CANNOT
        if not any(beyond.does.values()) or not own
        else "confirmed"
        if any(beyond.does[label] for label in own)
        and all(x for label, x in beyond.does_not.items() if label.endswith(", learned"))
        else "refuted"
        if all(beyond.does_not[label] for label in own)
        else "open: about half of the runs do, or learned positions do too; more runs would tell",
        ["Its random offsets train indices past the trained lengths; learned positions there stay as drawn."],
    )


def without(beyond: Beyond) -> Result:
    """002-15."""
    none = [label for label in ("lsb, none", "msb, none") if label in beyond.does] or list(beyond.does)[:1]
    learned = {label: beyond.rows[f"{key(label)}_trained"] for label in none}
    main = none[0]
    return Result(
        "002-15",
        f"Without positions the exact match is {{{key(main)}_trained}} at the trained length, "
        f"{{{key(main)}_next}} one digit beyond.",
        beyond.of(none),
        RULE
        + "Confirmed if runs without positions do, least significant first; refuted if they do not, or do "
        f"not even reach {LEARNED:g} at the trained length (whole interval).",
        "refuted"
        if below(learned[main], LEARNED)
        else CANNOT
        if not any(beyond.does.values())
        else "confirmed"
        if beyond.does[main]
        else "refuted"
        if beyond.does_not[main]
        else "open: about half of the runs do; more runs would tell",
        ["A causal mask tells places apart from the second layer on: one layer sees a multiset."],
    )


def by_format(beyond: Beyond) -> Result:
    """002-16."""
    groups = {
        "least significant first": [label for label in beyond.does if label.startswith("lsb, ")],
        "index hints": [label for label in beyond.does if "hints" in label],
        "most significant first": [label for label in beyond.does if label.startswith("msb, ")],
    }
    does = {name: any(beyond.does[label] for label in labels) for name, labels in groups.items()}
    does_not = {name: all(beyond.does_not[label] for label in labels) for name, labels in groups.items()}
    best = lambda name: max(
        groups[name] or list(beyond.does), key=lambda label: beyond.rows[f"{key(label)}_next"].value or 0.0
    )
    first, last = best("least significant first"), best("most significant first")
    claims = {
        "least significant first generalises": ("least significant first", does, does_not),
        "index hints generalise": ("index hints", does, does_not),
        "most significant first does not": ("most significant first", does_not, does),
    }
    words = {
        part: "confirmed" if holds[name] else "refuted" if against[name] else "open"
        for part, (name, holds, against) in claims.items()
    }
    found = set(words.values())
    return Result(
        "002-16",
        f"One digit beyond, the best encoding has an exact match of {{{key(first)}_next}} least "
        f"significant first, {{{key(last)}_next}} most significant first.",
        beyond.rows,
        RULE
        + "Three claims: some encoding does least significant first; index hints do in some order; none does "
        "most significant first without them.",
        CANNOT
        if not any(beyond.does.values())
        else found.pop()
        if len(found) == 1
        else "mixed: "
        + ", ".join(
            f"{word} {'whether' if word == 'open' else 'that'} {part}" for part, word in words.items()
        ),
        [
            "The best of several encodings is shown; the rule asks each for most of its runs.",
            "One rate and one number of steps for all: what trains longer may generalise later.",
        ],
    )
