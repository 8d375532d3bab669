"""How do one layer of attention and an MLP predict a digit: which places are read, and by which circuits?

    python -m experiments.mechanism.circuits

The shared runs of `experiments.frame.adder` (--digits 5, most significant digit first, 1 layer, width 128, 4
heads, 512 neurons, batch 256, rate 1e-3, decay .1, --steps 2500, --seeds 16) at their end, and for the times
at all saved steps.

Looks: the mean attention of a head, where a digit is predicted, to the digit pair, the pair below ..., on 512
  problems.
Needs: the values from all places but some are swapped for another problem's (path ablation, in
  `interp.patching`); the patterns stay the problem's own. Beside it every pattern is held at its mean over
  the problems: what is left is by position alone. An ideal reader of the digit pair and j pairs below is
  wrong on base^-j 2c(1-c) of the problems, c the probability of a carry into the lowest pair.
Times: half of the way, for both. A digit's loss has gone half of the way from ln 10 to its level; a head has
  gone half of the way from its attention to the digit pair at the start to that at the end: between two saved
  steps, which are 50 to 100 apart, by a straight line. The digit after the leading one, which starts below
  ln 10, is left out there.

Time: a minute on two cores that others used too, apart from the shared training; GPU: not measured. Changed
after a first look: patterns held at their mean, and equal shares of the way for both times.
"""

import math
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.frame import adder, study
from experiments.frame.finding import Finding
from experiments.frame.measured import exact, interval, mean, share
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax import Addition, figures, objective, tasks
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import (
    ablation,
    attention,
    attribution,
    circuits,
    composition,
    fourier,
    hand_wired,
    patching,
)
from grokjax.interp.addition import attention as digit_attention
from grokjax.interp.addition import evaluation_sets
from grokjax.run import Run
from grokjax.theory.columns import carry_probability

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE}
SMALL: dict[str, study.Setting] = {**adder.TINY}
EXAMPLES, FEW, HALF, RISEN = 512, 64, 0.5, 0.5
FAITHFUL, POSITION = 0.98, 0.95
"""The share of the whole accuracy that a set of places keeps, and that mean patterns keep, to be enough."""
OWN, BELOW = digit_attention.PLACES.index("digit pair"), digit_attention.PLACES.index("pair below")


class Seen(NamedTuple):
    """What one run shows at its end, digits C in reading order; of all runs with [S] in front, on the host.

    pattern [H, C, P] and looks [H, C, place]: attention;  right [sets, C]: shares of right answers
    held [2]: of digits and of whole answers with mean patterns;  damage [H, C]: without a head, nats
    scores [4]: `circuits.score_shares`;  logits [N]: what each part adds;  z [3]: of composition
    spectra [2, F]: of OV and MLP out
    """

    pattern: Any
    looks: Any
    right: Any
    held: Any
    damage: Any
    scores: Any
    logits: Any
    z: Any
    spectra: Any


def measure(this: Study) -> Finding:
    """The runs at their end, their times, and the compiled adder."""
    sweep = adder.trained(this)
    seen = jax.tree.map(lambda x: np.asarray(x)[0], map_epochs(sweep, looked_into, sweep.epochs[-1:]))
    times = lags(sweep)
    panels, names = grid(sweep, seen)
    needs = {
        name: {
            f"digit {digit}": statistics.mean(seen.right[:, k, place])
            for place, digit in enumerate(sweep.task.columns)
        }
        for k, name in enumerate(sets(sweep.task))
    }
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=[
            mechanism(sweep, seen),
            contributions(sweep, seen),
            digit_pair(seen, times, sweep),
            hand_made(),
            bases(seen),
            amfftc(seen),
        ],
        numbers={
            "right_when_only_these_are_read": needs,
            "ideal": {f"{j} below": ideal(sweep.task, j) for j in range(3)},
            "times": {
                digit: {name: x for name, x in of.items() if name != "apart"} for digit, of in times.items()
            },
        },
        plot=figures.matrices(panels, centred=False, **names),
    )


def looked_into(run: Run) -> Seen:
    """Everything that is measured of one run."""
    task = run.task
    batch, source = task.batch(jax.random.key(0), EXAMPLES), task.batch(jax.random.key(1), EXAMPLES).tokens
    read = lambda places, own: patching.path_ablation(
        run, batch.tokens, source, jnp.asarray(places), jnp.asarray(own)
    ).argmax(-1)
    unembedded = (
        find(run).z.mean() for find in (composition.heads_to_unembedding, composition.neurons_to_unembedding)
    )
    digits = circuits.ov_to_neurons(run, of="symbol")
    return Seen(
        pattern=attention.patterns(run, batch.tokens)[0][:, jnp.asarray(task.read)],
        looks=digit_attention.to_places(run, batch.tokens)[0],
        right=jnp.stack([(read(*some) == batch.labels).mean(0) for some in sets(task).values()]),
        held=held_at_mean(run, batch),
        damage=ablation.heads(run, batch).log_odds[0, :, 0],
        scores=circuits.score_shares(run, batch.tokens).mean(0),
        logits=attribution.components(run, batch).mean((1, 2)),
        z=jnp.stack([composition.heads_to_neurons(run).z.mean(), *unembedded]),
        spectra=jnp.stack(
            [
                fourier.power(digits, task.base, axis=1),
                fourier.power(circuits.mlp_out(run), task.base, axis=1),
            ]
        ),
    )


