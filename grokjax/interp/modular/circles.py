"""Which algorithm each circle of a run computes: a clock, a pizza, or neither.

A circle is one frequency of the token embeddings: W_E with all other frequencies taken out. What a run
answers from one circle alone is compared with the two formulas of Zhong et al. 2023 (arXiv:2306.17844). Their
own isolation takes two principal components, which mix frequencies of like power; a frequency is exact.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from grokjax.interp.modular import grid
from grokjax.run import Run

CLASSES = ("clock", "pizza", "both", "neither", "undecided")
LEAST_FIT = 0.25
"""The squared correlation with the better formula below which a circle is of neither kind."""
LEAST_TILT = 1 / 3
"""The tilt from which on a circle is a pizza, and below whose negative it is a clock."""
LEAST_LOGITS = 0.5
"""The share of the logits that a run's fitted circles must carry; else the run is of neither kind."""


class Circles(NamedTuple):
    """The circles of a run with the most power in W_E, the largest first; count of them.

    frequency: k of w = 2πk/p;  power: share of the variance of W_E over tokens
    clock, pizza: squared correlation of the logits from this circle alone with cos w(a + b − c), and with
      2 |cos w(a − b)/2| (|cos w(a + b − c)/2| − |sin w(a + b − c)/2|)
    logits: share of the variance of the run's own logits, with all circles, along cos w(a + b − c), whatever
      its amplitude's dependence on a − b
    """

    frequency: Int[Array, " count"]
    power: Float[Array, " count"]
    clock: Float[Array, " count"]
    pizza: Float[Array, " count"]
    logits: Float[Array, " count"]


def of(run: Run, *, count: int = 6) -> Circles:
    """Returns the `count` largest circles of a run on modular addition.

    Raises ValueError for an even modulus, where a + b and a − b do not tell the pair, and for embeddings that
    are not one table.
    """
    n, table = run.task.num_symbols, run.params["W_E"]
    if n % 2 == 0:
        raise ValueError(f"modulus={n} is even: a + b and a - b do not tell the pair (a, b)")
    if table.ndim != 2:
        raise ValueError(f"W_E has shape {table.shape}: circles are isolated in one table of embeddings")
    waves = jnp.fft.rfft(table[:n], axis=0)
    energy = (jnp.abs(waves[1:]) ** 2).sum(-1)
    power, index = jax.lax.top_k(energy / energy.sum(), min(count, n // 2))
    own = grid.logits(run)

    def one(k: Array) -> tuple[Array, Array, Array]:
        kept = jnp.where(
            (jnp.arange(len(waves)) == k)[:, None] | (jnp.arange(len(waves)) == 0)[:, None], waves, 0
        )
        rows = jnp.fft.irfft(kept, n, axis=0).astype(table.dtype)
        alone = grid.logits(run.replace(params=run.params | {"W_E": table.at[:n].set(rows)}))
        clock, pizza = _formulas(n, k)
        return _correlation(alone, clock), _correlation(alone, pizza), _carried(own, k)

    return Circles(index + 1, power, *jax.lax.map(one, index + 1))


def tilt(circles: Circles) -> Float[np.ndarray, "... count"]:
    """Returns how each circle leans: −1 for a pure clock, +1 for a pure pizza, whatever their share of noise.

    It is the difference of the two squared correlations over their sum, in units of what it is for the pizza
    formula itself (whose squared correlation with the clock's is .804).
    """
    clock, pizza = (np.asarray(x, float) for x in (circles.clock, circles.pizza))
    return (pizza - clock) / np.maximum(pizza + clock, 1e-12) * (1 + ALIKE) / (1 - ALIKE)


ALIKE = 0.8036
"""The squared correlation of the two formulas with each other, for large p (.827 at p = 5)."""


def classes(circles: Circles) -> list[str]:
    """Returns the class of every run of a stack [S, count]; one run gives a list of one.

    clock, pizza: all fitted circles are of this kind;  both: there is one of each
    neither: the fitted circles carry less than half of the logits' variance
    undecided: some fitted circle leans too little to either side, so no class is named
    """
    rows = [np.atleast_2d(x) for x in (circles.clock, circles.pizza, circles.logits, tilt(circles))]
    return [_class(*row) for row in zip(*rows, strict=True)]


def _class(clock, pizza, logits, leaning):
    fitted = np.maximum(clock, pizza) >= LEAST_FIT
    if logits[fitted].sum() < LEAST_LOGITS:
        return "neither"
    has_pizza, has_clock = (leaning[fitted] >= LEAST_TILT), (leaning[fitted] <= -LEAST_TILT)
    if has_pizza.any() and has_clock.any():
        return "both"
    return "pizza" if has_pizza.all() else "clock" if has_clock.all() else "undecided"


def _formulas(n, k):
    a, b, c = np.ogrid[:n, :n, :n]
    # |cos(w x/2)| and |sin(w x/2)| have the period n in x, so x may be reduced mod n
    turned, apart = jnp.pi * k / n * ((a + b - c) % n), jnp.pi * k / n * ((a - b) % n)
    pizza = 2 * jnp.abs(jnp.cos(apart)) * (jnp.abs(jnp.cos(turned)) - jnp.abs(jnp.sin(turned)))
    return jnp.broadcast_to(jnp.cos(2 * turned), (n, n, n)), pizza


def _correlation(x, y):
    """Squared, 0 where x does not vary beyond rounding."""
    deviations = [value - value.mean() for value in (x, y)]
    each = [(value**2).mean() for value in deviations]
    varies = each[0] > 1e-10 * (x**2).mean() + 1e-30
    return jnp.where(varies, (deviations[0] * deviations[1]).mean() ** 2 / (each[0] * each[1]), 0.0)


def _carried(logits, k):
    """The share of the logits' variance (means over pairs and over answers taken out) along the wave k."""
    n = logits.shape[0]
    a, b, c = np.ogrid[:n, :n, :n]
    centred = logits - logits.mean((0, 1)) - logits.mean(2, keepdims=True) + logits.mean()
    along = (centred * jnp.cos(2 * jnp.pi * k / n * ((a + b - c) % n))).sum(2) * 2 / n
    rows, columns = np.indices((n, n))
    amplitude = jax.ops.segment_sum(along.ravel(), (rows - columns).ravel() % n, n) / n
    return (amplitude**2).mean() / 2 / (centred**2).mean()
