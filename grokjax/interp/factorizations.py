"""Factorisations of one matrix at a time, under `vmap` too.

On a CPU jaxlib's batched LAPACK kernels wait for helpers from the pool of threads that they run on: two of
them at once, on two cores, wait for ever. One after the other, as here, they need no helper, and matrices of
these sizes lose nothing by it.
"""

import jax
import jax.numpy as jnp
from jax.custom_batching import sequential_vmap
from jaxtyping import Array, Complex, Float


@sequential_vmap
def solution(square: Float[Array, "D D"], right: Float[Array, "D K"]) -> Float[Array, "D K"]:
    """Returns the X of square X = right, for a symmetric, positive definite matrix."""
    return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(square), right)


@sequential_vmap
def inverse(square: Float[Array, "D D"]) -> Float[Array, "D D"]:
    """Returns the inverse of a symmetric, positive definite matrix."""
    return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(square), jnp.eye(len(square)))


@sequential_vmap
def whitener(square: Float[Array, "D D"]) -> Float[Array, "D D"]:
    """Returns the W with W Wᵀ square = 1: rows of covariance `square` times W have covariance 1."""
    factor = jnp.linalg.cholesky(square)
    return jax.scipy.linalg.solve_triangular(factor, jnp.eye(len(square)), lower=True).T


@sequential_vmap
def svd(matrix: Float[Array, "N K"]) -> tuple[Float[Array, "N R"], Float[Array, " R"], Float[Array, "R K"]]:
    """Returns U, S, Vᵀ of matrix = U diag(S) Vᵀ, the largest S first; R is the smaller side."""
    left, values, right = jnp.linalg.svd(matrix, full_matrices=False)
    return left, values, right


@sequential_vmap
def eigenvalues(square: Float[Array, "D D"]) -> Complex[Array, " D"]:
    """Returns the eigenvalues of any square matrix, in no order."""
    return jnp.linalg.eigvals(square)
