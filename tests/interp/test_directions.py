"""Angles between known subspaces, and edits along a direction."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from grokjax.interp import directions, probes

EYE = jnp.eye(6)


def test_angles_of_known_subspaces():
    two = lambda i, j: jnp.stack([EYE[i], EYE[j]], 1)
    assert (
        directions.cosine(two(0, 1), two(1, 0)) < -0.999
        and abs(directions.cosine(two(0, 1), two(2, 3))) < 1e-6
    )
    turned = jnp.stack([EYE[0], jnp.cos(0.5) * EYE[1] + jnp.sin(0.5) * EYE[2]], 1)
    centred = lambda x: jnp.concatenate([x, -x], 1)  # its subspace is the span of the columns
    np.testing.assert_allclose(
        directions.principal_angles(centred(two(0, 1))[:, :3], centred(turned)[:, :3]).min(), 0, atol=0.1
    )
    np.testing.assert_allclose(
        directions.principal_angles(
            jnp.stack([EYE[1], -EYE[1]], 1), jnp.stack([turned[:, 1], -turned[:, 1]], 1)
        ),
        [np.degrees(0.5)],
        rtol=1e-3,
    )


def test_the_constant_part_of_a_matrix_says_nothing():
    matrix = random.normal(random.key(0), (6, 3))
    assert directions.subspace(matrix).shape == (6, 2)
    np.testing.assert_allclose(directions.principal_angles(matrix, matrix + EYE[0][:, None]), 0, atol=0.1)


def test_two_places_are_alike_where_the_same_direction_is_planted_and_only_there():
    classes = random.randint(random.key(6), (256,), 0, 2)
    place = lambda axis, key: (
        4 * (classes[:, None] - 0.5) * EYE[axis] + random.normal(random.key(key), (256, 6))
    )
    alike = jax.jit(directions.alike)
    same, apart = (
        alike(place(0, 7), place(axis, 8) + 3 * EYE[axis], classes, random.key(9)) for axis in (0, 1)
    )
    for cosines in (same.probes, same.means):
        assert cosines.min() > 0.9
    assert (
        abs(apart.probes[0, 1]) < 0.3 and abs(apart.means[0, 1]) < 0.3 and apart.probes.diagonal().min() > 0.9
    )
    assert (
        same.direction_only.min() > 0.9 > 0.8 > same.transfer[0, 1]
        and abs(apart.direction_only[0, 1] - 0.5) < 0.15
    )


def test_reflection_turns_the_probe_round():
    x = random.normal(random.key(1), (20, 6))
    probe = probes.Probe(random.normal(random.key(2), (6, 2)), jnp.array([0.3, -0.2]))
    margin = lambda x: directions.direction(probe.W) @ x.T
    odds = lambda x: probes.outputs(probe, x)[:, 1] - probes.outputs(probe, x)[:, 0]
    along = random.normal(random.key(3), (6,))
    np.testing.assert_allclose(odds(directions.reflected(probe, along, x)), -odds(x), atol=1e-4)
    np.testing.assert_allclose(odds(directions.reflected(probe, along, x, strength=0.5)), 0, atol=1e-4)
    assert margin(x).shape == (20,)
    np.testing.assert_allclose(
        directions.moved(along, jnp.arange(20) % 2, x)[:2], x[:2] + jnp.array([[1], [-1]]) * along, rtol=1e-5
    )


def test_what_differs_by_rounding_is_no_subspace():
    """Classes that lie at one point far off, and classes of which one dimension is there."""
    same = 1000 + 1e-5 * random.normal(random.key(10), (6, 3))
    assert not directions.subspace(same).any()
    np.testing.assert_array_equal(directions.principal_angles(same, EYE[:, :3]), 90)
    one = 1000 + EYE[0][:, None] * jnp.array([1.0, 0, -1]) + 1e-5 * random.normal(random.key(11), (6, 3))
    angles = directions.principal_angles(one, EYE[:, :2])
    np.testing.assert_allclose(angles, [45], atol=0.1)
    assert not directions.subspace(one)[:, 1].any()
