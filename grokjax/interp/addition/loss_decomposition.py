"""How a loss lies above the exact level "own pair known, carry not": leaked mass, miscalibration, Jensen gap."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import entr
from jaxtyping import Array, Float

from grokjax.interp.addition import carry_free
from grokjax.interp.addition.evaluation_sets import Problems


class Excess(NamedTuple):
    """Nats. leak + miscalibration + jensen_gap = loss − level.

    level: the entropy h(c) of the carry;  loss_without_carry, loss_with_carry: on the +0 and on the +1 set
    leak: mean of −ln m, m the mass on the two candidates, naive and naive + 1
    miscalibration: the loss of the mean log-odds within the candidates, less the level
    jensen_gap: what the spread of the log-odds over examples adds
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
    """The parts of the excess at answer digit `digit` (1 … n), on `problems.every` or `problems.strata`: the
    carry's share is then exact.

    With z the log-odds of naive + 1 against naive, s = −1 on the +1 set and 1 on the +0 set: −ln p = −ln m +
    softplus(s z), and softplus(s z) is split at the mean of z. ValueError for the units, into which there is
    no carry.
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
    """ln P of the naive digit and of naive + 1."""
    base = log_probs.shape[-1]
    own = carry_free.digits(problems, base, 0)[:, digit]
    of = lambda value: jnp.take_along_axis(log_probs, value[:, None], 1)[:, 0]
    return of(own), of((own + 1) % base)
