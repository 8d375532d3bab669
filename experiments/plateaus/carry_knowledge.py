"""What is known of a carry, for `tens_excess` and `naive_phases`."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from grokjax.interp.addition import loss_decomposition
from grokjax.interp.addition.evaluation_sets import Problems


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
