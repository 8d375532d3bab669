"""Neurons' tables over their digit pair, and what foretells them, for `trig_or_table`."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from grokjax.interp.addition import digit_pair, evaluation_sets
from grokjax.run import Run

SITE = "blocks.0.mlp.post"
FAMILIES = ("waves", "polynomials", "sum", "each digit", "line")
PARTS = ("waves of either digit", "waves of a ± b")
"""What waves of one frequency are made of: of a and of b, and of their sum and difference."""


class Losses(NamedTuple):
    """A digit's loss (nats) as it is; with nothing of the neurons' tables but their waves, or their
    polynomials; without either of these; and without tables."""

    whole: Float[Array, " C"]
    only_waves: Float[Array, " C"]
    only_powers: Float[Array, " C"]
    no_waves: Float[Array, " C"]
    no_powers: Float[Array, " C"]
    no_table: Float[Array, " C"]


def tabled(fixed: evaluation_sets.Problems, run: Run) -> tuple[Array, Array]:
    """The neurons' tables over the digit pair [C, b, b, M], and their share of the neurons' variance."""
    found = digit_pair.tables(run, fixed, site=SITE)
    return found.means, found.means.var((1, 2)) / jnp.maximum(found.variance, 1e-20)


def described(
    tables: Float[np.ndarray, "N b b"], families: Sequence[str] = FAMILIES, seed: int = 0
) -> dict[str, Float[np.ndarray, " N"]]:
    """The share of each table's variance that each family foretells on the half of its cells that nothing was
    chosen on.
    """
    base = tables.shape[1]
    a, b = (x.ravel() for x in np.indices((base, base)))
    cells = tables.reshape(len(tables), -1).astype(np.float32)
    chosen = np.random.default_rng(seed).permutation(base**2) < base**2 // 2
    one_hot = lambda x: (x[:, None] == np.unique(x)).astype(float)
    wave = lambda x, k: np.stack(
        [np.ones(len(x)), np.cos(2 * np.pi * k * x / base), np.sin(2 * np.pi * k * x / base)], 1
    )
    single = lambda x, y, k: np.concatenate([wave(x, k), wave(y, k)[:, 1:]], 1)
    power = lambda x: np.stack([np.ones(len(x)), x / base, (x / base) ** 2], 1)
    products = lambda x, y: (x[:, :, None] * y[:, None]).reshape(len(x), -1)
    lines = [
        np.stack([np.ones(len(a)), np.maximum(sign * (u * a + v * b - at), 0)], 1)
        for u, v in ((1, 0), (0, 1), (1, 1), (1, -1), (2, 1), (1, 2))
        for at in range(-base + 1, 2 * base - 1, 4)
        for sign in (1, -1)
    ]
    frequencies = range(1, base // 2 + 1)
    forms = {
        "waves": [products(wave(a, k), wave(b, k)) for k in frequencies],
        "waves of either digit": [single(a, b, k) for k in frequencies],
        "waves of a ± b": [single(a + b, a - b, k) for k in frequencies],
        "polynomials": [products(power(a), power(b))],
        "sum": [one_hot(a + b)],
        "each digit": [np.concatenate([one_hot(a), one_hot(b)], 1)],
        "line": lines,
    }
    return {name: foretold(cells, forms[name], chosen) for name in families}


def foretold(
    cells: Float[np.ndarray, "N Z"], forms: Sequence[Float[np.ndarray, "Z F"]], chosen: Bool[np.ndarray, " Z"]
) -> Float[np.ndarray, " N"]:
    """1 − the squared error over the variance on the cells that are not chosen, of the form that fits best on
    those that are; not below 0.
    """
    best, held = np.full(len(cells), np.inf), np.zeros(len(cells))
    for form in forms:
        # a little ridge: half of the cells may leave a direction open
        inner = form[chosen]
        solve = np.linalg.solve(inner.T @ inner + 1e-3 * np.eye(form.shape[1]), inner.T)
        fit = cells[:, chosen] @ solve.T @ form.T
        error = ((fit - cells) ** 2)[:, chosen].sum(1)
        rest = ((fit - cells) ** 2)[:, ~chosen].sum(1)
        held = np.where(error < best, rest, held)
        best = np.minimum(best, error)
    spread = ((cells - cells.mean(1, keepdims=True)) ** 2)[:, ~chosen].sum(1)
    return np.maximum(1 - held / np.maximum(spread, 1e-20), 0)


def losses(fixed: evaluation_sets.Problems, scored: evaluation_sets.Problems, run: Run) -> Losses:
    """The restricted and the excluded losses of every digit, by its neurons' tables."""
    found, rows = digit_pair.tables(run, fixed).means, []
    for place, digit in enumerate(digit_pair.answered(run.task)):
        table = found[place]
        middle = table.mean((0, 1))
        waves, powers = digit_pair.of_waves(table), digit_pair.of_powers(table)
        changes = jnp.stack(
            [0 * table, waves - table, powers - table, middle - waves, middle - powers, middle - table]
        )
        loss = functools.partial(digit_pair.loss_with, run, scored, digit=digit)
        rows.append(jax.lax.map(loss, changes))
    return Losses(*jnp.stack(rows, 1))


def in_random_order(tables: np.ndarray) -> np.ndarray:
    """The tables [S, C, b, b, M] with the digits of either operand in a random order."""
    random = np.random.default_rng(1)
    first, second = (random.permutation(tables.shape[2]) for _ in range(2))
    return tables[:, :, first][:, :, :, second]


def shares(tables: np.ndarray, families: Sequence[str] = FAMILIES) -> dict[str, np.ndarray]:
    """What each family foretells of each neuron's table, [S, C, M]."""
    runs, digits, base, _, units = tables.shape
    flat = np.moveaxis(tables, -1, 2).reshape(-1, base, base)
    return {name: values.reshape(runs, digits, units) for name, values in described(flat, families).items()}


def weighed(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The mean over digits and neurons of every run [S], each neuron weighing as much as its table varies."""
    return (values * weight).sum(-1).mean(1) / np.maximum(weight.sum(-1).mean(1), 1e-20)
