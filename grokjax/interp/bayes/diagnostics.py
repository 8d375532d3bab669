"""Whether chains have mixed: split R-hat and effective sample size; some chains may be masked."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def split_r_hat(trace: Float[Array, "Ch T"], ok: Bool[Array, " Ch"]) -> Float[Array, ""]:
    """Returns the potential scale reduction of the halves of the chains that are ok (BDA3, section 11.4).

    It is near 1 where halves agree in mean and spread; above 1.1, or 1.01 for strict users, they have not
    mixed or still drift. NaN where no chain is ok, or for fewer than 4 draws.
    """
    half = trace.shape[1] // 2
    if half < 2:
        return jnp.full((), jnp.nan)
    halves = jnp.concatenate([trace[:, :half], trace[:, -half:]])
    return jnp.sqrt(_total(halves, jnp.tile(ok, 2)) / _within(halves, jnp.tile(ok, 2)))


def effective_sample_size(trace: Float[Array, "Ch T"], ok: Bool[Array, " Ch"]) -> Float[Array, ""]:
    """Returns how many independent draws the chains that are ok are worth, together (Geyer 1992; BDA3, 11.5).

    Autocorrelations are summed in pairs of lags up to the first negative pair, each pair at most the one
    before it. NaN where no chain is ok.
    """
    chains, T = trace.shape
    within, total = _within(trace, ok), _total(trace, ok)
    covariance = _mean(jax.vmap(_autocovariance)(jnp.where(ok[:, None], trace, 0.0)), ok)
    rho = 1 - (within - covariance * (T / max(T - 1, 1))) / total
    rho = rho.at[0].set(1.0)[: T - T % 2]
    pairs = rho[0::2] + rho[1::2]
    going = jnp.cumprod(pairs > 0)
    pairs = jax.lax.associative_scan(jnp.minimum, jnp.where(going, pairs, 0.0))
    return ok.sum() * T / jnp.maximum(2 * pairs.sum() - 1, 1 / jnp.log10(chains * T + 10.0))


def _autocovariance(x: Float[Array, " T"]) -> Float[Array, " T"]:
    """Sums of products at each lag over T, by the transform of the padded series."""
    T = len(x)
    spectrum = jnp.fft.rfft(x - x.mean(), 2 * T)
    return jnp.fft.irfft(jnp.abs(spectrum) ** 2, 2 * T)[:T] / T


def _mean(x: Float[Array, "Ch ..."], ok: Bool[Array, " Ch"]) -> Float[Array, "..."]:
    """The mean over the chains that are ok."""
    shown = ok.reshape(-1, *[1] * (x.ndim - 1))
    return jnp.where(shown, x, 0.0).sum(0) / ok.sum()


def _within(trace: Float[Array, "Ch T"], ok: Bool[Array, " Ch"]) -> Float[Array, ""]:
    """The mean variance of a chain."""
    return _mean(trace.var(1, ddof=1), ok)


def _total(trace: Float[Array, "Ch T"], ok: Bool[Array, " Ch"]) -> Float[Array, ""]:
    """The variance estimated from within and between chains."""
    T, means = trace.shape[1], trace.mean(1)
    between = jnp.where(ok, (means - _mean(means, ok)) ** 2, 0.0).sum() / jnp.maximum(ok.sum() - 1, 1)
    return (T - 1) / T * _within(trace, ok) + between
