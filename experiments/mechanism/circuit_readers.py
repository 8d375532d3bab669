"""What is measured of one run: which places a digit reads, by which circuits, and when that comes."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import ablation, attention, attribution, circuits, composition, fourier, patching
from grokjax.interp.addition import attention as digit_attention
from grokjax.run import Run
from grokjax.theory.columns import carry_probability

EXAMPLES, FEW, HALF = 512, 64, 0.5
SPACING = 10
"""Steps between the snapshots that tell when a head forms."""
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


def head_of_pairs(seen: Seen) -> np.ndarray:
    """The head of each run [S] whose least attention to the pair of a digit is the largest."""
    return np.asarray(seen.looks[:, :, 1:, OWN].min(2).argmax(1))


def lags(sweep: Sweep, close: Sweep, head: np.ndarray) -> dict[str, dict[str, Any]]:
    """For each digit that starts at ln b: the step at which its loss, and at which the attention of each
    run's head [S] to its pair, are half of the way to their ends in `sweep`, and the difference (`apart`, NaN
    where one of them is later than the last step of `close`, the same runs with more snapshots).
    """
    task, loss, runs = sweep.task, sweep.metrics["loss"], np.arange(len(head))
    steps = np.array([close.steps(epoch) for epoch in close.epochs])
    batch = task.batch(jax.random.key(0), FEW)
    to_pair = lambda run: digit_attention.to_places(run, batch.tokens)[0, :, :, OWN]
    own = np.asarray(map_epochs(close, to_pair))[:, runs, head]
    ends = np.asarray(map_epochs(sweep, to_pair, sweep.epochs[-1:]))[0, runs, head]
    every, found = np.arange(steps[-1] + 1), {}
    for place, digit in enumerate(task.columns):
        if digit >= task.num_digits - 1:
            continue
        first, end = math.log(task.base), loss[:, -100:, digit].mean(1)
        falls = [
            halfway(every, first - one[: len(every)], first - last)
            for one, last in zip(smooth(loss[:, :, digit]), end, strict=True)
        ]
        rises = [
            halfway(steps, level - level[0], last - level[0])
            for level, last in zip(own[:, :, place].T, ends[:, place], strict=True)
        ]
        late = np.maximum(rises, falls) >= steps[-1]
        apart = np.where(late, np.nan, np.array(rises) - np.array(falls))
        found[f"digit {digit}"] = dict(
            loss_halfway=statistics.median(falls),
            attention_halfway=statistics.median(rises),
            attention_less_loss=statistics.mean(apart[~late]),
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
