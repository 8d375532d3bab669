"""Whether the rows of the digits lie as numbers do: in order on a line, or around a circle; read off rows
that were left out of the fit.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from grokjax.interp import fourier, permutation
from grokjax.objective import Task
from grokjax.tasks.layout import permutation as token_ids


def embeddings(task: Task, params: PyTree) -> Float[Array, "base D"]:
    """The token embeddings of the digits 0 … base − 1, or of the residues of a modulus, in the order of their
    values.
    """
    modulus = getattr(task, "modulus", None)
    return params["W_E"][np.arange(modulus) if modulus else token_ids(task)]


def through_values(task: Task, params: PyTree, layer: int) -> Float[Array, "H base D"]:
    """What each head of a layer writes for each digit, W_E W_V W_O: the digits as attention hands them on
    (the full OV circuit but W_U).
    """
    block = params["blocks"][layer]
    with jax.default_matmul_precision("float32"):
        return jnp.einsum("vd,dhk,hke->hve", embeddings(task, params), block["W_V"], block["W_O"])


def left_out_r2(
    rows: Float[Array, "V D"], targets: Float[Array, "V K"], *, ridge: float = 1e-3
) -> Float[Array, " K"]:
    """How well a linear map reads each target off the rows that it was not fitted to, leaving out one at a
    time.

    1 − squared error / squared error of the mean of the others: at most 1, about 0 where the rows tell
    nothing. ridge: the penalty, as a share of the rows' mean squared length. Rows that are all alike tell
    nothing.
    """
    rows, targets = jnp.asarray(rows), jnp.asarray(targets)
    length = jnp.sqrt((rows**2).sum(1).mean())
    x = jnp.concatenate([rows, jnp.full((len(rows), 1), 1.0) * length], 1) / jnp.where(
        length > 0, length, 1
    )  # the last: an intercept
    with jax.default_matmul_precision("float32"):
        kernel = x @ x.T
        inverse = jnp.linalg.inv(kernel + (ridge * jnp.trace(kernel) / len(x) + 1e-12) * jnp.eye(len(x)))
        error = (inverse @ targets) / jnp.diag(inverse)[:, None]
    of_mean = (targets - targets.mean(0)) * len(x) / (len(x) - 1)
    return 1 - (error**2).sum(0) / (of_mean**2).sum(0)


def structure(rows: Float[Array, "V D"]) -> Float[Array, " F+1"]:
    """How well the value v of a row is read off the others, as R²: on a line (v itself), then as the point on
    a circle of each frequency.

    The circle of frequency k: the mean R² of cos 2πkv/n and sin 2πkv/n (of the cosine alone at n / 2). An
      ordered line and the circle of
    frequency 1 are alike but at the ends: compare the two.
    """
    n = len(rows)
    waves = fourier.basis(n)[1:]
    found = left_out_r2(rows, jnp.asarray(np.concatenate([np.arange(n)[None], waves]).T, jnp.float32))
    of = fourier.frequencies(n)[1:] == np.arange(1, n // 2 + 1)[:, None]
    return jnp.concatenate([found[:1], jnp.asarray(of / of.sum(1, keepdims=True), jnp.float32) @ found[1:]])


def stands_out(key: Key[Array, ""], rows: Float[Array, "V D"], *, draws: int = 999) -> permutation.Permuted:
    """`structure` against its values when the digits are permuted among the rows: whether these are
    number-shaped at all (`p_any`).
    """
    return permutation.compared(structure, key, rows, draws=draws)