def held_at_mean(run: Run, batch: Any) -> Any:
    """The shares of right digits and of right answers [2] with every pattern at its mean."""
    still = {"blocks.0.attn.pattern": lambda pattern: jnp.broadcast_to(pattern.mean(0), pattern.shape)}
    correct = run.scores(batch, still).correct
    return jnp.stack([correct.mean(dtype=jnp.float32), correct.all(-1).mean(dtype=jnp.float32)])


def sets(task: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What may be read: places [C, P], and whether the token where it is read is among it [C]."""
    column, asked, place = (
        digit_attention.operand_columns(task),
        digit_attention.answer_columns(task)[:, None],
        digit_attention.places(task),
    )
    pairs = lambda below: (column >= 0) & (column <= asked) & (column >= asked - below)
    visible, no = place == digit_attention.PLACES.index("visible answers"), np.zeros(len(asked), bool)
    found = {f"{j} below": (pairs(j), no) for j in range(3)}
    found |= {f"{j} below, visible digits": (pairs(j) | visible, ~no) for j in (1, 2)}
    return found | {
        "all": (visible | True, ~no),
        "all but digit pair": (place != OWN, ~no),
        "all but pair below": (place != BELOW, ~no),
        "all but visible digits": (~visible, no),
    }


def ideal(task: Any, below: int) -> dict[str, float]:
    """How often a reader of the digit pair and so many pairs below is right, its carry into the lowest of
    them
    taken from another problem.
    """
    carry = lambda column: float(carry_probability(task.base, max(column, 0)))
    return {
        f"digit {digit}": 1
        - task.base ** -min(below, digit) * 2 * carry(digit - below) * (1 - carry(digit - below))
        for digit in digit_attention.answer_columns(task).tolist()
    }


def grid(sweep: Sweep, seen: Seen) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The mean attention where each digit is predicted: heads ordered by what they pay to their digit pair;
    one
    run, and the mean of all.
    """
    task = sweep.task
    order = np.argsort(-seen.looks[..., OWN].mean(-1), 1)
    pattern = np.take_along_axis(seen.pattern, order[..., None, None], 1)
    panels = {
        f"{whose}, head {head + 1}": of[head]
        for whose, of in (("seed 0", pattern[0]), ("all seeds", pattern.mean(0)))
        for head in range(pattern.shape[1])
    }
    text, n = "abcdefghijklmnopqrstuvwxyz", task.num_digits
    operand = lambda name: [f"{name}{k}" for k in reversed(range(n))]
    keys = [*operand(text[0]), "+", *operand(text[1]), "=", *(f"s{k}" for k in range(n, 0, -1))]
    return panels, dict(
        rows="digit that is predicted",
        columns="position that is attended to",
        label="mean attention",
        row_names=[f"s{k}" for k in task.columns],
        column_names=keys,
    )


def lags(sweep: Sweep) -> dict[str, dict[str, Any]]:
    """For each digit that starts at ln b: the step at which its loss, and at which the best head's attention
    to its pair, are half of the way to their ends, and the difference.
    """
    task, loss = sweep.task, sweep.metrics["loss"]
    steps = np.array([sweep.steps(epoch) for epoch in sweep.epochs])
    batch = task.batch(jax.random.key(0), FEW)
    own = np.asarray(
        map_epochs(sweep, lambda run: digit_attention.to_places(run, batch.tokens)[0, :, :, OWN].max(0))
    )
    every = np.arange(loss.shape[1])
    found = {}
    for place, digit in enumerate(task.columns):
        if digit >= task.num_digits - 1:
            continue
        first, end = math.log(task.base), loss[:, -100:, digit].mean(1)
        falls = [
            halfway(every, first - one, first - last)
            for one, last in zip(smooth(loss[:, :, digit]), end, strict=True)
        ]
        rises = [halfway(steps, level - level[0], level[-1] - level[0]) for level in own[:, :, place].T]
        apart = np.array(rises) - np.array(falls)
        found[f"digit {digit}"] = dict(
            loss_halfway=statistics.median(falls),
            attention_halfway=statistics.median(rises),
            attention_less_loss=statistics.mean(apart),
            apart=apart,
        )
    return found


def smooth(curves: np.ndarray, over: int = 11) -> np.ndarray:
    """A moving mean over the steps of each run."""
    kept = np.full(over, 1 / over)
    return np.array([np.convolve(np.pad(one, over // 2, mode="edge"), kept, "valid") for one in curves])


def halfway(at: np.ndarray, gone: np.ndarray, whole: float) -> float:
    """Where a curve has first gone half of its way, by a straight line between two places; the last place
    where it never has.
    """
    past = gone >= HALF * whole
    if not past.any() or past[0]:
        return float(at[0] if past.any() else at[-1])
    i = int(past.argmax())
    part = (HALF * whole - gone[i - 1]) / (gone[i] - gone[i - 1])
    return float(at[i - 1] + part * (at[i] - at[i - 1]))


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
        f"confirmed if patterns at "
        f"their mean keep {POSITION:.0%} of it.",
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
        "digit. Order: told "
        f"by the paired lag of half-way times, where it is longer than the {saved} steps between snapshots.",
        f"mixed: confirmed that there is one; {order}"
        if every > runs / 2
        else "refuted: most runs have none for every digit",
    )


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
        f"passes on {{ov_1}} is "
        "the slowest wave of the digits.",
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
        "hardly into the "
        "answer, {heads_to_unembedding}.",
        {
            name.replace(" ", "_"): mean(f"composition, {name}", seen.z[:, k], "standard errors")
            for k, name in enumerate(names)
        },
        "Built where composition of every pair of parts is compared with random bases.",
        "built: grokjax.interp.circuits, composition, attribution",
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
