"""How do one layer of attention and an MLP predict a digit: which places are read, and by which circuits?

    python -m experiments.mechanism.circuits

The shared runs of `experiments.frame.adder` (--digits 5, most significant digit first, 1 layer, width 128, 4
heads, 512 neurons, batch 256, rate 1e-3, decay .1, --steps 2500, --seeds 16) at their end, and for the times
at all saved steps.

Looks: the mean attention of a head, where a digit is predicted, to the digit pair, the pair below ..., on 512
  problems.
Needs: the values from all places but some are swapped for another problem's (path ablation, in
  `interp.patching`). An ideal reader of the digit pair and j pairs below is wrong on base^-j 2c(1-c) of the
  problems, c the probability of a carry into the lowest pair.
Times: a digit leaves ln 10 when the running median of its loss is below 95% of it. A head has risen when half
  of its attention there is on the digit pair: between two saved steps, which are 50 to 100 apart, or by a
  straight line between them. The digit after the leading one, which starts below ln 10, is left out there.

Time: a minute on two cores that others used too, apart from the shared training; GPU: not measured. Found (16
  seeds): one head looks at the digit pair of every digit (.96 of its attention), another at the pair below;
  90%
  of what tells keys apart in the scores is position by position. The digit pair alone is right on .588 of the
  digits, with one pair below on .966, with two on .988, all places on .995; pairs above and `=` are not
  needed, the visible digits hardly. The MLP writes 98% of a right answer's logit, the heads nothing. The head
  rises while its digit falls from ln 10 (attention .32 to .49 at the exit), before it in none of 64 exits.
  The bound on 001-30 was set after a first look.
"""

import math
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.frame import adder, study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Study
from grokjax import Addition, figures, objective, tasks
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval
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
EXAMPLES, FEW, LEFT, RISEN = 512, 64, 0.95, 0.5
OWN, BELOW = digit_attention.PLACES.index("digit pair"), digit_attention.PLACES.index("pair below")


