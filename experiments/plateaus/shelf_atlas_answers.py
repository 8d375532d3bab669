"""What the shelves of all runs say to the notes: answers of `shelf_atlas`."""

import math

import numpy as np

from experiments.frame.measured import Measured, interval, mean, share
from experiments.frame.measured import exact as enumerated
from experiments.frame.result import Result
from experiments.plateaus import tolerance
from experiments.plateaus.shelves_at_levels import AT_SECOND, Shown, at_second, longest_at_start
from grokjax.curves import shelves, statistics

TOLERANCE = 0.03
"""Nats within which a measured level is an exact one."""


def unfitted(shown: Shown, num_runs: int, what: str) -> dict[str, Measured]:
    """The runs whose digit has a shelf that no exact level fits, and its median level."""
    of = {level.digit: runs for level, runs in shown.items() if level.known == "none"}
    rows = {}
    for digit, runs in sorted(of.items()):
        rows[f"digit_{digit}"] = share(f"{what}, digit {digit}: runs", len(runs), num_runs)
        rows[f"level_{digit}"] = interval(
            f"{what}, digit {digit}: level",
            statistics.median([shelf.level for shelf in runs.values()]),
            "nats",
            len(runs),
        )
    return rows


def answers(n: int, loss: np.ndarray, shown: Shown, without: Shown, num_plain: int) -> list[Result]:
    """What the table says to the questions of the notes."""
    of = {(level.digit, level.known): runs for level, runs in shown.items()}
    at_start = [
        of.get((digit, "nothing"), {}) | of.get((digit, "answer_so_far"), {}) for digit in range(n - 1)
    ]
    return [
        others(shown, without, len(loss), num_plain),
        main_shelf(loss, at_start),
        second_digit(n, loss),
        levels_as_expected(at_start, len(loss)),
        units(loss),
    ]


def others(shown: Shown, without: Shown, num_runs: int, num_plain: int) -> Result:
    """001-28."""
    decay, plain = unfitted(shown, num_runs, "decay .5"), unfitted(without, num_plain, "decay 0")
    most = max(
        (name for name in decay if name.startswith("digit")), key=lambda k: decay[k].count or 0, default=""
    )
    rows = {**{f"decay_{k}": v for k, v in decay.items()}, **{f"plain_{k}": v for k, v in plain.items()}}
    return Result(
        "001-28",
        f"There are others: in {most.replace('_', ' ')} {{some}} rest where no exact level fits, at "
        f"{{level}}."
        if most
        else "None is seen: every shelf has an exact level.",
        {"some": decay[most], "level": decay[most.replace("digit", "level")], **rows} if most else rows,
        f"A shelf lies at a level {tolerance.WINDOW} it. Confirmed if in some digit more than half of the "
        "runs have a shelf at no exact level; refuted if none has.",
        "refuted"
        if not most
        else "confirmed"
        if (decay[most].count or 0) > num_runs / 2
        else "mixed: in a minority of the runs",
    )


def main_shelf(loss: np.ndarray, at_start: list[dict[int, shelves.Shelf]]) -> Result:
    """001-59."""
    num_runs = len(loss)
    longest = [sum(longest_at_start(curve) for curve in loss[:, :, digit]) for digit in range(len(at_start))]
    rows = {
        **{
            f"on_{k}": share(f"digit {k}: runs with a shelf at ln 10", len(runs), num_runs)
            for k, runs in enumerate(at_start)
        },
        **{
            f"longest_{k}": share(f"digit {k}: runs whose longest shelf it is", x, num_runs)
            for k, x in enumerate(longest)
        },
        **{
            f"length_{k}": interval(
                f"digit {k}: its length", statistics.summarise(list(runs.values())).length, "steps", len(runs)
            )
            for k, runs in enumerate(at_start)
        },
    }
    on_it = min(len(runs) for runs in at_start) > num_runs / 2
    return Result(
        "001-59",
        "It is there: {on} rest at ln 10 in the units; the longest of their shelves it is in {longest}.",
        dict(on=rows["on_0"], longest=rows["longest_0"], **rows),
        "There: most runs of every digit below the first two have a shelf at ln 10. Main: it is the "
        "longest shelf of most of "
        "them in every such digit.",
        "refuted"
        if not on_it
        else "confirmed"
        if min(longest) > num_runs / 2
        else "mixed: confirmed that it is there; refuted that it is the longest",
    )


