"""What the shelves of all runs say to the notes: answers of `shelf_atlas`."""

import math

import numpy as np

from experiments.frame.measured import Measured, interval, mean, share
from experiments.frame.measured import exact as enumerated
from experiments.frame.result import Result
from experiments.plateaus import tolerance
from experiments.plateaus.shelves_at_levels import AT_SECOND, Shown, at_second, at_start, longest
from grokjax.curves import shelves, statistics

TOLERANCE = 0.03
"""Nats within which a measured level is an exact one."""
ENDED, LAST = 0.1, 100
"""Nats below which the units are almost at 0, and the last steps whose mean is where a run ends."""


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
        on_it = sum(not shelf.left for shelf in runs.values())
        rows[f"cut_{digit}"] = share(
            f"{what}, digit {digit}: of these, still on it at the last step", on_it, len(runs)
        )
    return rows


def answers(n: int, loss: np.ndarray, shown: Shown, without: Shown, num_plain: int) -> list[Result]:
    """What the table says to the questions of the notes."""
    of = {(level.digit, level.known): runs for level, runs in shown.items()}
    first = [of.get((digit, "nothing"), {}) | of.get((digit, "answer_so_far"), {}) for digit in range(n - 1)]
    second = [shelf.level for shelf in of.get((n - 1, "answer_so_far"), {}).values()]
    return [
        others(shown, without, len(loss), num_plain),
        main_shelf(loss, first),
        second_digit(n, loss, np.array(second)),
        levels_as_expected(first),
        units(loss),
    ]


def others(shown: Shown, without: Shown, num_runs: int, num_plain: int) -> Result:
    """001-28."""
    decay, plain = unfitted(shown, num_runs, "decay .5"), unfitted(without, num_plain, "decay 0")
    digits = [int(name.removeprefix("digit_")) for name in decay if name.startswith("digit")]
    found = {k: decay[f"digit_{k}"].count or 0 for k in digits}
    gone = {k: found[k] - (decay[f"cut_{k}"].count or 0) for k in digits}
    most = max(digits, key=lambda k: (gone[k] > num_runs / 2, found[k]), default=None)
    rows = {**{f"decay_{k}": v for k, v in decay.items()}, **{f"plain_{k}": v for k, v in plain.items()}}
    rule = (
        f"A shelf lies at a level {tolerance.WINDOW} it. Confirmed if in some digit more than half of the "
        "runs have a shelf at no exact level and leave it before the last step; mixed if they have one, but "
        "are still on it at the end, or if fewer runs have; refuted if none has."
    )
    if most is None:
        return Result("001-28", "None is seen: every shelf has an exact level.", rows, rule, "refuted")
    return Result(
        "001-28",
        f"There are others: in digit {most} {{some}} rest where no exact level fits, at {{level}}.",
        {"some": decay[f"digit_{most}"], "level": decay[f"level_{most}"], **rows},
        rule,
        "confirmed"
        if gone[most] > num_runs / 2
        else "mixed: confirmed that runs rest at other levels; open whether they leave them"
        if found[most] > num_runs / 2
        else "mixed: in a minority of the runs",
        [
            f"{found[most] - gone[most]} of these {found[most]} runs are still on that shelf at the last "
            "step: it may be where they end."
        ],
    )


def main_shelf(loss: np.ndarray, first: list[dict[int, shelves.Shelf]]) -> Result:
    """001-59."""
    num_runs = len(loss)
    own = [[longest(curve) for curve in loss[:, :, digit]] for digit in range(len(first))]
    main = [sum(at_start(shelf) for shelf in of) for of in own]
    rows: dict[str, Measured] = {}
    for k, runs in enumerate(first):
        cut = sum(shelf is not None and not at_start(shelf) and not shelf.left for shelf in own[k])
        rows |= {
            f"on_{k}": share(f"digit {k}: runs with a shelf at ln 10", len(runs), num_runs),
            f"longest_{k}": share(f"digit {k}: runs whose longest shelf it is", main[k], num_runs),
            f"cut_{k}": share(f"digit {k}: runs whose longest is one that they end on", cut, num_runs),
            f"length_{k}": interval(
                f"digit {k}: its length", statistics.summarise(list(runs.values())).length, "steps", len(runs)
            ),
        }
    on_it = min(len(runs) for runs in first) > num_runs / 2
    return Result(
        "001-59",
        "It is there: {on} rest at ln 10 in the units; the longest of their shelves it is in {longest}.",
        dict(on=rows["on_0"], longest=rows["longest_0"], **rows),
        "There: most runs of every digit below the first two have a shelf at ln 10. Main: it is the longest "
        "shelf of most of them in every such digit. A shelf that a run is still on at the last step counts "
        "with its length so far.",
        "refuted"
        if not on_it
        else "confirmed"
        if min(main) > num_runs / 2
        else "mixed: confirmed that it is there; refuted that it is the longest",
        [f"A shelf at the end grows with the number of steps, here {loss.shape[1]}; that at ln 10 does not."],
    )


