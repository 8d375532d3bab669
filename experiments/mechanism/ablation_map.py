"""Which heads and neurons does which answer digit need, and where is its addition table looked up?

    python -m experiments.mechanism.ablation_map

Ablation and patching of 16 runs.

The shared runs (`adder`: --digits 5, --d_model 128, 4 heads, --batch 256, --steps 2500, --seeds 16). Every
head and every neuron is held at its mean over --per_class problems of each carry class, in the last snapshot;
the classes weigh in the mean over all as they do among uniform problems. Then, for each answer digit, another
digit pair (with the same carry) is copied into one place at a time, at the position where the digit is read,
and the rise of the new answer's logit above the old one's is measured.
Time: 2 minutes of two cores beside the training of the shared runs (5 minutes); GPU: not measured.

Found: another digit pair changes its answer digit through the MLP alone (.99 to 1.01 of the change in each
  digit, 0 past it): the tables are there. A digit's damage is spread over 134 (units, leading) to 196 of 512
  neurons and 2 or 3 of 4 heads; neighbouring digits share .55 of these neurons, others .42, random sets of
  these sizes .2.
"""

import functools
import itertools
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.frame import adder, study
from experiments.frame.finding import Answer, Finding, said
from experiments.frame.study import Study
from grokjax import figures, objective
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import ablation, edges, patching
from grokjax.run import Run
from grokjax.tasks import sampling

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "per_class": 256}
SMALL: dict[str, study.Setting] = {**adder.TINY, "per_class": 8}
SHARE = 0.9
PAIRS = 256
"""Pairs of problems that are patched between, for each answer digit."""
PLACES = ("attention", "MLP alone", "attention, past the MLP")


class Damages(NamedTuple):
    """Mean ablation in the last snapshot, by group (first all, then the carry classes) and answer digit in
    reading order.
    """

    heads: ablation.Damage
    neurons: ablation.Damage


def measure(this: Study) -> Finding:
    """The map of damages, the neurons that hold each digit's table, and where they get it from."""
    sweep = adder.trained(this)
    damages = of_units(sweep, this["per_class"])
    columns = np.argsort(sweep.task.columns)
    heads, neurons = (
        np.asarray(x.log_odds[:, 0, :, 0][:, :, columns]) for x in (damages.heads, damages.neurons)
    )
    moved = {digit: shares(sweep, digit) for digit in range(sweep.task.num_digits)}
    n = sweep.task.num_digits
    order = np.argsort(-heads.sum(2), 1)
    shown = {f"digit {digit}": np.take_along_axis(heads[:, :, digit], order, 1) for digit in range(n, -1, -1)}
    return Finding(
        task=f"{n}-digit addition, sequence mode, most significant digit first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, decay .1, "
        f"{this['steps']} steps; "
        f"{this['per_class']} problems of each of {n + 1} carry classes",
        seeds=this.seeds,
        answers=answers(neurons, heads, moved),
        numbers={
            "neurons_for_90": counts(neurons),
            "heads_for_90": counts(heads),
            "overlap": overlap(neurons),
            "share_of_the_change": {
                str(digit): dict(zip(PLACES, map(summary, found), strict=True))
                for digit, found in moved.items()
            },
            "loss_without_worst_head": by_class(np.asarray(damages.heads.loss)[:, 0], columns),
        },
        plot=figures.matrices(
            shown,
            rows="run",
            columns="head, by its damage to all digits",
            label="damage (nats)",
            across=6,
            centred=False,
            square=False,
        ),
    )


def of_units(sweep: Sweep, per_class: int) -> Damages:
    """The damage of every head and neuron of every run, leaves [S, ...]."""
    batch, classes = sampling.stratified(sweep.task, jax.random.key(0), per_class)
    n = sweep.task.num_digits
    own = ablation.groups(classes, n + 1)[1:]
    every = jnp.asarray(sampling.probabilities(n, sweep.task.base), jnp.float32) @ own
    groups = jnp.concatenate([every[None], own])

    def damages(run: Run) -> Damages:
        return Damages(
            ablation.heads(run, batch, groups=groups),
            ablation.neurons(run, batch, groups=groups),
        )

    return jax.tree.map(lambda x: x[0], map_epochs(sweep, damages, sweep.epochs[-1:]))


def shares(sweep: Sweep, digit: int) -> Float[np.ndarray, "3 S"]:
    """Which share of the change of the answer to another digit pair passes each of PLACES, in the last
    snapshot.
    """
    task = sweep.task
    (a, b), (new_a, new_b) = pairs_of_problems(task, digit)
    old, new = task.encode(a, b), task.encode(new_a, new_b)
    place = task.columns.index(digit)
    above = lambda labels, logits: jnp.take_along_axis(
        objective.by_answer(task, logits[:, np.asarray(task.read)])[:, place], labels[:, place, None], -1
    )[:, 0]
    score = lambda logits: (above(new.labels, logits) - above(old.labels, logits)).mean()
    # what is written before the digit is read stays as it was
    tokens = jnp.where(jnp.arange(old.tokens.shape[1]) <= task.read[0], new.tokens, old.tokens)
    return map_epochs(
        sweep,
        functools.partial(_moved, old.tokens, tokens, score, task.read[place]),
        sweep.epochs[-1:],
    )[0].T