def second_digit(n: int, loss: np.ndarray) -> Result:
    """001-60."""
    level, stretches = at_second(n, loss)
    long = [stretch for stretch in stretches if stretch.last_step - stretch.first_step >= 40]
    off = np.array([stretch.level - level for stretch in long])
    first = interval("first step there", statistics.median([x.first_step for x in long]), "steps", len(long))
    near = len(off) > 0 and abs(float(off.mean())) < TOLERANCE
    exactly = (found := statistics.mean(off.tolist())).low is not None and found.low <= 0 <= (found.high or 0)
    return Result(
        "001-60",
        "From {first} on it knows the leading digit, whose entropy is the level; it lies {off} from it.",
        dict(
            first=first,
            off=mean("measured less exact level", off, "nats"),
            level=enumerated("entropy given the leading digit", level),
            runs=share(f"runs that stay within {AT_SECOND} nats for 40 steps", len(long), len(loss)),
            steps=interval(
                "steps there",
                statistics.median([x.last_step + 1 - x.first_step for x in long], [x.left for x in long]),
                "steps",
                len(long),
            ),
        ),
        f"Confirmed if most runs stay within {AT_SECOND} nats of it for 40 steps, with a mean within "
        f"{TOLERANCE} nats whose interval "
        "holds it; mixed if it is near but the interval leaves it out.",
        "open: in most runs the stretch is too short; a slower rate would tell"
        if len(long) <= len(loss) / 2
        else "confirmed"
        if near and exactly
        else f"mixed: confirmed within {TOLERANCE} nats; refuted to the measurement's error"
        if near
        else "refuted",
        [
            "The mean over a stretch about the level holds its way in and out, so it need not be the level "
            "itself."
        ],
    )


def levels_as_expected(at_start: list[dict[int, shelves.Shelf]], num_runs: int) -> Result:
    """001-76."""
    off = [np.array([shelf.level - math.log(10) for shelf in runs.values()]) for runs in at_start]
    rows = {f"digit_{k}": mean(f"digit {k}: level less ln 10", x, "nats") for k, x in enumerate(off)}
    values = [row.value for row in rows.values()]
    near = all(x is not None and abs(x) < TOLERANCE for x in values)
    sure = any(row.low is not None and row.low > 0 for row in rows.values())
    return Result(
        "001-76",
        "Nearly: shelves at ln 10 lie {digit_0} above it in the units, more than the runs' own error.",
        rows,
        f"Confirmed if the mean of every digit lies within {TOLERANCE} nats and its interval holds 0; "
        f"mixed if it is near but the "
        "interval leaves 0 out.",
        "refuted"
        if not near
        else "mixed: confirmed within the tolerance; refuted to the runs' error"
        if sure
        else "confirmed",
        [
            "A shelf's level is the mean of a training loss: digits that are not quite uniform, and "
            "weights that move, "
            "cost a few hundredths.",
        ],
    )


def units(loss: np.ndarray) -> Result:
    """001-66."""
    below_start = lambda curve: [
        shelf.level for shelf in shelves.find(curve) if 0.1 < shelf.level < 0.9 * math.log(10)
    ]
    found = [max(below_start(curve), default=math.nan) for curve in loss[:, :, 0]]
    between = int(np.isfinite(found).sum())
    return Result(
        "001-66",
        "The units go from ln 10 to almost 0: {between} have a shelf on the way.",
        dict(
            between=share("runs with a shelf between .1 nats and .9 ln 10", between, len(loss)),
            level=mean("its level", np.array(found), "nats"),
        ),
        "Confirmed if fewer than a tenth of the runs have a shelf between .1 nats and ln 10, refuted if "
        "more than half have.",
        "confirmed"
        if between < len(loss) / 10
        else "refuted"
        if between > len(loss) / 2
        else "mixed: most runs pass, some rest",
    )
