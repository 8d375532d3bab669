"""Whether the rows of the digits lie as numbers do: in order on a line, or around a circle.

Both are read off rows that were left out of the fit. The rows are `circuits.basis(run, "symbol")` for the
embeddings, `circuits.ov_to_stream(run, layer, of="symbol")` for what the heads write, or any others.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from grokjax.interp import factorizations, fourier, permutation


def left_out_r2(
    rows: Float[Array, "V D"], targets: Float[Array, "V K"], *, ridge: float = 1e-3
) -> Float[Array, " K"]:
    """Returns how well a linear map reads each target off rows that it was not fitted to, one at a time.

    It is 1 − squared error / squared error of the mean of the others: at most 1, about 0 where the rows tell
    nothing. Rows that are all alike tell nothing.
    ridge: the penalty, as a share of the rows' mean squared length
    """
    rows, targets = jnp.asarray(rows), jnp.asarray(targets)
    length = jnp.sqrt((rows**2).sum(1).mean())
    # the last column is an intercept
    x = jnp.concatenate([rows, jnp.full((len(rows), 1), 1.0) * length], 1) / jnp.where(length > 0, length, 1)
    with jax.default_matmul_precision("float32"):
        kernel = x @ x.T
        penalty = ridge * jnp.trace(kernel) / len(x) + 1e-12
        inverse = factorizations.inverse(kernel + penalty * jnp.eye(len(x)))
        error = (inverse @ targets) / jnp.diag(inverse)[:, None]
    of_mean = (targets - targets.mean(0)) * len(x) / (len(x) - 1)
    return 1 - (error**2).sum(0) / (of_mean**2).sum(0)


def structure(rows: Float[Array, "V D"]) -> Float[Array, " F+1"]:
    """Returns how well the value v of a row is read off the others, as R²: on a line, then on each circle.

    The line's target is v itself. The circle of frequency k has the mean R² of cos 2πkv/n and sin 2πkv/n (of
    the cosine alone at n / 2). An ordered line and the circle of frequency 1 are alike but at the ends:
    compare the two.
    """
    n = len(rows)
    waves = fourier.basis(n)[1:]
    found = left_out_r2(rows, jnp.asarray(np.concatenate([np.arange(n)[None], waves]).T, jnp.float32))
    of = fourier.frequencies(n)[1:] == np.arange(1, n // 2 + 1)[:, None]
    return jnp.concatenate([found[:1], jnp.asarray(of / of.sum(1, keepdims=True), jnp.float32) @ found[1:]])


def stands_out(key: Key[Array, ""], rows: Float[Array, "V D"], *, draws: int = 999) -> permutation.Permuted:
    """Returns `structure` against its values when the digits are permuted among the rows.

    `p_any` says whether the rows are number-shaped at all.
    """
    return permutation.compared(structure, key, rows, draws=draws)
