"""What the places that are read, and when they are, answer, with the rules."""

from typing import Any

import numpy as np

from experiments.frame.bounds import above, below, within
from experiments.frame.measured import Measured, exact, mean, share
from experiments.frame.result import Result
from experiments.mechanism.circuit_readers import OWN, SPACING, Seen, head_of_pairs, ideal, sets
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.interp import attribution

FAITHFUL, POSITION, RISEN = 0.98, 0.95, 0.5
"""The share of the whole accuracy that a set of places keeps, and that mean patterns keep, to be enough; the
attention of a head that is about one place."""


def mechanism(sweep: Sweep, seen: Seen) -> Result:
    """001-30."""
    names, task = list(sets(sweep.task)), sweep.task
    right = {name: seen.right[:, k].mean(1) for k, name in enumerate(names)}
    whole = right["all"]
    kept = right["2 below, visible digits"] / whole
    held = seen.held[:, 0] / whole
    enough = (found := statistics.mean(kept)).low is not None and found.low >= FAITHFUL
    by_position = (found := statistics.mean(held)).low is not None and found.low >= POSITION
    key = lambda name: name.replace(",", "").replace(" ", "_")
    return Result(
        "001-30",
        "Own pair, two pairs below and visible digits keep {kept} of the accuracy; with patterns held at "
        "their mean, {held}.",
        dict(
            kept=mean("share of the accuracy kept by own pair, two below, visible digits", kept, ""),
            held=mean("share of the accuracy kept by mean patterns", held, ""),
            held_exact=mean("whole answers right with mean patterns", seen.held[:, 1], ""),
            **{
                f"only_{key(name)}": mean(f"digits right, read: {name}", values, "")
                for name, values in right.items()
            },
            **{
                f"ideal_{j}": exact(
                    f"ideal reader of the pair and {j} below",
                    float(np.mean(list(ideal(task, j).values()))),
                    "",
                )
                for j in range(3)
            },
        ),
        f"Places: confirmed if they keep {FAITHFUL:.0%} of the accuracy (whole interval). By position: "
        f"confirmed if patterns at their mean keep {POSITION:.0%} of it.",
        f"mixed: {'confirmed' if enough else 'refuted'} of the places, "
        f"{'confirmed' if by_position else 'refuted'} that position alone picks them"
        if enough != by_position
        else "confirmed"
        if enough
        else "open: these places are not all that the runs need; larger sets would tell",
        [
            "The other places carry another problem's tokens; the patterns stay the problem's own but "
            "where said."
        ],
    )


def written(sweep: Sweep, seen: Seen) -> np.ndarray:
    """The share of the right logits that the MLP writes, [S]."""
    at = attribution.full_labels(sweep.run(0)).index("0_mlp_out")
    return np.asarray(seen.logits[:, at] / seen.logits.sum(1))


def contributions(sweep: Sweep, seen: Seen) -> Result:
    """001-25."""
    by_mlp = written(sweep, seen)
    return Result(
        "001-25",
        "Yes: neurons write {mlp} of a right answer's logit directly, heads and embeddings {rest}.",
        dict(
            mlp=mean("share of the right logit, less the mean of all, that the MLP writes", by_mlp, ""),
            rest=mean("the same of heads and embeddings", 1 - by_mlp, ""),
        ),
        "Confirmed if the MLP's neurons write more than 90% of the right logit directly (whole interval).",
        "confirmed" if (found := statistics.mean(by_mlp)).low is not None and found.low > 0.9 else "refuted",
        [
            "Logits are a sum of what each part writes, without a last layer norm; the reader is "
            "interp.attribution."
        ],
    )


def digit_pair(seen: Seen, times: dict[str, dict[str, Any]]) -> Result:
    """001-65."""
    own, damage, head = seen.looks[:, :, 1:, OWN], seen.damage[:, :, 1:], head_of_pairs(seen)
    runs = np.arange(len(head))
    one, chosen = own[runs, head], damage[runs, head]
    rest = (damage.sum(1) - chosen) / (damage.shape[1] - 1)
    apart = np.stack([of["apart"] for of in times.values()]) if times else np.full((1, len(runs)), np.nan)
    known = np.isfinite(apart).sum(0)
    middle = np.where(known, np.nansum(apart, 0) / np.maximum(known, 1), np.nan)
    lag = mean("attention halfway less loss halfway, mean over digits", middle, "steps")
    before = (lag.value or 0.0) < 0
    every, each = (
        share(f"runs where {what}", int((least > RISEN).sum()), len(runs))
        for what, least in (
            ("one head is above ½ for every digit", one.min(1)),
            ("every digit has a head above ½", own.max(1).min(1)),
        )
    )
    return Result(
        "001-65",
        "The best single head gives {attention} of its attention to the own pair; it is half of the way "
        f"{{lag}} {'before' if before else 'after'} the loss.",
        dict(
            attention=mean("attention to the own pair, of the best head for all digits", one.mean(1), ""),
            lag=mean("loss halfway less attention halfway, mean over digits", -middle, "steps")
            if before
            else lag,
            every=every,
            each=each,
            chosen=mean("fall of the log-odds without that head", chosen.mean(1), "nats"),
            rest=mean("the same without another head", rest.mean(1), "nats"),
            **{
                f"lag_{digit.replace(' ', '_')}": mean(
                    f"attention halfway less loss halfway, {digit}", of["apart"], "steps"
                )
                for digit, of in times.items()
            },
        ),
        "Head: confirmed if in most runs one head gives more than half of its attention to the pair of every "
        "digit, refuted if in most none does (Wilson's whole interval). Order: first if the whole interval "
        "of the paired lag of half-way times lies before the loss by more than the "
        f"{SPACING} steps between snapshots, not first if it lies after it or within them.",
        pair_verdict(every, each, lag),
        ["Digits whose loss or attention is half of the way later than the steps saved are left out."],
    )


def pair_verdict(every: Measured, each: Measured, lag: Measured) -> str:
    """The rule of 001-65."""
    if below(each, 0.5):
        return "refuted: most runs have none for some digit"
    head = (
        "confirmed that one head looks at the pairs of all digits"
        if above(every, 0.5)
        else "refuted that one head does for all digits, confirmed that for each one does"
        if below(every, 0.5) and above(each, 0.5)
        else "open whether one head does for all digits"
    )
    order = (
        "confirmed that it forms first"
        if below(lag, -SPACING)
        else "refuted that it forms first"
        if above(lag, SPACING)
        else f"refuted that it forms first: both are there within {SPACING} steps"
        if within(lag, SPACING)
        else "open whether it forms first: the lag is no longer than the steps between snapshots; more seeds "
        "would tell"
    )
    kinds = {head.partition(" ")[0], order.partition(" ")[0]}
    return (
        "confirmed"
        if kinds == {"confirmed"}
        else f"{'open' if kinds == {'open'} else 'mixed'}: {head}; {order}"
    )
