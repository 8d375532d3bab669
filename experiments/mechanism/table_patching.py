"""Where a digit's addition table is looked up: another digit pair, copied into one place at a time."""

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from grokjax import objective
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.interp import edges
from grokjax.run import Run

PAIRS = 256
"""Pairs of problems that are patched between, for each answer digit."""
PLACES = ("attention", "MLP alone", "attention, past the MLP")


def shares(sweep: Sweep, digit: int) -> Float[np.ndarray, "3 S B"]:
    """Which share of the change of the answer to another digit pair passes each of PLACES, in the last
    snapshot: of every pair of problems, as `by_pair` says.
    """
    task = sweep.task
    (a, b), (new_a, new_b) = pairs_of_problems(task, digit)
    old, new = task.encode(a, b), task.encode(new_a, new_b)
    place = task.columns.index(digit)
    above = lambda labels, logits: jnp.take_along_axis(
        objective.by_answer(task, logits[:, np.asarray(task.read)])[:, place], labels[:, place, None], -1
    )[:, 0]
    score = lambda logits: above(new.labels, logits) - above(old.labels, logits)
    # what is written before the digit is read stays as it was
    tokens = jnp.where(jnp.arange(old.tokens.shape[1]) <= task.read[0], new.tokens, old.tokens)
    return map_epochs(
        sweep,
        functools.partial(_moved, old.tokens, tokens, score, task.read[place]),
        sweep.epochs[-1:],
    )[0].swapaxes(0, 1)


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


def _moved(tokens: Array, source: Array, score: Any, position: int, run: Run) -> Float[Array, "3 B"]:
    clean, (corrupted, there) = run.forward(tokens), run.run_with_cache(source)
    direct = np.zeros(edges.exist(run).shape)
    direct[-1] = [".head." in name for name in edges.senders(run)]
    past = score(edges.forward(run, tokens, source, jnp.asarray(direct)))

    def copied(site: str) -> Array:
        name = f"blocks.{run.config.num_layers - 1}.{site}"
        edit = lambda x: x.at[:, position].set(there[name][:, position])
        return score(run.run_with_cache(tokens, {name: edit})[0])

    moved = jnp.stack([copied("attn_out"), copied("mlp_out"), past]) - score(clean)
    return by_pair(moved, score(corrupted) - score(clean))


def by_pair(moved: Float[Array, "... B"], whole: Float[Array, " B"]) -> Float[Array, "... B"]:
    """The mean of `moved` over that of `whole`, as values of pairs of problems: their mean is the share, and
    they vary as the share does with the pairs, to first order.
    """
    share = moved.mean(-1, keepdims=True) / whole.mean()
    return share + (moved - share * whole) / whole.mean()
