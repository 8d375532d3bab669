"""A rotated copy is the same to CKA, a shuffled one to the matching; unrelated activations are alike to
neither.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import similarity

SIZE, WIDTH = 40, 12
X = random.normal(random.key(0), (SIZE, WIDTH)) * jnp.linspace(0.3, 2, WIDTH) + 3
OTHER = random.normal(random.key(1), (SIZE, WIDTH))
CKA = [jax.jit(similarity.cka), jax.jit(similarity.debiased_cka)]


@pytest.mark.parametrize("cka", CKA)
def test_rotation_shift_and_scale_change_nothing(cka):
    assert np.isclose(cka(X, 5 * similarity.rotated(X, random.key(2)) - 2), 1, atol=1e-4)
    assert np.isclose(cka(X, OTHER), cka(OTHER, X), atol=1e-5) and cka(X, X + OTHER) < 0.95


def test_of_few_unrelated_examples_only_the_debiased_one_is_about_0():
    biased, debiased = (cka(X, OTHER) for cka in CKA)
    assert biased > 0.15 and abs(debiased) < 0.1


def test_the_debiased_sums_are_those_of_the_kernels():
    """Equation 3 of arXiv:2010.15327, with the kernels formed."""

    def dependence(x, y):
        K, L = (np.asarray(z @ z.T) * (1 - np.eye(SIZE)) for z in (x, y))
        n, one = SIZE, np.ones(SIZE)
        return (
            np.trace(K @ L)
            + one @ K @ one * (one @ L @ one) / ((n - 1) * (n - 2))
            - 2 * (one @ K @ L @ one) / (n - 2)
        ) / (n * (n - 3))

    x, y = np.asarray(X[:, :3], float), np.asarray(X[:, 2:6] + 0.5 * OTHER[:, :4], float)
    expected = dependence(x, y) / np.sqrt(dependence(x, x) * dependence(y, y))
    np.testing.assert_allclose(CKA[1](jnp.asarray(x), jnp.asarray(y)), expected, rtol=1e-4)


def test_units_of_a_shuffled_copy_find_each_other_and_not_those_of_a_rotated_one():
    order = np.random.default_rng(0).permutation(WIDTH)
    shuffled = (X + 0.1 * OTHER)[:, order]
    found = similarity.match(similarity.correlations(X, shuffled))
    np.testing.assert_array_equal(order[found.partner], np.arange(WIDTH))
    assert found.likeness.min() > 0.9
    assert (
        similarity.match(
            similarity.correlations(X, similarity.rotated(shuffled, random.key(3)))
        ).likeness.mean()
        < 0.7
    )
    assert similarity.match(similarity.correlations(X, OTHER)).likeness.mean() < 0.4


def test_units_without_a_partner_and_without_variation():
    likeness = similarity.correlations(X.at[:, 1].set(2.0), X[:, :3])
    np.testing.assert_array_equal(likeness[1], 0)
    found = similarity.match(likeness)
    assert (found.partner >= 0).sum() == 3 and np.isnan(found.likeness[found.partner < 0]).all()


def test_svcca_and_procrustes_are_those_of_numpy():
    """Canonical correlations by the two projections, the distance by the best rotation written out."""
    x, y = (np.asarray(z - z.mean(0), float) for z in (X, 0.7 * X[:, :6] @ OTHER[:6, :6] + OTHER[:, :6]))
    bases = [np.linalg.svd(z, full_matrices=False) for z in (x, y)]
    counts = [int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), 0.99)) + 1 for _, s, _ in bases]
    assert counts[0] < WIDTH
    P, Q = (u[:, :k] @ u[:, :k].T for (u, _, _), k in zip(bases, counts, strict=True))
    cosines = np.sqrt(np.clip(np.sort(np.linalg.eigvals(P @ Q).real)[::-1][: min(counts)], 0, 1))
    found = jax.jit(similarity.svcca)(jnp.asarray(x + 2), jnp.asarray(y))
    np.testing.assert_allclose(found, cosines.mean(), atol=1e-4)
    x, y = x / np.linalg.norm(x), np.pad(y / np.linalg.norm(y), ((0, 0), (0, 6)))
    u, _, v = np.linalg.svd(y.T @ x)
    distance = np.linalg.norm(x - y @ (u @ v)) ** 2
    np.testing.assert_allclose(jax.jit(similarity.procrustes)(X, jnp.asarray(y)), distance, atol=1e-4)


def test_a_rotated_copy_is_at_distance_0_and_a_linear_map_of_it_has_the_same_components():
    assert similarity.procrustes(X, 5 * similarity.rotated(X, random.key(2)) - 2) < 1e-4
    assert similarity.procrustes(X, OTHER) > 0.5
    mapped = X @ random.normal(random.key(4), (WIDTH, WIDTH))
    assert np.isclose(similarity.svcca(X, mapped, kept=1.0), 1, atol=1e-3)
    assert similarity.svcca(X, OTHER) < 0.8 and similarity.svcca(X, 0 * X) == 0


def test_heads_are_compared_by_what_their_patterns_depend_on():
    task = gj.Addition(num_digits=1, batch_size=8)
    config = gj.ModelConfig.of(task, d_model=8, num_heads=2)
    params = gj.model.init(config, random.key(0), gj.Hyper(init_scale=3.0))
    run, tokens = gj.Run(task, config, params), task.batch(random.key(1)).tokens
    found = similarity.head_features(run, tokens)
    assert found.shape == (8 * tokens.shape[1] ** 2, 2) and abs(found.mean()) < 1e-6
    block = params["blocks"][0]
    swapped = {
        **params,
        "blocks": [
            {
                **block,
                **{name: block[name][:, ::-1] for name in ("W_Q", "W_K", "W_V")},
                "W_O": block["W_O"][::-1],
            }
        ],
    }
    other = similarity.head_features(run.replace(params=swapped), tokens)
    assert similarity.match(similarity.correlations(found, other)).partner.tolist() == [1, 0]
