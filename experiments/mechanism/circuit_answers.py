"""What the places that are read, and when they are, answer, with the rules."""

from typing import Any

import numpy as np

from experiments.frame.measured import exact, interval, mean, share
from experiments.frame.result import Result
from experiments.mechanism.circuit_readers import OWN, Seen, ideal, sets
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


def digit_pair(seen: Seen, times: dict[str, dict[str, Any]], sweep: Sweep) -> Result:
    """001-65."""
    own = seen.looks[:, :, 1:, OWN]
    best = own.max(1)
    damage = seen.damage[:, :, 1:]
    chosen = np.take_along_axis(damage, own.argmax(1)[:, None], 1)[:, 0]
    rest = (damage.sum(1) - chosen) / (damage.shape[1] - 1)
    runs, every = len(best), int((best > RISEN).all(1).sum())
    apart = np.stack([of["apart"] for of in times.values()]).mean(0) if times else np.zeros(runs)
    lag, saved = statistics.mean(apart), sweep.epoch_steps
    known = lag.low is not None and lag.high is not None
    order = (
        "open whether it forms first: the snapshots are too far apart"
        if not known or max(abs(lag.low), abs(lag.high)) < saved  # type: ignore[arg-type]
        else "refuted that it forms first"
        if lag.low > 0  # type: ignore[operator]
        else "confirmed that it forms first"
        if lag.high < 0  # type: ignore[operator]
        else "open whether it forms first: both signs occur"
    )
    return Result(
        "001-65",
        "One head gives {attention} of its attention to the own pair; it is half of the way {lag} after "
        "the loss.",
        dict(
            attention=mean("attention of the best head to the own pair", best.mean(1), ""),
            lag=mean("attention halfway less loss halfway, mean over digits", apart, "steps"),
            every=share("runs where it is above ½ for every digit", every, runs),
            chosen=mean("fall of the log-odds without that head", chosen.mean(1), "nats"),
            rest=mean("the same without another head", rest.mean(1), "nats"),
            **{
                f"lag_{digit.replace(' ', '_')}": interval(
                    f"the lag, {digit}", of["attention_less_loss"], "steps", runs
                )
                for digit, of in times.items()
            },
        ),
        "Head: confirmed if in most runs one gives more than half of its attention to the pair of every "
        f"digit. Order: told by the paired lag of half-way times, where it is longer than the {saved} "
        "steps between snapshots.",
        f"mixed: confirmed that there is one; {order}"
        if every > runs / 2
        else "refuted: most runs have none for every digit",
    )
