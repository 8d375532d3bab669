"""Probes find a planted direction, nothing where none is, and the minimum that they are to find."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy
from jax import random

from grokjax.interp import probes

SIZE, WIDTH = 512, 12
KEY = random.key(0)
CLASSES = random.randint(random.fold_in(KEY, 1), (SIZE,), 0, 2)
DIRECTION = jnp.eye(WIDTH)[3]
NOISE = random.normal(random.fold_in(KEY, 2), (SIZE, WIDTH)) * jnp.linspace(0.5, 2, WIDTH)
PLANTED = NOISE + 6 * (CLASSES[:, None] - 0.5) * DIRECTION
HOT = jax.nn.one_hot(CLASSES, 2)


@pytest.mark.parametrize("fit", [probes.ridge, probes.logistic])
def test_a_planted_direction_is_found_and_noise_is_not(fit):
    fitted = jax.jit(functools.partial(probes.held_out, 2, fit=fit))
    probe, score = fitted(PLANTED, CLASSES, KEY)
    step = probe.W[:, 1] - probe.W[:, 0]
    assert score.balanced > 0.97 and score.accuracy > 0.97 and step @ DIRECTION > 0.95 * jnp.linalg.norm(step)
    _, nothing = fitted(NOISE, CLASSES, KEY)
    assert abs(nothing.balanced - 0.5) < 0.1 and nothing.correlation_ratio < 0.05 < score.correlation_ratio
    assert probes.selectivity(score, nothing) > 0.4


def test_ridge_is_the_same_through_either_matrix():
    few = PLANTED[:8]
    wide, tall = (
        probes.ridge(few, HOT[:8], penalty=0.1),
        probes.ridge(jnp.tile(few, (2, 1)), jnp.tile(HOT[:8], (2, 1)), penalty=0.1),
    )
    assert few.shape[0] < WIDTH < 16
    np.testing.assert_allclose(wide.W, tall.W, atol=1e-5)
    np.testing.assert_allclose(wide.b, tall.b, atol=1e-5)


def test_ridge_of_a_line_is_the_line_and_weight_0_is_left_out():
    line = PLANTED @ jnp.ones((WIDTH, 3)) + jnp.arange(3.0)
    spoilt = line.at[:100].set(99.0)
    found = probes.ridge(PLANTED, spoilt, weights=jnp.arange(SIZE) >= 100, penalty=1e-7)
    np.testing.assert_allclose(found.W, 1, atol=1e-3)
    np.testing.assert_allclose(found.b, jnp.arange(3.0), atol=1e-3)


def test_the_logistic_probe_is_at_its_minimum():
    """There the gradient of cross-entropy + penalty / 2 · (mean variance) · |W|² is 0, in the plain
    coordinates too.
    """
    targets = jax.nn.softmax(NOISE[:, :3] + PLANTED[:, 3:6])
    probe = probes.logistic(PLANTED, targets, penalty=0.1)
    scale = PLANTED.var(0).mean()

    def loss(probe):
        return (
            -(targets * jax.nn.log_softmax(probes.outputs(probe, PLANTED))).sum(-1).mean()
            + 0.05 * scale * (probe.W**2).sum()
        )

    slope = jax.grad(loss)(probe)
    assert (
        max(jnp.abs(leaf).max() for leaf in slope) < 1e-4
        and loss(probe) < loss(jax.tree.map(jnp.zeros_like, probe)) - 0.1
    )


@pytest.mark.parametrize(("size", "width", "classes"), [(48, 128, 2), (64, 160, 5)])
def test_the_logistic_probe_converges_where_examples_are_few_and_wide(size, width, classes):
    """Its loss is that of scipy's L-BFGS in float64, within 1e-5 nats; it says how many steps it took."""
    labels = random.randint(random.key(1), (size,), 0, classes)
    noise = random.normal(random.key(2), (size, width)) * jnp.linspace(0.1, 3, width)
    x, targets = 5 + noise + jax.nn.one_hot(labels, width), jax.nn.one_hot(labels, classes)
    wide, hot = np.asarray(x - x.mean(0), float), np.asarray(targets, float)
    scale = (wide**2).mean()

    def loss(flat):
        W, b = flat[classes:].reshape(width, classes), flat[:classes]
        log_odds = wide @ W + b
        log_probs = log_odds - scipy.special.logsumexp(log_odds, 1, keepdims=True)
        slope = (np.exp(log_probs) - hot) / size
        gradient = np.concatenate([slope.sum(0), (wide.T @ slope + 1e-3 * scale * W).ravel()])
        return -(hot * log_probs).sum() / size + 1e-3 * scale * (W**2).sum() / 2, gradient

    options = dict(maxiter=20_000, maxfun=20_000, ftol=1e-15, gtol=1e-9)
    start = np.zeros(classes * (width + 1))
    best = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options=options).fun
    found = jax.jit(probes.logistic_fit)(x, targets)
    W = np.asarray(found.probe.W, float)
    b = np.asarray(found.probe.b, float) + np.asarray(x.mean(0), float) @ W
    assert abs(loss(np.concatenate([b, W.ravel()]))[0] - best) < 1e-5
    assert found.steps < 200 and found.gradient <= 1e-4
    stopped = probes.logistic_fit(x, targets, max_steps=10)
    assert stopped.steps == 10 and stopped.gradient > 1e-4


def test_a_rare_class_weighs_as_much_as_a_frequent_one():
    rare = (jnp.arange(SIZE) < 20).astype(int)
    weights = probes.balanced(3, rare)
    np.testing.assert_allclose([weights[:20].sum(), weights[20:].sum()], 0.5, rtol=1e-5)
    never = probes.Probe(jnp.zeros((WIDTH, 3)), jnp.array([1.0, 0, 0]))
    score = probes.score(never, PLANTED, rare)
    np.testing.assert_allclose(score, [1 - 20 / SIZE, 0.5, 1 - 20 / SIZE, 0], atol=2e-3)


def test_class_means_and_splits():
    np.testing.assert_allclose(
        probes.class_means(2, PLANTED, CLASSES)[:, 1], PLANTED[CLASSES == 1].mean(0), atol=1e-5
    )
    assert (
        probes.split(KEY, 10, 0.7).sum() == 7
        and (probes.split(KEY, 10) != probes.split(random.key(1), 10)).any()
    )
