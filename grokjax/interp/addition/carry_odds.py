"""The odds of no carry to carry that a run gives after one digit d of the column below.

The exact odds are (b − d − c):(d + c), b the base and c the chance of a carry into that column.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from grokjax.interp.addition import loss_decomposition
from grokjax.interp.addition.evaluation_sets import Problems
from grokjax.theory.columns import carry_given_digit


class LogOdds(NamedTuple):
    """ln (no carry : carry) for each value d of the digit below.

    of_means: from the mean probabilities of the two candidates
    mean: of the log-odds of each problem; unlike `of_means` it tells a run that knows d alone from one that
      knows more
    exact: ln (b − d − c):(d + c)
    deviation: of the log-odds over the problems with that d, 0 for a run that knows nothing else
    """

    of_means: Float[Array, " base"]
    mean: Float[Array, " base"]
    exact: Float[Array, " base"]
    deviation: Float[Array, " base"]


def given_digit(
    log_probs: Float[Array, "B base"], problems: Problems, digit: int, operand: int = 0
) -> LogOdds:
    """Returns the odds of the carry into `digit` (1 … n), by the digit of one operand in the column below.

    operand: 0 or 1, the first or the second
    """
    base = log_probs.shape[-1]
    exact = [float(carry_given_digit(base, digit, d)) for d in range(base)]
    below = jnp.asarray((problems.a, problems.b)[operand])[:, digit - 1]
    weights = jnp.where(below == jnp.arange(base)[:, None], problems.weights, 0)
    without, with_carry = loss_decomposition.candidates(log_probs, problems, digit)
    of_means = jnp.log(weights @ jnp.exp(without)) - jnp.log(weights @ jnp.exp(with_carry))
    with np.errstate(divide="ignore"):
        # into column 1, d = 0 leaves no carry: infinite odds
        known = np.log1p(-np.array(exact)) - np.log(exact)
    odds, shares = without - with_carry, weights / weights.sum(-1, keepdims=True)
    mean = shares @ odds
    deviation = jnp.sqrt((shares * (odds - mean[:, None]) ** 2).sum(-1))
    return LogOdds(of_means, mean, jnp.asarray(known, jnp.float32), deviation)
