"""What prefixes, losses and logits answer, with the rules."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from experiments.frame.bounds import above, below, crossed, within
from experiments.frame.measured import Measured, exact, mean, share, time
from experiments.frame.result import Result
from grokjax.curves import statistics

RELEASED = {
    0: ((2.4973195, 2.4184413, 2.5480603, 2.7006248, 2.7225249, 2.6731392), 2.5933517),
    50: ((0.6593681, 2.2705251, 2.2648576, 2.4023359, 2.3871111, 2.3211837), 2.0508969),
    100: ((0.5803217, 2.0718263, 2.3026762, 2.3338661, 2.3209213, 2.3823802), 1.9986653),
    200: ((0.4530060, 2.1018340, 2.3338194, 2.3785010, 2.3551432, 2.3595139), 1.9969696),
    299: ((0.0807269, 1.9594829, 2.3637789, 2.2984698, 2.3350477, 2.3754198), 1.9021543),
}
"""Steps of the released 5-digit run (github.com/neelnanda-io/Grokking, in saved_runs the two files
5_digit_addition_infinite_per_token.pth and 5_digit_addition_infinite_train.pth): the losses (nats) of its six
answer tokens, and its training loss."""
ALIKE, SAME = 0.01, 1e-5
"""Nats within which two trainings end alike; within which a published loss is a mean of others."""
COSTS = 0.05
"""The accuracy that a digit loses with other digits before it, from which on it depends on them."""
PREFIXES = ("right", "own", "random")
EMPTY, HELD = 0.02, 0.95
"""The mass on `+` and `=` below which they are gone; the share of ln 10 above which nothing is learned."""
NEAR = 0.1
"""Nats within which a loss is ln 12."""


class Zeroth(NamedTuple):
    """Of S runs at E epochs of ten steps: the mass outside the digits, and the loss among the digits alone
    (nats); the loss of all their steps.
    """

    mass: Float[np.ndarray, "E S"]
    among: Float[np.ndarray, "E S"]
    loss: Float[np.ndarray, "S T"]
    steps: np.ndarray


def scoring(
    average: Float[np.ndarray, "S T"], total: Float[np.ndarray, "S T"], fewer: np.ndarray
) -> list[Result]:
    """000-08 and 000-09: what the loss is; how many terms it has, and whether sum or mean matters.

    average, total: losses of the same runs trained on the mean and as on the sum;  fewer: the exact match
    with one term less, less that with all, of every run
    """
    published = {
        name: exact(f"published loss less the mean of its {words} tokens' losses, largest", max(off(drop)))
        for name, words, drop in (("six", "six", 0), ("five", "last five", 1))
    }
    how = Result(
        "000-08",
        "Every answer digit is predicted from the logits before it, the right ones visible; the loss is "
        "their mean, to {six}.",
        published,
        "Built if the released 5-digit run, trained again from its seed with this loss, gives its published "
        "losses of every token within 1e-5 of their size for 20 steps.",
        "built: python -m pytest tests/golden/test_training.py",
    )
    return [how, terms(published, average, total, fewer)]


def off(drop: int) -> list[float]:
    """How far the published losses are from the mean of their tokens' losses without the first few, nats."""
    return [abs(float(np.mean(each[drop:])) - whole) for each, whole in RELEASED.values()]


def terms(
    published: dict[str, Measured], average: np.ndarray, total: np.ndarray, fewer: np.ndarray
) -> Result:
    """000-09."""
    difference = average[:, -100:].mean(1) - total[:, -100:].mean(1)
    ends = mean("loss of the last 100 steps, mean less sum", difference, "nats")
    early = float(np.abs(average - total)[:, :20].max())
    is_six, is_five = (max(off(drop)) < SAME for drop in (0, 1))
    number = "confirmed" if is_five else "refuted" if is_six else "open"
    either = "confirmed" if within(ends, ALIKE) else "open"
    if above(ends, ALIKE) or below(ends, -ALIKE):
        either = "refuted"
    found = {number, either}
    return Result(
        "000-09",
        "The published loss is the mean of six tokens' losses; of the last five it is off by up to {five}.",
        dict(
            **published,
            ends=ends,
            early=exact("largest difference in the first 20 steps, mean against sum", early),
            fewer=mean("exact match with one term less, less that with all", fewer, ""),
        ),
        f"Five: confirmed if the published losses are the mean of the last five tokens' within {SAME:g} "
        "nats, refuted if they are that of all six. Sum or mean: confirmed alike if runs trained on either "
        f"end within {ALIKE:g} nats of each other, paired (whole interval).",
        found.pop()
        if len(found) == 1 and "open" not in found
        else "open: an interval holds a margin; more seeds would tell"
        if "open" in found
        else f"mixed: {number} that they are five, {either} that sum and mean train alike under Adam",
        ["Published losses at five steps of the released run; it has no other number of terms to compare."],
    )


