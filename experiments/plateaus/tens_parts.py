"""What a loss is made of above the entropy of the carry: four parts, for `tens_excess`."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import entr
from jaxtyping import Array, Float

from grokjax.interp.addition import carry_free, loss_decomposition
from grokjax.interp.addition.evaluation_sets import Problems


class Parts(NamedTuple):
    """In nats: leak + miscalibration + spread − gain = excess = loss − h(c).

    leak: the mean of −ln m, where m is the probability of the two candidates together
    miscalibration: the cross-entropy of the carry under the mean q of P(+1) / m, less h(c); never below 0
    spread: what the variation of P(+1) / m over problems costs when it is paired with the carries of other
      problems of the same tens; never below 0 (Jensen)
    gain: what its own carry, in place of another problem's, saves: what is known of the carry
    """

    loss: Float[Array, ""]
    excess: Float[Array, ""]
    leak: Float[Array, ""]
    miscalibration: Float[Array, ""]
    spread: Float[Array, ""]
    gain: Float[Array, ""]


def split(log_probs: Float[Array, "B base"], problems: Problems, digit: int) -> Parts:
    """Returns the parts at an answer digit.

    With z the log-odds of the candidate with carry, y the carry and c its share: the loss is −ln m +
    softplus(z) − y z. Another problem's carry is 1 with chance c, whatever the digit pair, so shuffling gives
    softplus(z) − c z; the rest, −(y − c) z, is the gain with its sign turned.
    """
    mean = lambda x: problems.weights @ x / problems.weights.sum()
    without, with_carry = loss_decomposition.candidates(log_probs, problems, digit)
    carry = carry_free.carries(problems, log_probs.shape[-1], digit)[:, digit]
    odds, share = with_carry - without, mean(carry)
    level = entr(share) + entr(1 - share)
    of_mean = -share * jnp.log(mean(jax.nn.sigmoid(odds))) - (1 - share) * jnp.log(
        mean(jax.nn.sigmoid(-odds))
    )
    loss = mean(-jnp.where(carry == 1, with_carry, without))
    return Parts(
        loss=loss,
        excess=loss - level,
        leak=mean(-jnp.logaddexp(without, with_carry)),
        miscalibration=of_mean - level,
        spread=mean(jax.nn.softplus(odds) - share * odds) - of_mean,
        gain=mean((carry - share) * odds),
    )


def knowledge(log_probs: Float[Array, "B base"], problems: Problems, digit: int) -> dict[str, Array]:
    """Returns what is known: `mass`, the mean probability of the two candidates, and `auc`, the chance that
    of a problem with and one without a carry the first has the larger log-odds of +1 (ties count half).

    problems: `evaluation_sets.strata`, the first half without a carry
    """
    without, with_carry = loss_decomposition.candidates(log_probs, problems, digit)
    none, some = jnp.split(with_carry - without, 2)
    mass = jnp.exp(jnp.logaddexp(without, with_carry))
    higher = (some[:, None] > none).mean() + 0.5 * (some[:, None] == none).mean()
    weights = jnp.asarray(problems.weights)
    return dict(mass=weights @ mass / weights.sum(), auc=higher)
