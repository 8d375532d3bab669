"""What a loss is made of above the exact level of a predictor that knows the digit pair but not the carry.

The two candidates are the carry-free sum of the digit pair and that sum plus 1. The excess over the level
splits into leaked probability, miscalibration, and the spread of the log-odds over examples (Jensen gap).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import entr
from jaxtyping import Array, Float

from grokjax.interp.addition import carry_free
from grokjax.interp.addition.evaluation_sets import Problems


class Excess(NamedTuple):
    """The parts of a loss in nats: leak + miscalibration + jensen_gap = loss − level.

    level: the entropy h(c) of the carry
    leak: the mean of −ln m, where m is the probability of the two candidates together
    miscalibration: the loss of the mean log-odds between the candidates, less the level
    jensen_gap: what the spread of the log-odds over examples adds
    loss_without_carry, loss_with_carry: the loss on problems without and with a carry into the digit
    """

    loss: Float[Array, ""]
    level: Float[Array, ""]
    leak: Float[Array, ""]
    miscalibration: Float[Array, ""]
    jensen_gap: Float[Array, ""]
    loss_without_carry: Float[Array, ""]
    loss_with_carry: Float[Array, ""]

    @property
    def excess(self) -> Float[Array, ""]:
        """The loss above the level."""
        return self.loss - self.level


def split(log_probs: Float[Array, "B base"], problems: Problems, digit: int) -> Excess:
    """Returns the parts of the excess at an answer digit (1 … n).

    problems: `evaluation_sets.every` or `strata`, with which the share of the carry is exact
    With z the log-odds of the candidate with carry against the one without, and s = −1 where there is a
    carry, else 1: −ln p = −ln m + softplus(s z), and softplus(s z) is split at the mean of z.
    Raises ValueError for the units, into which there is no carry.
    """
    base = log_probs.shape[-1]
    if not 1 <= digit <= problems.a.shape[-1]:
        raise ValueError(
            f"digit={digit} must be from 1 to {problems.a.shape[-1]}: no carry goes into the units"
        )
    mean = lambda values, weights=problems.weights: weights @ values / weights.sum()
    carry = carry_free.carries(problems, base, digit)[:, digit]
    without, with_carry = candidates(log_probs, problems, digit)
    odds, sign = with_carry - without, 1 - 2 * carry
    loss = -jnp.where(carry == 1, with_carry, without)
    level = entr(mean(carry)) + entr(mean(1 - carry))
    of_mean_odds = mean(jax.nn.softplus(sign * mean(odds)))
    return Excess(
        loss=mean(loss),
        level=level,
        leak=mean(-jnp.logaddexp(without, with_carry)),
        miscalibration=of_mean_odds - level,
        jensen_gap=mean(jax.nn.softplus(sign * odds)) - of_mean_odds,
        loss_without_carry=mean(loss, problems.weights * (1 - carry)),
        loss_with_carry=mean(loss, problems.weights * carry),
    )


def candidates(
    log_probs: Float[Array, "B base"], problems: Problems, digit: int
) -> tuple[Float[Array, " B"], Float[Array, " B"]]:
    """Returns ln P of the carry-free sum of the digit pair, and of that sum plus 1."""
    base = log_probs.shape[-1]
    own = carry_free.digits(problems, base, 0)[:, digit]
    of = lambda value: jnp.take_along_axis(log_probs, value[:, None], 1)[:, 0]
    return of(own), of((own + 1) % base)
