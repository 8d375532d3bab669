"""The loss of an answer digit against the level of a predictor that knows the digit pair but not the carry.

Such a predictor splits all probability between two candidates: the carry-free sum of the column's digit pair,
with 1 − c, and that sum plus 1, with c, the share of problems with a carry into the column. It loses the
entropy h(c) = −c ln c − (1 − c) ln(1 − c), the level. `split` says of which parts the rest of a loss is made.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import entr, xlogy
from jaxtyping import Array, Float

from grokjax.interp.addition import carry_free
from grokjax.interp.addition.evaluation_sets import Problems


class Excess(NamedTuple):
    """A mean loss and its parts in nats: leak + miscalibration + spread − gain = loss − level, exactly.

    Of each problem, y is the carry (0 or 1), m the probability of the two candidates together, q the share of
    m on the candidate with carry, and z = ln q − ln(1 − q). E is the weighted mean over problems, c = E y.

    loss: E[−ln P(right digit)]
    level: h(c), the entropy of the carry
    leak: E[−ln m], the cost of probability outside the candidates; never below 0
    miscalibration: KL(c ‖ E q), the cost of a mean share that is not c; never below 0
    spread: E[softplus(z) − c z] − H(c, E q), H the cross-entropy: the cost of shares that differ between
      problems, if they were dealt out whatever the carry; never below 0 (Jensen)
    gain: E[(y − c) z], the covariance of carry and log-odds: what odds save by going with the carry; about 0
      if nothing is known of the carry, below 0 if the odds go against it
    """

    loss: Float[Array, ""]
    level: Float[Array, ""]
    leak: Float[Array, ""]
    miscalibration: Float[Array, ""]
    spread: Float[Array, ""]
    gain: Float[Array, ""]

    @property
    def excess(self) -> Float[Array, ""]:
        """The loss less the level, below 0 only if something is known of the carry."""
        return self.loss - self.level


def split(log_probs: Float[Array, "B base"], problems: Problems, digit: int) -> Excess:
    """Returns the mean loss of an answer digit (1 = tens … n = leading) in parts, in nats.

    log_probs: ln P of each value of the digit, as `predictions.log_probabilities` gives them of a run
    problems: those of `evaluation_sets.every` and `strata` have the exact share c of the carry
    The loss of a problem is −ln m + softplus(z) − y z. With the carry of another problem, drawn at random, in
    place of y the mean is E[−ln m + softplus(z) − c z]; what its own carry takes off is the gain. In uniform
    problems the digit pair says nothing of the carry into its column: who knows the pair alone gains 0.
    Where q is the exact chance of a carry given what a model uses, gain − spread is the mutual information of
    that and the carry: the resolution in Bröcker's decomposition of proper scores (2009, arXiv:0806.0813).
    His reliability compares q with the share of carries at every q; the miscalibration here, their means.
    Raises ValueError for the units, into which there is no carry, and for a digit past the leading one.
    """
    if not 1 <= digit <= problems.a.shape[-1]:
        raise ValueError(
            f"digit={digit} must be from 1 to {problems.a.shape[-1]}: no carry goes into the units"
        )
    mean = lambda x: problems.weights @ x / problems.weights.sum()
    without, with_carry = candidates(log_probs, problems, digit)
    carry = carry_free.carries(problems, log_probs.shape[-1], digit)[:, digit]
    odds, share = with_carry - without, mean(carry)
    level = entr(share) + entr(1 - share)
    of_mean = -xlogy(share, mean(jax.nn.sigmoid(odds))) - xlogy(1 - share, mean(jax.nn.sigmoid(-odds)))
    return Excess(
        loss=mean(-jnp.where(carry == 1, with_carry, without)),
        level=level,
        leak=mean(-jnp.logaddexp(without, with_carry)),
        miscalibration=of_mean - level,
        spread=mean(jax.nn.softplus(odds) - share * odds) - of_mean,
        gain=mean((carry - share) * odds),
    )


def candidates(
    log_probs: Float[Array, "B base"], problems: Problems, digit: int
) -> tuple[Float[Array, " B"], Float[Array, " B"]]:
    """Returns ln P of the carry-free sum of the digit pair, and of that sum plus 1."""
    base = log_probs.shape[-1]
    own = carry_free.digits(problems, base, 0)[:, digit]
    of = lambda value: jnp.take_along_axis(log_probs, value[:, None], 1)[:, 0]
    return of(own), of((own + 1) % base)
