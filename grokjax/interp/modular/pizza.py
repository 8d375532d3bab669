"""Clock and pizza: two ways to add modulo p, told apart (Zhong et al. 2023, arXiv:2306.17844).

A clock multiplies: its logits are cos w(a + b − c), and the gradients of a logit by the two token embeddings
differ. A pizza adds embeddings before anything is multiplied: the gradients are alike, and the logits carry
|cos w(a − b)/2|. All functions are of one run on modular addition (or composition in a cyclic group).
"""

import functools
import itertools
import random
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from grokjax.interp import pca
from grokjax.interp.modular import grid
from grokjax.run import Run

TOGETHER = 128
"""Pairs whose gradients are taken at once."""


class Symmetricity(NamedTuple):
    """Gradient symmetricity over a set of triples: mean, standard deviation, least and largest cosine."""

    mean: Float[Array, ""]
    deviation: Float[Array, ""]
    least: Float[Array, ""]
    largest: Float[Array, ""]


def gradient_symmetricity(run: Run) -> Symmetricity:
    """Returns the cosine of the gradients of a logit c by the embeddings of a and of b, over all p³ triples.

    The embeddings are those of the tokens, before positions are added. It is 1 for a model of the sum of the
    embeddings alone.
    """
    tokens = grid.every(run.task).tokens
    found = jax.lax.map(functools.partial(_cosines, run), jnp.asarray(tokens), batch_size=TOGETHER)
    return Symmetricity(found.mean(), found.std(), found.min(), found.max())


def gradient_symmetricity_sample(run: Run) -> Symmetricity:
    """Returns the same over the 100 triples (a, b, c) that the published code draws (standard error ≈ .04).

    They are the first of all p³, a slowest, after `random.Random(42).shuffle`.
    """
    triples = published_triples(run.task.num_symbols)
    tokens = grid.every(run.task).tokens[triples[:, 0] * run.task.num_symbols + triples[:, 1]]

    def one(triple: tuple[Array, Array]) -> Array:
        row, symbol = triple
        return _cosines(run, row)[symbol]

    found = jax.lax.map(one, (jnp.asarray(tokens), jnp.asarray(triples[:, 2])))
    return Symmetricity(found.mean(), found.std(), found.min(), found.max())


@functools.lru_cache(maxsize=8)
def published_triples(modulus: int, count: int = 100) -> Int[np.ndarray, "100 3"]:
    """Returns the triples (a, b, c) of the published sample."""
    triples = list(itertools.product(range(modulus), repeat=3))
    random.Random(42).shuffle(triples)
    return np.array(triples[:count])


def _cosines(run: Run, tokens: Int[Array, " P"]) -> Float[Array, " C"]:
    """The cosine for every logit c of one pair."""
    n, width = run.task.num_symbols, run.params["W_E"].shape[-1]

    def logits(change: Float[Array, "2 D"]) -> Float[Array, " C"]:
        added = jnp.concatenate([change, jnp.zeros((len(tokens) - 2, width), change.dtype)])
        return run.logits(tokens[None], {"embed": lambda x: x + added})[0, 0, :n]

    by_a, by_b = jnp.moveaxis(jax.jacrev(logits)(jnp.zeros((2, width), run.params["W_E"].dtype)), 1, 0)
    norms = jnp.linalg.norm(by_a, axis=-1) * jnp.linalg.norm(by_b, axis=-1)
    return (by_a * by_b).sum(-1) / norms


def distance_irrelevance(run: Run) -> Float[Array, ""]:
    """Returns how little the correct logit depends on a − b: the published notebooks' measure, 0 to 1.

    With M[a + b, a − b] the correct logit: the mean over a − b of its standard deviation along a + b, over
    the standard deviation of all. Raises ValueError for an even modulus, where a + b and a − b do not tell
    the pair.
    """
    logits, right = _correct(run)
    return _irrelevance(run, jnp.take_along_axis(logits, right[..., None], -1)[..., 0])


def distance_irrelevance_of_wrong_logit(run: Run) -> Float[Array, ""]:
    """Returns the same of the largest wrong logit, which the published table holds under that name."""
    logits, right = _correct(run)
    return _irrelevance(
        run, jnp.where(jnp.arange(logits.shape[-1]) == right[..., None], -jnp.inf, logits).max(-1)
    )


def circularity(run: Run, *, count: int = 4) -> Float[Array, ""]:
    """Returns how circular the first principal components of W_E are: 1 for pure waves (`pca.circularity`).

    Only the rows of the symbols count, the first p of W_E, also with two vocabularies or an `=` token.
    """
    return pca.circularity(run.params["W_E"][: run.task.num_symbols], count=count)


class Fits(NamedTuple):
    """How much of the variance of the logits [p, p, p] the two formulas explain; all are standardised.

    clock: cos w(a + b − c);  pizza: 2 |cos w(a − b)/2| (|cos w(a + b − c)/2| − |sin w(a + b − c)/2|)
    frequency: the k of w = 2πk/p at which the better of the two fits best
    """

    clock: Float[Array, ""]
    pizza: Float[Array, ""]
    frequency: Int[Array, ""]


def logit_fits(run: Run) -> Fits:
    """Returns how well each formula of one frequency explains all logits of a run."""
    return _fits(grid.logits(run))


def circle_fits(run: Run, circle: int) -> Fits:
    """Returns the fits of one circle: W_E is left with two principal components, 2·circle and 2·circle + 1.

    Runs use several frequencies at once; one formula can fit the logits only where a single one is left.
    circle: 0, 1, ...
    """
    n = run.task.num_symbols
    table = run.params["W_E"]
    rows = table[:n] if table.ndim == 2 else table
    if rows.ndim != 2:
        raise ValueError(f"W_E has shape {table.shape}: circles are isolated in one table of embeddings")
    found = pca.components(rows, count=2 * circle + 2)
    kept = rows.mean(0) + found.scores[:, -2:] @ found.directions[-2:]
    return _fits(grid.logits(run.replace(params=run.params | {"W_E": table.at[:n].set(kept)})))


def _fits(logits):
    n = logits.shape[0]
    standard = _standard(logits)
    a, b, c = np.ogrid[:n, :n, :n]

    def at(k: Array) -> tuple[Array, Array]:
        # |cos(w x/2)| and |sin(w x/2)| have the period p in x, so x may be reduced mod p
        half = jnp.pi * k / n
        turned, apart = half * ((a + b - c) % n), half * ((a - b) % n)
        clock = jnp.cos(2 * turned)
        pizza = 2 * jnp.abs(jnp.cos(apart)) * (jnp.abs(jnp.cos(turned)) - jnp.abs(jnp.sin(turned)))
        return _explained(standard, clock), _explained(standard, pizza)

    clock, pizza = jax.lax.map(at, jnp.arange(1, (n - 1) // 2 + 1))
    best = jnp.maximum(clock, pizza).argmax()
    return Fits(clock[best], pizza[best], best + 1)


def _correct(run):
    labels = jnp.asarray(grid.every(run.task).labels).reshape(run.task.num_symbols, run.task.num_symbols)
    return grid.logits(run), labels


def _irrelevance(run, values):
    n = run.task.num_symbols
    if n % 2 == 0:
        raise ValueError(f"modulus={n} is even: a + b and a - b do not tell the pair (a, b)")
    a, b = np.indices((n, n))
    table = jnp.zeros((n, n), values.dtype).at[(a + b) % n, (a - b) % n].set(values)
    return table.std(0).mean() / table.std()


def _standard(x):
    return (x - x.mean()) / x.std()


def _explained(logits, formula):
    return 1 - jnp.var(logits - _standard(formula))
