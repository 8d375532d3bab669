"""What the best additive logits look like, and whether others are as good: answers of `additive_bounds`."""

import numpy as np

from experiments.frame.measured import exact
from experiments.frame.result import Result
from experiments.theory.joint_laws import SAME, UNEVEN, Case
from grokjax.theory import certificates, experts


def on_optimum(found: dict[str, Case], random: list[experts.Bound]) -> list[Result]:
    """What the optimum looks like, and whether there is one only."""
    flat, uneven, xor = (right_odds(found[name]) for name in ("sum mod 10", UNEVEN, "XOR"))
    return [
        evenness(flat, uneven),
        least_of_s(),
        uniqueness(found),
        freedom(),
        sum_of_odds(xor),
        fitting(random),
    ]


def evenness(flat: np.ndarray, uneven: np.ndarray) -> Result:
    """004-07."""
    return Result(
        "004-07",
        "For flat tokens yes, the right answer's log-odds differ by {flat}; for uneven ones no, by {uneven}.",
        dict(
            flat=exact("spread over cells at the optimum, flat sum mod 10", float(np.ptp(flat))),
            uneven=exact("spread over cells at the optimum, uneven sum mod 3", float(np.ptp(uneven))),
        ),
        f"Confirmed where the spread over cells is below {SAME:g} nats, refuted where it is above.",
        "mixed: confirmed in the note's own case, flat tokens; refuted for uneven ones"
        if np.ptp(flat) < SAME < np.ptp(uneven)
        else "confirmed"
        if np.ptp(uneven) < SAME
        else "refuted",
    )


def least_of_s() -> Result:
    """004-08."""
    s = np.arange(1, 100_000) / 1e4
    least = float(s[np.argmin(s + 1 / s)])
    return Result(
        "004-08",
        "Yes, the minimum is at {least}.",
        dict(
            least=exact("where s + 1/s is least on a grid of step 1e-4", least, ""),
            value=exact("its value there", least + 1 / least, ""),
        ),
        "Confirmed if the least value on the grid is within a step of s = 1.",
        "confirmed" if abs(least - 1) < 1.5e-4 else "refuted",
    )


def uniqueness(found: dict[str, Case]) -> Result:
    """004-09."""
    directions, curved = zip(
        *(curvature(x.joint, x.additive.law) for x in found.values() if x.additive.law.min() > 0), strict=True
    )
    return Result(
        "004-09",
        "Yes: every one of {directions} directions of logits that change probabilities is curved at "
        "the optimum.",
        dict(
            directions=exact(
                "directions that change probabilities, laws without empty cells", sum(directions), ""
            ),
            curved=exact("of these, directions in which the loss is curved", sum(curved), ""),
        ),
        "Confirmed if the loss is curved in all directions of logits that change probabilities.",
        "confirmed" if directions == curved else "refuted",
    )


def freedom() -> Result:
    """004-10."""
    free, left = parameters()
    return Result(
        "004-10",
        "Equal right log-odds leave {free} free parameter among all logits, and {left} among additive ones.",
        dict(
            free=exact("dimension of logits whose right log-odds are equal in all cells, XOR", free, ""),
            left=exact("dimension of additive logits among these", left, ""),
        ),
        "The claim is confirmed for a set of logits whose dimension is 1, refuted for one where it is not.",
        "mixed: confirmed before the invariant of 004-11; additive logits have none left"
        if (free, left) == (1, 0)
        else "confirmed"
        if left == 1
        else "refuted",
        ["The first is 1 by the question's own words; what is found is the second."],
    )


def sum_of_odds(xor: np.ndarray) -> Result:
    """004-11."""
    total = max(abs(float(np.sum(signed_odds(seed)))) for seed in range(100))
    return Result(
        "004-11",
        "Yes: additive logits have right log-odds that sum to {total}, so all are {xor} at the optimum.",
        dict(
            total=exact("largest |sum of the four right log-odds|, 100 random additive logits", total),
            xor=exact("largest |log-odds| at the optimum of XOR", float(np.abs(xor).max())),
        ),
        f"Confirmed if both are below {SAME:g}.",
        "confirmed" if np.abs(xor).max() < SAME and total < SAME else "refuted",
        ["For b symbols it is proven by duality in grokjax.theory.experts."],
    )


def fitting(random: list[experts.Bound]) -> Result:
    """004-12."""
    gap = max(x.gap for x in random)
    return Result(
        "004-12",
        "Iterative proportional fitting finds the optimum for any margins, with a proof: duality gap "
        "at most {gap}.",
        dict(gap=exact(f"largest duality gap, {len(random)} random laws", gap)),
        f"Built if the gap is below {SAME:g} nats in every law.",
        "built: grokjax.theory.experts.additive"
        if gap < SAME
        else "open: the gap is wide; more sweeps would close it",
    )


def right_odds(x: Case) -> np.ndarray:
    """The log-odds of the right answer, the sum, in every cell of the optimum."""
    right = np.array([x.additive.law[i, j, (i + j) % len(x.joint)] for i, j in np.ndindex(x.joint.shape[:2])])
    return np.log(right / (1 - right)) if len(x.joint) == 2 else np.log(right)


def signed_odds(seed: int) -> np.ndarray:
    """The right answer's log-odds in the cells of XOR for random additive logits."""
    by_x, by_y = np.random.default_rng(seed).normal(size=(2, 2, 2))
    logits = by_x[:, None] + by_y[None]
    return (logits[..., 1] - logits[..., 0]) * np.array([[-1, 1], [1, -1]])


def parameters() -> tuple[int, int]:
    """The dimension of XOR's logits with equal right log-odds in all cells; of additive ones among them."""
    x, y = np.divmod(np.arange(4), 2)
    equal = np.diff(np.eye(4), axis=0)
    signed = np.where(x == y, -1, 1)[:, None] * np.stack([np.ones(4), x, y], 1)
    among = 1 + 3 - int(np.linalg.matrix_rank(np.column_stack([np.ones(4), signed])))
    return 4 - int(np.linalg.matrix_rank(equal)), among


def curvature(joint: np.ndarray, law: np.ndarray) -> tuple[int, int]:
    """How many directions of additive logits change probabilities, and in how many of them the loss is curved
    at the optimum.
    """
    features, flat = certificates.one_hot(joint.shape[:-1]), law.reshape(-1, law.shape[-1])
    hessian = certificates.hessian(features, joint.sum(-1).ravel(), flat)
    return int(np.linalg.matrix_rank(features)) * (law.shape[-1] - 1), int(
        np.linalg.matrix_rank(hessian, tol=1e-9)
    )
