"""The law of the whole answer that a run predicts, beside the exact ones: for `joint_distribution`."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from experiments.frame import snapshots
from experiments.frame.study import Study
from experiments.plateaus import tolerance
from grokjax.curves import shelves
from grokjax.interp.addition import answer_distribution, evaluation_sets, predictions
from grokjax.mapping import map_runs
from grokjax.run import Run
from grokjax.theory import answers as exact
from grokjax.theory import columns, sums

KNOWN = {"nothing": (), "tens pair": (1,), "units pair": (0,)}
EVERYTHING = "both pairs"
"""Given these the law is one at the right answer: no table is needed."""
BINS = 20


class Laws(NamedTuple):
    """The inputs, and for each set of known columns the exact law of the answer [K, 10, 10, 10] with each
    input's row of it.
    """

    prompts: Int[np.ndarray, "B P"]
    naive: Int[np.ndarray, " B"]
    right: Int[np.ndarray, "B C"]
    exact: dict[str, Float[np.ndarray, "K V V V"]]
    rows: dict[str, Int[np.ndarray, " B"]]


def laws(task: Any, every: int) -> Laws:
    """The exact laws for one in `every` of all inputs. Answers are in reading order, most significant first,
    as in numbers.
    """
    fixed = evaluation_sets.every(task)
    kept = np.sort(np.random.default_rng(0).permutation(len(fixed.a))[: len(fixed.a) // every])
    a, b = np.asarray(fixed.a)[kept], np.asarray(fixed.b)[kept]
    tables = {name: exact.laws(10, 2, known).reshape(-1, 10, 10, 10) for name, known in KNOWN.items()}
    rows = {name: exact.rows(10, a, b, known) for name, known in KNOWN.items()}
    total = (a + b) @ np.array([1, 10])
    return Laws(
        np.asarray(fixed.tokens)[kept],
        (a + b)[:, 1] % 10,
        total[:, None] // np.array([100, 10, 1]) % 10,
        tables,
        rows,
    )


Found = dict[str, Any]
"""Means over inputs by name, one of each run where runs are mapped."""


def of_run(made: Laws, run: Run) -> Found:
    """Means over inputs: total correlation, total variation to every exact law and of single digits,
    calibration of the margins.
    """
    tables = {name: jnp.asarray(table, jnp.float32) for name, table in made.exact.items()}
    with jax.default_matmul_precision("float32"):
        each = jax.lax.map(
            functools.partial(of_problem, run, tables),
            (
                jnp.asarray(made.prompts),
                {k: jnp.asarray(v) for k, v in made.rows.items()},
                jnp.asarray(made.naive),
                jnp.asarray(made.right),
                jax.random.split(jax.random.key(0), len(made.naive)),
            ),
            batch_size=min(50, len(made.naive)),
        )
    means = jax.tree.map(lambda x: x.mean(0), each)
    chance, hit, drawn = means.pop("binned")
    error = jnp.abs(chance - hit).sum()
    return means | dict(calibration=error, beyond=error - jnp.abs(chance - drawn).sum())


def of_problem(run: Run, tables: dict[str, Float[Array, "K V V V"]], problem: tuple) -> Found:
    """What `of_run` takes the mean of; `binned`: the units' margin, its hits, and those of draws from it.

    problem: the prompt, its rows of the exact laws, its carry-free sum, the right answer, and a key
    """
    prompt, rows, naive, right, key = problem
    law = answer_distribution.joint(run, prompt)
    single = answer_distribution.margins(law)
    candidates = jnp.zeros(10).at[naive].set(0.55).at[(naive + 1) % 10].set(0.45)
    found = {
        f"variation, {name}": answer_distribution.total_variation(law, tables[name][row])
        for name, row in rows.items()
    }
    found |= {f"variation, {EVERYTHING}": (law.sum() + 1) / 2 - law[tuple(right)]}
    bins = jnp.clip((single * BINS).astype(int), 0, BINS - 1)
    # an answer drawn from the margin itself: what the bins give of one that is calibrated
    drawn = jax.random.categorical(key, jnp.log(single[2]))
    hits = [(jnp.arange(10) == answer).astype(jnp.float32) for answer in (right[2], drawn)]
    even = answer_distribution.total_variation(single[0], jnp.zeros(10).at[:2].set(0.5))
    return found | dict(
        correlation=answer_distribution.total_correlation(law),
        mass=law.sum(),
        binned=jnp.stack([jnp.zeros(BINS).at[bins[2]].add(x) for x in (single[2], *hits)]),
        leading=even,
        units=answer_distribution.total_variation(single[2], jnp.full(10, 0.1)),
        tens=answer_distribution.total_variation(single[1], candidates),
    )


def resting(loss: Float[np.ndarray, "S T"], nats: float) -> Bool[np.ndarray, " S"]:
    """Which runs have a shelf at a level."""
    return np.array([tolerance.at(shelves.find(curve), nats) is not None for curve in loss])


def of_third(this: Study) -> tuple[Float[np.ndarray, " S"], Bool[np.ndarray, " S"]]:
    """Digit 2 in single mode: the total variation to the odds of sum and sum + 1 where the loss is nearest to
    their entropy, and which runs have a shelf there.
    """
    sweep = this.sweep(
        "third",
        mode="single",
        digits=this["third_digits"],
        digit=2,
        d_model=this["third_d_model"],
        batch=256,
        weight_decay=0,
        steps=this["third_steps"],
        epoch_steps=25,
        save="every:1",
    )
    carry = float(columns.carry_probability(10, 2))
    level = sums.binary_entropy(columns.carry_probability(10, 2))
    fixed = evaluation_sets.balanced(sweep.task, 20)

    def of(run: Run) -> Float[Array, ""]:
        chance = jnp.exp(predictions.log_probabilities(run, fixed.tokens, 2))
        naive = (jnp.asarray(fixed.a) + jnp.asarray(fixed.b))[:, 2, None]
        turned = jnp.take_along_axis(chance, (naive + jnp.arange(10)) % 10, 1)
        even = jnp.zeros(10).at[0].set(1 - carry).at[1].set(carry)
        return (jnp.abs(turned - even).sum(1) + 1 - turned.sum(1)).mean() / 2

    picked = snapshots.runs(sweep, snapshots.nearest(sweep, 0, level))
    return np.asarray(map_runs(of)(picked)), resting(sweep.metrics["loss"][:, :, 0], level)


def dependence(law: Float[np.ndarray, "V V V"]) -> float:
    """The total correlation of an exact law."""
    return float(answer_distribution.total_correlation(jnp.asarray(law)))