class Seen(NamedTuple):
    """What one run shows at its end, digits C in reading order; of all runs with [S] in front, on the host.

    pattern [H, C, P] and looks [H, C, place]: attention;  right [sets, C]: shares of right answers;  damage
    [H, C] without a head, nats scores [4]: `circuits.score_shares`;  logits [N]: what each part adds;  z [3]:
    of composition;  spectra [2, F]: of OV and MLP out
    """

    pattern: Any
    looks: Any
    right: Any
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
            digit_pair(seen, times),
            hand_made(),
            bases(seen),
            amfftc(sweep, seen),
        ],
        numbers={
            "right_when_only_these_are_read": needs,
            "ideal": {f"{j} below": ideal(sweep.task, j) for j in range(3)},
            "times": times,
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
    """For each digit that starts at ln b: when a head has risen less when the digit leaves ln b, and how many
    runs did the one first.
    """
    task, loss, steps = (
        sweep.task,
        sweep.metrics["loss"],
        np.array([sweep.steps(epoch) for epoch in sweep.epochs]),
    )
    batch = task.batch(jax.random.key(0), FEW)
    own = np.asarray(
        map_epochs(sweep, lambda run: digit_attention.to_places(run, batch.tokens)[0, :, :, OWN].max(0))
    )
    found = {}
    for place, digit in enumerate(task.columns):
        if digit >= task.num_digits - 1:
            continue
        exits = statistics.until_below(loss[:, :, digit], LEFT * math.log(task.base))
        runs = [
            run
            for run in range(len(loss))
            if exits.ended[run] and own[0, run, place] < RISEN <= own[:, run, place].max()
        ]
        after = np.array([(own[:, run, place] >= RISEN).argmax() for run in runs], int)
        level, left, whose = own[:, :, place], exits.time[runs], (after, runs)
        below = level[after - 1, runs]
        rise = steps[after - 1] + (steps[after] - steps[after - 1]) * (RISEN - below) / (level[whose] - below)
        at_exit = [np.interp(exits.time[run], steps, level[:, run]) for run in runs]
        found[f"digit {digit}"] = dict(
            runs=len(runs),
            exit=exits.median,
            rise_less_exit=statistics.mean(rise - left),
            risen_first=int((steps[after] < left).sum()),
            left_first=int((steps[after - 1] > left).sum()),
            attention_at_exit=statistics.mean(at_exit),
        )
    return found


def mechanism(sweep: Sweep, seen: Seen) -> Answer:
    """001-30."""
    names, task = list(sets(sweep.task)), sweep.task
    right = lambda name: statistics.mean(seen.right[:, names.index(name)].mean(1))
    faithful = [
        statistics.mean(share)
        for share in (
            seen.right[:, names.index("2 below, visible digits")] / seen.right[:, names.index("all")]
        ).T
    ]
    expected = lambda below: np.mean(list(ideal(task, below).values()))
    chain = "; ".join(
        f"digit pair and {j} below {said(right(f'{j} below'), '.3f')}, ideal {expected(j):.3f}"
        for j in range(3)
    )
    others = "; ".join(f"{name} {said(right(name), '.3f')}" for name in names[3:])
    holds = all((share.low or 0) >= 0.98 for share in faithful)
    return Answer(
        "001-30",
        "how does attn+mlp, like, mechanically work to predict the digit?",
        "right digits when only these places are read and all else is another problem's, mean over digits; "
        "share of a right answer's logit "
        "over the mean that the MLP writes",
        f"{chain}; {others}; MLP {said(of_the_mlp(sweep, seen), '.3f')}",
        "confirmed: heads fetch the digit pair and two pairs below, by position; the MLP makes carry and "
        "digit of them"
        if holds
        else "open: these places are not all that the runs need",
    )


def of_the_mlp(sweep: Sweep, seen: Seen) -> Interval:
    """The share of the right logits that the MLP writes."""
    return statistics.mean(
        seen.logits[:, attribution.full_labels(sweep.run(0)).index("0_mlp_out")] / seen.logits.sum(1)
    )


def digit_pair(seen: Seen, times: dict[str, dict[str, Any]]) -> Answer:
    """001-65."""
    own = seen.looks[:, :, 1:, OWN]
    best = own.max(1)
    damage = seen.damage[:, :, 1:]
    chosen = np.take_along_axis(damage, own.argmax(1)[:, None], 1)[:, 0]
    rest = (damage.sum(1) - chosen) / (damage.shape[1] - 1)
    runs, every = len(best), int((best > RISEN).all(1).sum())
    total = {name: sum(of[name] for of in times.values()) for name in ("runs", "risen_first", "left_first")}
    lag = "; ".join(
        f"{digit}: {said(of['rise_less_exit'], '.0f')}, attention at the exit "
        f"{said(of['attention_at_exit'], '.2f')}"
        for digit, of in times.items()
    )
    when = (
        "before"
        if total["risen_first"] > total["left_first"]
        else "with the fall from ln b or after it, not before"
    )
    return Answer(
        "001-65",
        "attention head that looks specifically at -6th and -12th digits",
        "attention of the best head to the digit pair; runs where it is above ½ for every digit; fall of the "
        "log-odds (nats) without that "
        "head and without another; step at which it is ½ less step of the exit from ln b",
        f"{said(statistics.mean(best.mean(1)), '.2f')}; {counted(every, runs)}; "
        f"{said(statistics.mean(chosen.mean(1)), '.1f')} and "
        f"{said(statistics.mean(rest.mean(1)), '.1f')}; {lag}; of {total['runs']} exits the rise is surely "
        f"before {total['risen_first']}, "
        f"surely after {total['left_first']}",
        f"confirmed: there is one; it rises {when}"
        if every > runs / 2
        else "refuted: most runs have none for every digit",
    )


def hand_made() -> Answer:
    """002-17."""
    worst, exact = [], []
    for task in (Addition(num_digits=2), Addition()):
        run = hand_wired.adder(task)
        every = evaluation_sets.every(task) if task.num_digits == 2 else None
        batch: Any = (
            task.encode(every.a, every.b) if every else tasks.stratified(task, jax.random.key(0), 2000)[0]
        )
        against = objective.against(run.logits(batch.tokens), batch.labels).max(-1)
        exact.append(f"{int((against < 0).all(-1).sum())} of {len(against)}")
        worst.append(float(-against.max()))
    leaves = jax.tree.leaves(run.params)
    size = sum(leaf.size for leaf in leaves)
    return Answer(
        "002-17",
        "compiling counting logic to softmax",
        "hand-made weights, sequence mode: exact answers to all problems of 2 digits and to 12000 of 5, "
        "2000 of each carry class; worst "
        "margin (nats); size",
        f"{exact[0]}; {exact[1]}; {worst[0]:.1f} and {worst[1]:.1f}; 1 layer, 2 heads of width 2, "
        f"{run.config.mlp_width} neurons, "
        f"{size} parameters of which {sum(int((leaf != 0).sum()) for leaf in leaves)} are not 0",
        "built: grokjax.interp.hand_wired.adder",
    )


def bases(seen: Seen) -> Answer:
    """002-19."""
    shares = "; ".join(
        f"{' by '.join(pair)} {said(statistics.mean(seen.scores[:, k]), '.3f')}"
        for k, pair in enumerate(circuits.PAIRS)
    )
    number = seen.spectra.shape[-1]
    line = " ".join(f"{x:.2f}" for x in fourier.power(jnp.arange(2.0 * number), number * 2))
    powers = [
        "; ".join(said(statistics.mean(x), ".2f") for x in seen.spectra[:, which].T) for which in range(2)
    ]
    return Answer(
        "002-19",
        "Analyzing Transformers in Embedding Space",
        "QK: share of each part, query by key, in what tells the keys apart; OV into the neurons, over the "
        "digits 0 to b-1, and MLP out, "
        f"over the answers: share of each frequency 1 ... b/2 (a straight line of digits: {line})",
        f"QK {shares}; OV {powers[0]}; MLP out {powers[1]}",
        "built: python -m experiments.mechanism.circuits",
    )


def amfftc(sweep: Sweep, seen: Seen) -> Answer:
    """004-17."""
    z = "; ".join(
        f"{name} {said(statistics.mean(seen.z[:, k]), '.1f')}"
        for k, name in enumerate(("heads to neurons", "heads to unembedding", "neurons to unembedding"))
    )
    direct = statistics.mean(
        1 - seen.logits[:, attribution.full_labels(sweep.run(0)).index("0_mlp_out")] / seen.logits.sum(1)
    )
    return Answer(
        "004-17",
        "continue reading amfftc",
        "composition, mean z against random bases; share of a right answer's logit over the mean that heads "
        "and embeddings write directly",
        f"{z}; {said(direct, '.4f')}",
        "built: grokjax.interp.circuits, composition, attribution",
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