def sequentially(right: Bool[np.ndarray, "S prefix B C"], gain: np.ndarray) -> Result:
    """000-10: whether a digit depends on those before it.

    gain: the exact match of sequence mode less that of all digits at once, of every run
    """
    rows: dict[str, Measured] = {}
    right = np.asarray(right, float)
    terms = right.shape[-1]
    for digit in reversed(range(terms - 1)):
        for k, prefix in enumerate(PREFIXES[1:], 1):
            lost = right[:, 0, :, terms - 1 - digit] - right[:, k, :, terms - 1 - digit]
            rows[f"{prefix}_{digit}"] = crossed(
                f"accuracy lost after {prefix} digits, digit {digit}", lost, ""
            )
    drops = {digit: rows[f"random_{digit}"] for digit in range(terms - 1)}
    depends = [digit for digit, row in drops.items() if above(row, COSTS)]
    apart = [digit for digit, row in drops.items() if below(row, COSTS)]
    parts = {
        "confirmed": depends,
        "refuted": apart,
        "undecided": [digit for digit in drops if digit not in (*depends, *apart)],
    }
    rows["gain"] = mean("exact match, one after the other less all at once", gain, "")
    rows["exact"] = crossed("all answers right, after right digits", np.asarray(right[:, 0].all(-1)), "")
    most = max(drops, key=lambda digit: drops[digit].value or 0.0)
    return Result(
        "000-10",
        f"After random legal digits, digit {most} is right {{random_{most}}} less often; the run's own "
        f"digits cost it {{own_{most}}}.",
        rows,
        "A digit depends on those before it if other legal ones (a leading 0 or 1) cost it more than "
        f"{COSTS:g} of accuracy, and is separate if less (whole intervals). Confirmed as sequential if all "
        "depend, refuted if none does, else mixed.",
        "confirmed"
        if len(depends) == len(drops)
        else "refuted"
        if len(apart) == len(drops)
        else "mixed: "
        + ", ".join(f"{word} of digit {' and '.join(map(str, of))}" for word, of in parts.items() if of)
        if depends and apart
        else "open: too few intervals leave the limit out; more seeds or problems would tell",
        ["All right after right digits means all right when written freely."],
    )


def of_descent(found: Zeroth) -> dict[str, Measured]:
    """The numbers of 001-58."""
    last = float(found.steps[-1])
    gone = statistics.until_below(found.mass.T, EMPTY, steps=found.steps, smoothing=1)
    at = [int(np.argmax(run < EMPTY)) if (run < EMPTY).any() else -1 for run in found.mass.T]
    among = found.among[at, np.arange(found.among.shape[1])]
    outside = lambda mass: -np.log(np.maximum(1 - mass, 1e-9))
    return dict(
        start=mean("mass on + and = before training", found.mass[0], ""),
        after=mean("mass on + and = after 50 steps", found.mass[min(5, len(found.mass) - 1)], ""),
        even=exact("mass that even logits give", 2 / 12, ""),
        part=mean("their part of the loss before training", outside(found.mass[0]), "nats"),
        even_part=exact("that of even logits, ln 12 less ln 10", math.log(12 / 10)),
        gone=time(f"mass below {EMPTY:g}", gone, last),
        ended=share(f"runs whose mass falls below {EMPTY:g}", int(gone.ended.sum()), len(gone.time)),
        among=mean("loss among the digits alone when it does", among[gone.ended], "nats"),
        first=mean("loss of the first step", found.loss[:, 0], "nats"),
    )


def zeroth(found: Zeroth) -> Result:
    """001-58: the descent from ln 12 to ln 10 of runs that have logits for all tokens."""
    rows = of_descent(found)
    first_off = mean("loss of the first step less ln 12", found.loss[:, 0] - math.log(12), "nats")
    descent = (
        "confirmed"
        if above(rows["ended"], 0.5) and above(rows["among"], HELD * math.log(10))
        else "refuted"
        if below(rows["ended"], 0.5) or below(rows["among"], HELD * math.log(10))
        else "open"
    )
    begins = (
        "confirmed"
        if within(first_off, NEAR)
        else "refuted"
        if above(first_off, NEAR) or below(first_off, -NEAR)
        else "open"
    )
    parts = {"+ and = go first": descent, "it begins at ln 12": begins}
    kinds = set(parts.values())
    return Result(
        "001-58",
        "The mass on + and = falls from {start} to {after} within fifty steps, before the units leave ln 10."
        if descent == "confirmed"
        else "The mass on + and = falls from {start} to {after} within fifty steps.",
        rows,
        f"Descent: confirmed if in most runs the mass on + and = falls below {EMPTY:g} while the units' "
        f"loss, + and = left out, is above {HELD:g} ln 10, refuted if not. Number: confirmed if the first "
        f"loss is within {NEAR:g} nats of ln 12 (whole intervals).",
        kinds.pop()
        if len(kinds) == 1 and "open" not in kinds
        else "open: too few runs lose that mass, or intervals hold a limit; more seeds or steps would tell"
        if descent == "open"
        else "mixed: "
        + ", ".join(
            f"{word if word != 'open' else 'open whether'} {'' if word == 'open' else 'that '}{claim}"
            for claim, word in parts.items()
        ),
        ["The first loss is that of random logits, whose spread costs more than even ones."],
    )
