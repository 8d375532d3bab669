"""Angles between known subspaces, and a planted carry direction that an edit turns round where a random one
does nothing.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

import grokjax as gj
from grokjax.interp import directions, probes
from grokjax.interp.addition import evaluation_sets, features

EYE = jnp.eye(6)
TASK = gj.Addition(num_digits=1, base=4)
CONFIG = gj.ModelConfig(**gj.tasks.shape(TASK), d_model=8, num_heads=1)
PROBLEMS = evaluation_sets.every(TASK)
CARRY = features.carry(PROBLEMS, 4, 1)


def planted():
    """A model whose first answer is 1 where its stream points along the fourth axis, 0 where it points the
    other way.
    """
    params = gj.model.init(CONFIG, random.key(0))
    along = jnp.eye(8)[3]
    return {**params, "W_U": jnp.stack([-along, along, 0 * along, 0 * along], 1)}, along


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


def test_an_edit_along_the_planted_direction_turns_the_answer_and_one_along_another_does_not():
    params, along = planted()
    activation = (2.0 * CARRY - 1)[:, None] * along + 0.2 * random.normal(random.key(4), (len(CARRY), 8))
    probe = probes.ridge(activation, jax.nn.one_hot(CARRY, 2), penalty=0.1)
    found = directions.direction(probes.class_means(2, activation, CARRY))
    assert probes.score(probe, activation, CARRY).balanced > 0.999 and found @ along > 0.9
    effect = jax.jit(
        lambda edited: directions.flips(CONFIG, TASK, 1, params, PROBLEMS, edited, site="blocks.0.resid_post")
    )
    turned, still = (
        effect(directions.reflected(probe, found, activation)),
        effect(activation + 3 * jnp.eye(8)[5]),
    )
    np.testing.assert_allclose(turned[:3], [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(still[:3], [0, 1, 0], atol=1e-6)
    assert turned.log_odds > still.log_odds + 3
