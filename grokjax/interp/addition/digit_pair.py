"""How a unit depends on the digit pair, the two operand digits of the column that is being answered.

A unit is a neuron, or a coordinate of any activation. Its table holds its mean activation for each digit
pair, at the position where that column is answered (sequence, single and parallel mode). The question is
what the table is made of:
  - waves of one frequency over the digits mod base (trigonometric addition)
  - low powers of the digits
  - either digit alone
  - their sum mod base, or their sum
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from jaxtyping import Array, Float, Key

from grokjax import objective
from grokjax.interp import fourier
from grokjax.interp.addition import carry_free
from grokjax.interp.addition.evaluation_sets import Problems
from grokjax.run import Run
from grokjax.tasks import Addition, answer_digits
from grokjax.tasks.layout import permutation

TOGETHER = 500
"""Problems that go through the model at once."""
DEGREE = 2
"""The highest power of a digit in the rival of waves: {1, v, v²} has as many members as {1, cos kv, sin kv}.
"""


class Tables(NamedTuple):
    """Mean activations by answered digit and digit pair (a, b), and each unit's variance over problems."""

    means: Float[Array, "C base base M"]
    variance: Float[Array, "C M"]


def answered(task: Addition) -> tuple[int, ...]:
    """Returns the digits that are asked for and have a digit pair, ascending: the order of C here."""
    return tuple(sorted(digit for digit in answer_digits(task) if digit < task.num_digits))


