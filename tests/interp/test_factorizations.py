"""Factorisations against numpy, one by one and under vmap."""

import jax
import numpy as np
from jax import random

from grokjax.interp import factorizations

X = random.normal(random.key(0), (3, 9, 5))
SQUARE = X.swapaxes(1, 2) @ X


def test_solutions_and_whiteners_are_what_they_should_be_under_vmap():
    right = random.normal(random.key(1), (3, 5, 2))
    np.testing.assert_allclose(
        jax.vmap(factorizations.solution)(SQUARE, right), np.linalg.solve(SQUARE, right), rtol=1e-3, atol=1e-4
    )
    whitener = jax.vmap(factorizations.whitener)(SQUARE)
    np.testing.assert_allclose(
        whitener.swapaxes(1, 2) @ SQUARE @ whitener, np.broadcast_to(np.eye(5), (3, 5, 5)), atol=1e-3
    )


def test_inverses_singular_values_and_eigenvalues_under_vmap():
    inverse = jax.vmap(factorizations.inverse)(SQUARE)
    np.testing.assert_allclose(inverse, np.linalg.inv(SQUARE), rtol=1e-3, atol=1e-4)
    left, values, right = jax.vmap(factorizations.svd)(X)
    np.testing.assert_allclose(values, np.linalg.svd(X, compute_uv=False), rtol=1e-4)
    np.testing.assert_allclose((left * values[:, None]) @ right, X, atol=1e-5)
    found = jax.vmap(factorizations.eigenvalues)(X[:, :5])
    for one, square in zip(found, X[:, :5], strict=True):
        expected = np.linalg.eigvals(square)
        assert abs(np.asarray(one)[:, None] - expected).min(0).max() < 1e-4
