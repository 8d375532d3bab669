"""The ways by which a carry reaches the leading digit in two layers."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from experiments.frame.bounds import above
from experiments.frame.measured import FEW, Measured, mean_share, share
from experiments.frame.result import Result
from grokjax import objective
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.interp import edges, patching
from grokjax.run import Run

WAYS = ("layer 0, at the answer", "layer 1, from the column", "stepwise")
PROBLEMS = 256
SOLVED, MOST, SOME = 0.9, 0.8, 0.1
"""The share of problems right with which a run counts; shares that are most of a change, and some of it."""


class Ways(NamedTuple):
    """Of every run: the share of the change of the leading digit that takes each of WAYS [S, 3], and the
    share of the problems, with and without the carry, whose leading digit is right [S].
    """

    share: Any
    right: Any


def ways(sweep: Sweep, length: int) -> Ways:
    """Those where `length` columns pass the carry on, in the last snapshot."""
    task = sweep.task
    (old_a, old_b), (new_a, new_b) = chains(task, length)
    old, new = task.encode(old_a, old_b), task.encode(new_a, new_b)
    place = task.columns.index(task.num_digits)
    position, read = task.read[place], np.asarray(task.read)
    pick = lambda logits, labels: jnp.take_along_axis(
        objective.by_answer(task, logits[:, read])[:, place], labels[:, place, None], -1
    )
    score = lambda logits: (pick(logits, new.labels) - pick(logits, old.labels)).mean()
    tokens = jnp.where(jnp.arange(old.tokens.shape[1]) <= position, new.tokens, old.tokens)
    masks = jnp.asarray(of_ways(sweep.run(0), position, old.tokens.shape[1]), jnp.float32)

    def effects(run: Run) -> Ways:
        found = jax.lax.map(lambda mask: score(edges.forward(run, old.tokens, tokens, mask)), masks)
        right = jnp.stack([run.scores(batch).correct[:, place].mean() for batch in (old, new)])
        return Ways(patching.effect(found[2:], found[0], found[1]), right.mean())

    return jax.tree.map(lambda x: np.asarray(x[0]), map_epochs(sweep, effects, sweep.epochs[-1:]))


def chains(task: Any, length: int) -> tuple[np.ndarray, np.ndarray]:
    """PROBLEMS problems ([a, b], [B, n]) without a leading 1, and the same with one: the `length` top columns
    pass on, the next decides.
    """
    random, base = np.random.default_rng(length), task.base
    old = random.integers(base, size=(2, PROBLEMS, task.num_digits))
    top = task.num_digits - length
    old[1, :, top:] = base - 1 - old[0, :, top:]
    sums = np.add.outer(np.arange(base), np.arange(base))
    kill, generate = (np.argwhere(which) for which in (sums < base - 1, sums >= base))
    new = old.copy()
    old[:, :, top - 1] = kill[random.integers(len(kill), size=PROBLEMS)].T
    new[:, :, top - 1] = generate[random.integers(len(generate), size=PROBLEMS)].T
    return old, new


def of_ways(run: Run, position: int, length: int) -> Bool[np.ndarray, "5 R U P"]:
    """Masks [5, R, U, P]: nothing replaced, everything, and each of WAYS."""
    reads, adds = np.array(edges.receivers(run)), np.array(edges.senders(run))
    here = np.arange(length) == position
    reader, sender = (
        (lambda test, names=names: np.array([test(name) for name in names])) for names in (reads, adds)
    )
    embedded, heads = sender(lambda name: "embed" in name), sender(lambda name: name.startswith("0.head"))
    block = sender(lambda name: name.startswith("0."))
    sources = reader(lambda name: name.startswith("1.head") and name[-1] in "kv")
    cells = lambda r, u, p: r[:, None, None] & u[None, :, None] & p[None, None]
    every = np.ones((len(reads), len(adds), length), bool)
    return np.stack(
        [
            ~every,
            every,
            cells(np.ones(len(reads), bool), heads, here),
            cells(sources, embedded, ~here),
            cells(sources, block, ~here),
        ]
    )


def on_ways(found: list[Ways]) -> Result:
    """002-20."""
    able = np.stack([one.right >= SOLVED for one in found])
    values = np.stack([one.share for one in found])
    rows: dict[str, Measured] = {}
    for j in range(len(found)):
        rows[f"able_{j}"] = share(
            f"runs whose leading digit is right, {j} columns pass on", int(able[j].sum()), able.shape[1]
        )
        for place, way in enumerate(WAYS):
            rows[f"way_{place}_{j}"] = mean_share(f"{way}, {j} columns pass on", values[j, able[j], place])
    long = [values[1:, run][able[1:, run]].mean(0) for run in range(able.shape[1]) if able[1:, run].any()]
    of = np.stack(long) if long else np.zeros((0, len(WAYS)))
    for place, way in enumerate(WAYS):
        most = int((of[:, place] > MOST).sum())
        rows[f"way_{place}"] = mean_share(f"{way}, chains of at least one column", of[:, place])
        rows[f"most_{place}"] = share(f"runs with more than {MOST:g} of it by {way}", most, len(of))
    return Result(
        "002-20",
        "With two layers runs differ: {way_2} of the change comes stepwise, {way_0} by layer 0 at once.",
        rows,
        f"Over chains that at least one column passes on, in the runs that solve them, {FEW} or more: "
        "stepwise is confirmed if more than half of the change takes that way, refuted if layer 0 alone "
        f"takes more than half, mixed if neither does and both take more than {SOME:g} (whole intervals); "
        "else open.",
        of_ways_taken(rows, len(of)),
        [
            "A class counts in the runs that solve it.",
            f"Runs were counted, at {MOST:g}, after the numbers were seen; the rule is of the mean.",
        ],
    )


def of_ways_taken(rows: dict[str, Measured], runs: int) -> str:
    """The verdict of 002-20."""
    at_once, stepwise = rows["way_0"], rows["way_2"]
    if runs < FEW:
        return "open: too few runs solve such chains; more steps would tell"
    if above(stepwise, 0.5):
        return "confirmed"
    if above(at_once, 0.5):
        return "refuted"
    if above(stepwise, SOME) and above(at_once, SOME):
        return "mixed: in part stepwise, in part by layer 0 at once"
    return "open: the shares of the ways are not determined; more runs would tell"