def tables(run: Run, problems: Problems, *, site: str = "blocks.0.mlp.post") -> Tables:
    """Returns the table of every unit of an activation [B, P, ...], for each of the digits `answered`.

    Pairs that do not occur have the overall mean. Sampling noise adds to every table:
    `evaluation_sets.balanced` has each pair equally often in every column.
    """
    task = run.task
    if not answered(task):
        raise ValueError("the task asks for no digit that has a digit pair: the leading digit has none")
    at = np.array([_position(task, digit) for digit in answered(task)])

    def sums_of(part: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        tokens, pair, weights = part
        found = run.cache(tokens)[site][:, at].reshape(*pair.shape, -1)
        hot = jax.nn.one_hot(pair, task.base**2) * weights[:, None, None]
        return hot.sum(0), jnp.einsum("bcx,bcm->cxm", hot, found), jnp.einsum("b,bcm->cm", weights, found**2)

    with jax.default_matmul_precision("float32"):
        parts = lax.map(sums_of, _in_parts(problems.tokens, _pairs(task, problems), problems.weights))
    weight, sums, squares = (x.sum(0) for x in parts)
    middle = sums.sum(1) / weight.sum(1)[:, None]
    means = jnp.where(
        weight[..., None] > 0, sums / jnp.where(weight > 0, weight, 1)[..., None], middle[:, None]
    )
    variance = jnp.maximum(squares / weight.sum(1)[:, None] - middle**2, 0)
    return Tables(means.reshape(len(at), task.base, task.base, -1), variance)


class Made(NamedTuple):
    """Shares of a table's variance, in base 10 with their dimensions of 99: so much a random table has.

    waves: in the 3×3 block of each frequency (8; 3 for the last one)
    powers: in the block of the powers up to v² (8)
    alone: in what either digit says alone, f(a) + g(b) (18)
    modular_sum: in functions of (a + b) mod base (9)
    sum: in functions of a + b (18)
    """

    waves: Float[Array, " F *M"]
    powers: Float[Array, "*M"]
    alone: Float[Array, "*M"]
    modular_sum: Float[Array, "*M"]
    sum: Float[Array, "*M"]


def made(table: Float[Array, "base base *M"]) -> Made:
    """Returns what each unit's table is made of; a table that does not vary is made of nothing."""
    centred = table - table.mean((0, 1))
    whole = (centred**2).sum((0, 1))
    share = lambda part: jnp.where(whole > 0, (part**2).sum((0, 1)) / jnp.where(whole > 0, whole, 1), 0.0)
    alone = centred.mean(1, keepdims=True) + centred.mean(0, keepdims=True)
    return Made(
        fourier.explained(table),
        share(of_powers(centred)),
        share(alone),
        fourier.along_sum(table).sum(0),
        share(_of_sum(centred)),
    )


def of_waves(table: Float[Array, "base base *M"]) -> Float[Array, "base base *M"]:
    """Returns the part of each table in the 3×3 block of the frequency that explains most of it."""
    best = fourier.explained(table).argmax(0) + 1
    rows = fourier.frequencies(len(table)).reshape(-1, *[1] * best.ndim)
    kept = jnp.asarray((rows == 0) | (rows == best), table.dtype)
    return _projected(table, fourier.basis(len(table)), kept)


def of_powers(table: Float[Array, "base base *M"]) -> Float[Array, "base base *M"]:
    """Returns the part of each unit's table that is a polynomial of degree 2 in a times one in b."""
    digits = np.linspace(-1, 1, len(table))
    rows = np.linalg.qr(digits[:, None] ** np.arange(DEGREE + 1))[0].T.astype(np.float32)
    return _projected(table, rows, jnp.ones((len(rows), *[1] * (table.ndim - 2))))


def shuffled_digits(key: Key[Array, ""], table: Float[Array, "base base *M"]) -> Float[Array, "base base *M"]:
    """Returns each table with its digits a in a random order and b in another.

    It is a control that keeps what is not about the order of digits.
    """

    def one(key: Array, table: Array) -> Array:
        orders = [random.permutation(part, len(table)) for part in random.split(key)]
        return table[orders[0]][:, orders[1]]

    return _each(one, key, table)


def shuffled_cells(key: Key[Array, ""], table: Float[Array, "base base *M"]) -> Float[Array, "base base *M"]:
    """Returns each table with its cells in a random order: a control that keeps nothing but the values."""
    return _each(
        lambda key, table: random.permutation(key, table.reshape(-1)).reshape(table.shape), key, table
    )


def loss_with(
    run: Run,
    problems: Problems,
    change: Float[Array, "base base M"],
    *,
    digit: int,
    site: str = "blocks.0.mlp.post",
) -> Float[Array, ""]:
    """Returns the mean loss (nats) of an answer digit when an activation is changed where it is answered.

    change: what is added to the activation, by the digit pair. The restricted loss has
      of_waves(table) − table, the excluded loss −of_waves(table − mean) (arXiv:2301.05217).
    """
    task = run.task
    if digit not in answered(task):
        pairs = ", ".join(map(str, answered(task))) or "none"
        raise ValueError(
            f"digit={digit} has no digit pair that the task asks for; those that have one: {pairs}"
        )
    place, at = task.columns.index(0 if task.mode == "single" else digit), _position(task, digit)
    labels = jnp.asarray(permutation(task))[carry_free.digits(problems, task.base, task.num_digits)[:, digit]]
    pair = _pairs(task, problems)[:, answered(task).index(digit)]

    def one(part: tuple[Array, ...]) -> Array:
        tokens, pair, label, weights = part
        added = change.reshape(task.base**2, -1)[pair]
        edit = lambda x: x.at[:, at].add(added.reshape(len(x), *x.shape[2:]))
        return weights @ objective.cross_entropy(run.logits(tokens, {site: edit})[:, place], label)

    parts = _in_parts(problems.tokens, pair, labels, problems.weights)
    return lax.map(one, parts).sum() / jnp.asarray(problems.weights).sum()


def _position(task, digit):
    """Where a digit is answered."""
    return task.read[task.columns.index(digit)] if task.mode == "sequence" else task.read[0]


def _pairs(task, problems):
    """[B, C]: the digit pair of each answered digit, a · base + b."""
    digits = np.asarray(answered(task))
    return jnp.asarray(problems.a)[:, digits] * task.base + jnp.asarray(problems.b)[:, digits]


def _in_parts(*arrays):
    """Arrays [B, ...] as [parts, TOGETHER, ...], filled up with zeros, which weigh nothing."""
    size = min(TOGETHER, len(arrays[0]))
    missing = -len(arrays[0]) % size
    return tuple(
        jnp.pad(jnp.asarray(x), ((0, missing), *[(0, 0)] * (x.ndim - 1))).reshape(-1, size, *x.shape[1:])
        for x in arrays
    )


def _projected(table, rows, kept):
    """The table along the products of two rows; kept [rows, *M] is how much of each row, for each unit."""
    with jax.default_matmul_precision("float32"):
        found = jnp.einsum("ia,jb,ab...->ij...", rows, rows, table) * kept[:, None] * kept[None]
        return jnp.einsum("ia,jb,ij...->ab...", rows, rows, found)


def _of_sum(table):
    """The table with each cell replaced by the mean over the cells of the same a + b."""
    total = np.add(*np.indices(table.shape[:2]))
    hot = (total.reshape(-1) == np.arange(2 * len(table) - 1)[:, None]).astype(np.float32)
    means = jnp.tensordot(hot / hot.sum(1, keepdims=True), table.reshape(total.size, *table.shape[2:]), 1)
    return means[total]


def _each(function, key, table):
    units = jnp.moveaxis(table.reshape(*table.shape[:2], -1), -1, 0)
    changed = jax.vmap(function)(random.split(key, len(units)), units)
    return jnp.moveaxis(changed, 0, -1).reshape(table.shape)
