"""What circuits in bases, composition and weights made by hand answer, with the rules."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.frame.measured import exact, mean, share
from experiments.frame.result import Result
from experiments.mechanism.circuit_readers import Seen
from grokjax import Addition, objective, tasks
from grokjax.interp import circuits, fourier, hand_wired
from grokjax.interp.addition import evaluation_sets


def hand_made() -> Result:
    """002-17."""
    worst, right = [], []
    for task in (Addition(num_digits=2), Addition()):
        run = hand_wired.adder(task)
        every = evaluation_sets.every(task) if task.num_digits == 2 else None
        batch: Any = (
            task.encode(every.a, every.b) if every else tasks.stratified(task, jax.random.key(0), 2000)[0]
        )
        against = objective.against(run.logits(batch.tokens), batch.labels).max(-1)
        right.append((int((against < 0).all(-1).sum()), len(against)))
        worst.append(float(-against.max()))
    leaves = jax.tree.leaves(run.params)
    return Result(
        "002-17",
        "Weights made by hand add exactly: all problems of two digits are right, by a margin of {margin}, "
        "with {neurons} neurons.",
        dict(
            margin=exact("worst margin, two digits", worst[0]),
            margin_5=exact("worst margin, 12000 problems of five digits, 2000 of each carry class", worst[1]),
            neurons=exact("neurons, five digits", run.config.mlp_width, ""),
            two=share("right, two digits", *right[0], "problems"),
            five=share("right, five digits", *right[1], "problems"),
            parameters=exact("parameters, five digits", sum(leaf.size for leaf in leaves), ""),
            filled=exact("of these not 0", sum(int((leaf != 0).sum()) for leaf in leaves), ""),
        ),
        "Built if every problem of two digits and every one of the five-digit sets is answered right.",
        "built: grokjax.interp.hand_wired.adder"
        if all(a == b for a, b in right)
        else "open: some problems are wrong",
        ["1 layer, 2 heads of width 2, sequence mode."],
    )


def bases(seen: Seen) -> Result:
    """002-19."""
    number = seen.spectra.shape[-1]
    line = np.asarray(fourier.power(jnp.arange(2.0 * number), number * 2))
    names = [" by ".join(pair) for pair in circuits.PAIRS]
    scores = {
        f"qk_{k}": mean(f"QK, {name}: share of what tells the keys apart", seen.scores[:, k], "")
        for k, name in enumerate(names)
    }
    waves = {
        f"{short}_{k}": mean(f"{what}: share of frequency {k}", seen.spectra[:, which, k - 1], "")
        for which, (short, what) in enumerate(
            (("ov", "OV into the neurons, over the digits"), ("mlp", "MLP out, over the answers"))
        )
        for k in range(1, number + 1)
    }
    return Result(
        "002-19",
        f"Heads tell keys apart {names[int(seen.scores.mean(0).argmax())]}, {{best}} of it; of what OV "
        "passes on {ov_1} is the slowest wave of the digits.",
        dict(best=scores[f"qk_{int(seen.scores.mean(0).argmax())}"], **scores, **waves)
        | {
            f"line_{k + 1}": exact(f"a straight line of digits: share of frequency {k + 1}", float(x), "")
            for k, x in enumerate(line)
        },
        "Built where every circuit is written in the basis of tokens and answers, with its spectrum beside "
        "a line's.",
        "built: python -m experiments.mechanism.circuits",
    )


def amfftc(seen: Seen) -> Result:
    """004-17."""
    names = ("heads to neurons", "heads to unembedding", "neurons to unembedding")
    return Result(
        "004-17",
        "Composition is measured: heads write into neurons, {heads_to_neurons} above random bases, and "
        "hardly into the answer, {heads_to_unembedding}.",
        {
            name.replace(" ", "_"): mean(f"composition, {name}", seen.z[:, k], "standard errors")
            for k, name in enumerate(names)
        },
        "Built where composition of every pair of parts is compared with random bases.",
        "built: grokjax.interp.circuits, composition, attribution",
    )
