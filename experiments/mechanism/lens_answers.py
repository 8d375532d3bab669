"""What lenses at resid_mid read of the answer, with the rules of the answers."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from experiments.frame.bounds import scored, sided, widened
from experiments.frame.measured import Measured, exact, mean
from experiments.frame.result import Result
from grokjax.interp import lenses

SHARE = 0.75
"""Of the problems, for the tuned lens to be fitted on."""
MID = 1
"""The place of resid_mid of the first layer among `lenses.names(run)`."""
NOTHING, MOST = 0.1, 0.5
"""Shares of the way from guessing to the model: a lens that closes less fails; one that closes more has most
of the answer."""
PARTS = {"leading": slice(0, 1), "others": slice(1, None), "all": slice(None)}
"""Answers in reading order: the leading one, the others, all."""


def of_part(values: ArrayLike, part: str) -> Float[np.ndarray, " S"]:
    """Each run's mean over the answers of a part, of values [S, C]."""
    return np.asarray(values, float)[:, PARTS[part]].mean(1)


def closed(
    quantity: str, lens: np.ndarray, start: np.ndarray, end: np.ndarray, part: str, problems: int
) -> Measured:
    """How much of the way from `start` to `end` accuracies [S, C] of a lens close, with the error of the
    problems.
    """
    middle, first, last = (of_part(np.broadcast_to(x, end.shape), part) for x in (lens, start, end))
    gap = last - first
    found = mean(quantity, (middle - first)[gap > 0] / gap[gap > 0], "")
    p, wide = middle.mean(), max(gap.mean(), 1e-9)
    return widened(found, p * (1 - p) / problems / wide**2)


def accuracies(name: str, values: np.ndarray, problems: int) -> dict[str, Measured]:
    """The accuracy of a lens, [S, C], in every part."""
    return {
        f"{name.replace(' ', '_')}_{part}": scored(
            f"accuracy, {name}, {part} answer{'' if part == 'leading' else 's'}",
            of_part(values, part),
            problems,
        )
        for part in PARTS
    }


def of_both(parts: dict[str, str]) -> str:
    """A verdict on all answers, from the words for the leading one and for the others."""
    found = set(parts.values())
    if len(found) == 1 and "open" not in found:
        return found.pop()
    if "open" in found:
        return "open: an interval holds the limit; more runs and problems would tell"
    return "mixed: " + ", ".join(
        f"{word} of the {'leading digit' if part == 'leading' else 'others'}" for part, word in parts.items()
    )


def failure(direct: lenses.Reading, guess: np.ndarray, problems: int) -> Result:
    """002-08."""
    ways = {
        part: closed(
            f"way from guessing to the model, logit lens, {part}",
            np.asarray(direct.accuracy)[:, MID],
            guess,
            np.asarray(direct.accuracy)[:, -1],
            part,
            problems,
        )
        for part in PARTS
    }
    words = {
        part: sided(ways[part], NOTHING, "refuted", "confirmed", "open") for part in ("leading", "others")
    }
    return Result(
        "002-08",
        "The logit lens at resid_mid closes {others} of the way from guessing to the model, of the leading "
        "digit {leading}.",
        dict(
            **ways,
            **accuracies("logit lens", np.asarray(direct.accuracy)[:, MID], problems),
            **accuracies("model", np.asarray(direct.accuracy)[:, -1], problems),
            guess=exact(
                "accuracy of the most frequent answer, mean of all but the leading one", guess[1:].mean(), ""
            ),
            guess_leading=exact("the same, leading digit", guess[0], ""),
            loss=mean(
                "loss of the lens, mean of all answers", np.asarray(direct.loss)[:, MID].mean(1), "nats"
            ),
        ),
        f"Fails if the lens closes less than {NOTHING:g} of the way (whole interval). Confirmed if it "
        "fails of the leading digit and of the others, refuted if of neither, else mixed.",
        of_both(words),
    )


def reason(
    direct: lenses.Reading,
    tuned: lenses.Reading,
    lying: lenses.Alignment,
    guess: np.ndarray,
    size: int,
    chance: float,
) -> Result:
    """002-09."""
    scored_on = round((1 - SHARE) * size)
    model, lens = np.asarray(direct.accuracy)[:, -1], np.asarray(tuned.accuracy)[:, MID]
    gaps = {
        part: closed(
            f"gap between logit lens and model that the tuned lens closes, {part}",
            lens,
            np.asarray(direct.accuracy)[:, MID],
            model,
            part,
            scored_on,
        )
        for part in PARTS
    }
    words = {part: sided(gaps[part], MOST, "confirmed", "refuted", "open") for part in ("leading", "others")}
    way = "way from guessing to the model, tuned lens, others"
    return Result(
        "002-09",
        "In the best basis resid_mid closes {others} of the gap to the model, of the leading digit "
        "{leading}.",
        dict(
            **gaps,
            way=closed(way, lens, guess, model, "others", scored_on),
            **accuracies("tuned lens", lens, scored_on),
            **read(lying),
            random=exact("share that W_U reads of a random direction", chance, ""),
        ),
        f"Misalignment is the reason if a tuned lens, free to turn the basis, closes more than {MOST:g} of "
        "the gap (whole interval), and not if less. Confirmed or refuted of the leading digit and of the "
        "others, else mixed.",
        of_both(words),
        [
            "What no affine map reads may still be there for a reader that is not linear: the MLP finds it.",
            "One-hot tokens alone let a carry be read (002-05): what an affine map reads need not be "
            "computed.",
        ],
    )


def read(lying: lenses.Alignment) -> dict[str, Measured]:
    """How much of what tells answers apart lies where W_U reads, at both sites."""
    return {
        f"read_{where.replace('resid_', '')}_{part}": mean(
            f"variance between answers that W_U reads, {where}, {part}", of_part(lying.share[:, i], part), ""
        )
        for i, where in ((MID, "resid_mid"), (-1, "resid_post"))
        for part in PARTS
    }
