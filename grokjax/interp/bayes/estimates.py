"""What an estimate of a learning coefficient holds, and what a reader of it should be told."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from grokjax.interp.bayes import diagnostics
from grokjax.interp.bayes.chains import Settings

MIXED = 1.1
"""The split R-hat above which chains are said not to have mixed."""


class Estimate(NamedTuple):
    """A local learning coefficient, with all that is needed to judge it.

    mean: over the chains that stayed finite, nβ (mean loss of the draws − loss at w*); never clipped
    standard_error: of the mean, from the spread of the chains; NaN for fewer than two
    chains: the estimate of each chain; NaN where it diverged
    ok: whether a chain stayed finite, and its loss near enough;  masked: the share of chains that did not
    baseline: the loss at w* on the whole data, in nats
    r_hat: split R-hat of the losses;  effective_sample_size: of the losses of all chains together
    acceptance: mean acceptance of each chain; 1 for samplers that refuse no move
    epsilon, nbeta, gamma: as used;  num_examples: the n from which nbeta follows, NaN where it was not given
    num_burn_in, draw_every: steps before the first draw, and from one draw to the next
    trace, burn_in_trace: losses of the draws and of every step before them, in nats
    aux: what the loss returned beside its value, at every draw [Ch, T, ...], or None
    """

    mean: Float[Array, ""]
    standard_error: Float[Array, ""]
    chains: Float[Array, " Ch"]
    ok: Bool[Array, " Ch"]
    masked: Float[Array, ""]
    baseline: Float[Array, ""]
    r_hat: Float[Array, ""]
    effective_sample_size: Float[Array, ""]
    acceptance: Float[Array, " Ch"]
    epsilon: Float[Array, ""]
    nbeta: Float[Array, ""]
    gamma: Float[Array, ""]
    num_examples: Float[Array, ""]
    num_burn_in: Array
    draw_every: Array
    trace: Float[Array, "Ch T"]
    burn_in_trace: Float[Array, "Ch T0"]
    aux: Any = None

    def __repr__(self) -> str:
        if np.ndim(self.mean):
            return f"estimates {np.shape(self.mean)} of a learning coefficient"
        chains = f"{int(np.sum(self.ok))} of {len(self.ok)} chains"
        return (
            f"{float(self.mean):.4g} ± {float(self.standard_error):.2g} ({chains}, "
            f"R-hat {float(self.r_hat):.3f}, ε {float(self.epsilon):.3g}, "
            f"nβ {float(self.nbeta):.4g}, γ {float(self.gamma):.3g})"
        )

    @property
    def notes(self) -> list[str]:
        """One sentence for each thing that speaks against the estimate, or needs explaining."""
        if np.ndim(self.mean):
            raise TypeError(f"{self!r}: pick one, jax.tree.map(lambda x: x[i], estimates)")
        checks = (
            (
                self.masked > 0,
                f"{int(np.sum(~np.asarray(self.ok)))} of {len(self.ok)} chains diverged and are left out: "
                "a smaller ε, or a larger γ, holds them",
            ),
            (
                self.r_hat > MIXED,
                f"split R-hat is {float(self.r_hat):.2f}, above {MIXED}: the chains have not mixed, "
                f"or still drift after {int(self.num_burn_in)} steps",
            ),
            (
                self.effective_sample_size < 4 * len(self.ok),
                f"the draws are worth only {float(self.effective_sample_size):.0f} independent ones",
            ),
            (
                np.min(self.acceptance) < 0.2,
                f"only {float(np.min(self.acceptance)):.0%} of a chain's moves were accepted: ε is too large",
            ),
            (
                self.mean < 0,
                "the estimate is negative: the draws have a lower loss than w*, so w* is no minimum of this "
                "loss (as after training with weight decay, or early in training); make the decay a part of "
                "the loss, or see what the slope at w* contributes with hessian.gaussian",
            ),
        )
        return [sentence for holds, sentence in checks if holds]


def summary(traces: dict[str, Any], baseline: Array, settings: Settings) -> Estimate:
    """Returns the estimate that traces of losses [Ch, T] give, as `chains.traces` makes them."""
    burn_in, trace, nbeta = traces["burn_in"], traces["trace"], settings.temperature
    seen = jnp.concatenate([burn_in, trace], 1)
    ok = (jnp.isfinite(seen) & (seen - baseline <= settings.max_rise)).all(1)
    chains = jnp.where(ok, nbeta * (trace - baseline).mean(1), jnp.nan)
    used = dict(
        epsilon=settings.epsilon,
        nbeta=nbeta,
        gamma=settings.gamma,
        num_examples=jnp.nan if settings.num_examples is None else settings.num_examples,
        num_burn_in=settings.num_burn_in,
        draw_every=settings.draw_every,
    )
    number = ok.sum()
    mean = jnp.where(ok, chains, 0.0).sum() / number
    spread = jnp.where(ok, (chains - mean) ** 2, 0.0).sum()
    return Estimate(
        mean=mean,
        standard_error=jnp.where(number > 1, jnp.sqrt(spread / ((number - 1) * number)), jnp.nan),
        chains=chains,
        ok=ok,
        masked=1 - ok.mean(),
        baseline=baseline,
        r_hat=diagnostics.split_r_hat(trace, ok),
        effective_sample_size=diagnostics.effective_sample_size(trace, ok),
        acceptance=traces["acceptance"],
        trace=trace,
        burn_in_trace=burn_in,
        aux=traces["aux"],
        **{name: jnp.asarray(value, jnp.float32) for name, value in used.items()},
    )