def second_digit(n: int, loss: np.ndarray, found: np.ndarray) -> Result:
    """001-60; found: the levels of the shelves that the detector puts there."""
    level, stretches = at_second(n, loss)
    long = [stretch for stretch in stretches if stretch.last_step - stretch.first_step >= 40]
    first = interval("first step there", statistics.median([x.first_step for x in long]), "steps", len(long))
    off = mean("mean of the stretch less exact level", np.array([x.level - level for x in long]), "nats")
    shelf = mean("level of the shelf found, less exact level", found - level, "nats")
    both = (off, shelf)
    near = all(row.value is not None and abs(row.value) < TOLERANCE for row in both)
    exactly = all(row.low is not None and row.low <= 0 <= (row.high or 0) for row in both)
    return Result(
        "001-60",
        "From {first} on it knows the leading digit, whose entropy is the level; its shelf lies {shelf} from "
        "that.",
        dict(
            first=first,
            shelf=shelf,
            off=off,
            level=enumerated("entropy given the leading digit", level),
            runs=share(f"runs that stay within {AT_SECOND} nats for 40 steps", len(long), len(loss)),
            found=share("runs with a shelf there", len(found), len(loss)),
            steps=interval(
                "steps there",
                statistics.median([x.last_step + 1 - x.first_step for x in long], [x.left for x in long]),
                "steps",
                len(long),
            ),
        ),
        f"Confirmed if most runs stay within {AT_SECOND} nats of it for 40 steps, and the mean of these "
        f"stretches and that of the shelves found both lie within {TOLERANCE} nats with intervals that hold "
        "it; mixed if both are near but an interval leaves it out; refuted if one is not near.",
        "open: in most runs the stretch is too short; a slower rate would tell"
        if len(long) <= len(loss) / 2
        else "confirmed"
        if near and exactly
        else f"mixed: confirmed within {TOLERANCE} nats; refuted to the measurement's error"
        if near
        else "refuted",
        [f"The stretch is cut {AT_SECOND} nats above and below the level, which draws its mean there."],
    )


def levels_as_expected(first: list[dict[int, shelves.Shelf]]) -> Result:
    """001-76."""
    off = [np.array([shelf.level - math.log(10) for shelf in runs.values()]) for runs in first]
    rows = {f"digit_{k}": mean(f"digit {k}: level less ln 10", x, "nats") for k, x in enumerate(off)}
    values = [row.value for row in rows.values()]
    near = all(x is not None and abs(x) < TOLERANCE for x in values)
    sure = any(row.low is not None and not row.low <= 0 <= (row.high or 0) for row in rows.values())
    return Result(
        "001-76",
        "Of ln 10 only, nearly: it lies {digit_0} above in the units; other shelves are in 001-28."
        if near
        else "Not of ln 10: it lies {digit_0} above in the units; other shelves are in 001-28.",
        rows,
        f"Asked of ln 10. Confirmed if the mean of every digit lies within {TOLERANCE} nats and its interval "
        "holds 0; mixed if it is near but an interval leaves 0 out; refuted if one is not near.",
        "refuted"
        if not near
        else "mixed: confirmed within the tolerance; refuted to the runs' error"
        if sure
        else "confirmed",
        [
            "A shelf's level is the mean of a training loss: digits that are not quite uniform, and weights "
            "that move, cost a few hundredths."
        ],
    )


def units(loss: np.ndarray) -> Result:
    """001-66."""
    below_start = lambda curve: [
        shelf.level for shelf in shelves.find(curve) if ENDED < shelf.level < 0.9 * math.log(10)
    ]
    found = [max(below_start(curve), default=math.nan) for curve in loss[:, :, 0]]
    between, num_runs = int(np.isfinite(found).sum()), len(loss)
    last = loss[:, -LAST:, 0].mean(1)
    done = int((last < ENDED).sum())
    return Result(
        "001-66",
        "The units go from ln 10 to almost nothing: {done} get there, {between} have a shelf on the way."
        if done > num_runs / 2
        else "Not all units get to almost nothing: {done} do; {between} have a shelf on the way.",
        dict(
            between=share("runs with a shelf between .1 nats and .9 ln 10", between, num_runs),
            done=share(f"runs whose last {LAST} steps have a mean below {ENDED} nats", done, num_runs),
            last=mean(f"loss of the last {LAST} steps", last, "nats"),
            level=mean("level of such a shelf", np.array(found), "nats"),
        ),
        f"Confirmed if fewer than a tenth of the runs have a shelf between {ENDED} nats and .9 ln 10, and "
        f"more than nine tenths end below {ENDED} nats; refuted if more than half have one, or fewer than "
        "half end there; mixed otherwise.",
        "confirmed"
        if between < num_runs / 10 and done > 0.9 * num_runs
        else "refuted"
        if between > num_runs / 2 or done < num_runs / 2
        else "mixed: most runs pass and get there, some do not",
    )
