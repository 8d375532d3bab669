"""What a probe may be asked for: integer classes of every problem, computed from its operands, any base.

Columns are counted from the units, 0; the column num_digits is the leading one. A column kills (sum below
base − 1), propagates (base − 1) or generates a carry: SC and SS of Quirke & Barez (arXiv:2310.13121) are
`carry` and `propagates`, their ST is `kind`.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from grokjax.interp.addition import carry_free
from grokjax.interp.addition.evaluation_sets import Problems
from grokjax.tasks.sampling import GENERATE, KILL, PROPAGATE, cascade


def operands(problems: Problems, digit: int) -> Int[Array, "2 B"]:
    """Returns the digit of either operand in a column."""
    return jnp.stack([jnp.asarray(problems.a)[:, digit], jnp.asarray(problems.b)[:, digit]])


def pair(problems: Problems, base: int, digit: int) -> Int[Array, " B"]:
    """Returns the digit pair of a column as one of base² classes, a · base + b."""
    a, b = operands(problems, digit)
    return a * base + b


def carry_free_digit(problems: Problems, base: int, digit: int) -> Int[Array, " B"]:
    """Returns the sum of the digit pair mod base, the carry left out."""
    return carry_free.digits(problems, base, 0)[:, digit]


def carry(problems: Problems, base: int, digit: int) -> Int[Array, " B"]:
    """Returns the carry into a column, 0 or 1."""
    return carry_free.carries(problems, base, digit)[:, digit]


def answer_digit(problems: Problems, base: int, digit: int) -> Int[Array, " B"]:
    """Returns the digit of the sum."""
    return carry_free.digits(problems, base, digit)[:, digit]


def kind(problems: Problems, base: int, digit: int) -> Int[Array, " B"]:
    """What a column does to carries: kills 0, propagates 1, generates 2."""
    total = operands(problems, digit).sum(0)
    return jnp.where(total >= base, GENERATE, jnp.where(total == base - 1, PROPAGATE, KILL))


def propagates(problems: Problems, base: int, digit: int) -> Int[Array, " B"]:
    """Whether a column's pair sums to base − 1, 0 or 1."""
    return (kind(problems, base, digit) == PROPAGATE).astype(int)


def chain(problems: Problems, base: int, digit: int) -> Int[Array, " B"]:
    """How many columns right below this one propagate, one after the other: the carry into it is decided so
    many columns further down.
    """
    total = jnp.asarray(problems.a) + jnp.asarray(problems.b)
    below = jnp.flip(total[:, :digit], 1) == base - 1
    return jnp.cumprod(below, 1).sum(1)


def cascade_class(problems: Problems, base: int) -> Int[Array, " B"]:
    """The class S0, S1, ... of the whole problem: 0 without a carry, else 1 + its longest run of propagating
    columns above a carry.
    """
    return cascade(jnp.asarray(problems.a), jnp.asarray(problems.b), base)


def control(
    problems: Problems, base: int, digit: int, num_classes: int = 2, *, seed: int = 0
) -> Int[Array, " B"]:
    """The control task (Hewitt & Liang 2019, arXiv:1909.03368): a random class of each digit pair of a
    column, the same wherever it stands.

    The base² pairs are shared out evenly. A probe that learns this as well as the real feature has learned to
    look pairs up.
    """
    table = np.random.default_rng((seed, digit)).permutation(np.arange(base**2) % num_classes)
    return jnp.asarray(table)[pair(problems, base, digit)]