def pairs_of_problems(task: Any, digit: int) -> tuple[np.ndarray, np.ndarray]:
    """PAIRS problems (a and b, [B, n]) and as many that differ from them in this column and in this digit of
    the answer alone.

    Both pairs generate a carry, or both kill one: none sums to base − 1, which would pass on what comes from
    below.
    """
    random = np.random.default_rng(digit)
    old = random.integers(task.base, size=(2, PAIRS, task.num_digits))
    new = old.copy()
    sums = np.add.outer(np.arange(task.base), np.arange(task.base))
    for row in range(PAIRS):
        alike = np.argwhere(sums >= task.base if random.random() < 0.5 else sums < task.base - 1)
        old[:, row, digit] = first = alike[random.integers(len(alike))]
        others = alike[(alike.sum(1) - first.sum()) % task.base != 0]
        new[:, row, digit] = others[random.integers(len(others))]
    return old, new


def _moved(tokens: Array, source: Array, score: Any, position: int, run: Run) -> Float[Array, " 3"]:
    clean, (corrupted, there) = run.forward(tokens), run.run_with_cache(source)
    direct = np.zeros(edges.exist(run).shape)
    direct[-1] = [".head." in name for name in edges.senders(run)]
    past = score(edges.forward(run, tokens, source, jnp.asarray(direct)))

    def copied(site: str) -> Array:
        name = f"blocks.{run.config.num_layers - 1}.{site}"
        edit = lambda x: x.at[:, position].set(there[name][:, position])
        return score(run.run_with_cache(tokens, {name: edit})[0])

    return patching.effect(
        jnp.stack([copied("attn_out"), copied("mlp_out"), past]), score(clean), score(corrupted)
    )


def summary(values: Float[np.ndarray, " S"]) -> statistics.Interval:
    """Mean over runs."""
    return statistics.mean(values.tolist())


def counts(damage: Float[np.ndarray, "S U C"]) -> dict[str, statistics.Interval]:
    """How many units hold 90% of each digit's damage: median over runs."""
    return {
        str(digit): statistics.median(
            [float(len(ablation.units_for(run[:, digit], SHARE))) for run in damage]
        )
        for digit in range(damage.shape[2])
    }


def overlap(damage: Float[np.ndarray, "S M C"]) -> dict[str, statistics.Interval]:
    """Common share of the neurons that hold 90% of two digits of one run, neighbours and all others; and of
    random sets of those sizes.
    """
    sets = [
        [set(ablation.units_for(run[:, digit], SHARE).tolist()) for digit in range(run.shape[1])]
        for run in damage
    ]
    size = damage.shape[1]
    chance = lambda x, y: statistics.common_share_by_chance(len(x), len(y), size)
    pairs = lambda run, near: [
        (run[i], run[j]) for i, j in itertools.combinations(range(len(run)), 2) if (j - i == 1) == near
    ]
    per_run = lambda of, near: [
        float(np.mean([of(*pair) for pair in found])) for run in sets if (found := pairs(run, near))
    ]
    return {
        f"{name}{word}": statistics.mean(per_run(of, near))
        for name, near in (("neighbours", True), ("others", False))
        for word, of in (("", statistics.common_share), ("_by_chance", chance))
    }


def by_class(loss: Float[np.ndarray, "S H G C"], columns: np.ndarray) -> dict[str, list[statistics.Interval]]:
    """The rise of the loss (nats) without the head that each digit needs most, for each carry class, digit by
    digit.
    """
    worst = np.asarray(loss).max(1)[:, :, columns]
    return {
        str(digit): [summary(worst[:, group, digit]) for group in range(1, worst.shape[1])]
        for digit in range(worst.shape[2])
    }


def answers(neurons: np.ndarray, heads: np.ndarray, moved: dict[int, np.ndarray]) -> list[Answer]:
    """What it says to the notes."""
    size, own = neurons.shape[1], overlap(neurons)
    held = "; ".join(
        f"digit {digit}: {said(count, '.0f')} of {size} neurons, {said(counts(heads)[digit], '.0f')} of "
        f"{heads.shape[1]} heads"
        for digit, count in counts(neurons).items()
    )
    passed = "; ".join(
        f"digit {digit}: " + ", ".join(said(summary(share), ".2f") for share in found)
        for digit, found in moved.items()
    )
    shared = ", ".join(
        f"{name} {said(own[name], '.2f')} [{said(own[name + '_by_chance'], '.2f')}]"
        for name in ("neighbours", "others")
    )
    in_mlp = all((low := summary(found[1]).low) is not None and low > 0.5 for found in moved.values())
    return [
        Answer(
            "001-77",
            "locate the addition tables somehow?",
            "share of the change of the answer when another digit pair is copied into attention's output, "
            "the "
            "MLP's output alone, and "
            "attention's output past the MLP, at the position that is read; units that hold 90% of a "
            "digit's damage; common share of "
            "these neurons between digits of a run (in brackets: of random sets)",
            f"{passed}; {held}; digits: {shared}",
            "confirmed: in the last MLP, in each digit"
            if in_mlp
            else "open: not in every digit does most of the change pass the MLP",
        ),
        Answer(
            "001-46",
            "techniques which can just be applied",
            "every head and neuron of every run in one call, for any sweep",
            f"{len(neurons)} runs × {size + heads.shape[1]} units",
            "built: python -m experiments.mechanism.ablation_map",
        ),
    ]


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
