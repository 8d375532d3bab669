"""Samplers of the local posterior: their stationary laws on quadratics, masks, and the formula of a step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp.bayes import langevin, masks

NBETA, GAMMA = 40.0, 2.0
CURVATURES = np.array([0.05, 0.2, 1.0])
CENTRE = jnp.array([0.3, -1.0, 2.0])


def quadratic(params):
    return (jnp.asarray(CURVATURES) * (params - CENTRE) ** 2).sum() / 2


def positions(sampler, steps, *, chains=400, burn_in=100, seed=0):
    """The parameters of independent chains at every step after the burn-in [T, Ch, d], and all infos."""

    @functools.partial(jax.vmap, out_axes=1)
    def chain(key):
        def step(state, key):
            state, info = sampler.step(key, state)
            return state, (state.params, info)

        return jax.lax.scan(step, sampler.init(CENTRE), random.split(key, burn_in + steps))[1]

    found, info = jax.jit(chain)(random.split(random.key(seed), chains))
    return np.asarray(found)[burn_in:], info


def relative_error(found, variance):
    """(largest deviation from the exact variance in standard errors, largest relative error), over chains."""
    of_chains = ((found - np.asarray(CENTRE)) ** 2).mean(0)
    error = of_chains.std(0, ddof=1) / np.sqrt(len(of_chains))
    return np.abs((of_chains.mean(0) - variance) / error).max(), (error / variance).max()


@pytest.mark.parametrize("epsilon", [0.01, 0.05, 0.08])
def test_sgld_has_the_variance_of_the_discretised_chain(epsilon):
    a = NBETA * CURVATURES + GAMMA
    found, _ = positions(
        langevin.sgld(quadratic, epsilon=epsilon, nbeta=NBETA, gamma=GAMMA), 300, burn_in=int(4 / epsilon)
    )
    away, error = relative_error(found, 1 / (a * (1 - epsilon * a / 4)))
    assert away < 3 and error < 0.03


def test_a_step_above_four_over_a_diverges():
    _, info = positions(langevin.sgld(quadratic, epsilon=0.2, nbeta=NBETA, gamma=GAMMA), 100, chains=2)
    assert not np.isfinite(info.loss[-1]).any() or (info.loss[-1] > 1e6).all()


def test_rmsprop_preconditions_drift_and_noise():
    """With its memory held at v, the variance is that of SGLD with ε/(√v + stability) for ε; the same v is
    found again from the squared gradients.
    """
    epsilon, a = 0.02, NBETA * CURVATURES + GAMMA
    make = functools.partial(
        langevin.rmsprop, quadratic, epsilon=epsilon, nbeta=NBETA, gamma=GAMMA, decay=0.999, stability=0.3
    )
    held = make(adapt_steps=0)
    square = jnp.array([0.01, 0.4, 1.0])
    planted = held._replace(
        init=lambda params: held.init(params)._replace(memory=langevin.Moments(square, jnp.array(1e5)))
    )
    found, _ = positions(planted, 300, burn_in=600)
    size = epsilon / (np.sqrt(square) + 0.3)
    away, error = relative_error(found, 1 / (a * (1 - size * a / 4)))
    assert away < 3 and error < 0.05

    sampler = make()
    state = sampler.init(CENTRE)
    step = jax.jit(lambda state, key: (sampler.step(key, state)[0], quadratic(state.params)))
    state, _ = jax.lax.scan(step, state, random.split(random.key(3), 20000))
    size = epsilon / (np.sqrt(state.memory.square) + 0.3)
    expected = CURVATURES**2 / (a * (1 - size * a / 4))
    np.testing.assert_allclose(state.memory.square, expected, rtol=0.25)


def test_rmsprop_holds_its_memory_after_the_steps_that_it_adapts():
    sampler = langevin.rmsprop(quadratic, epsilon=0.01, nbeta=NBETA, gamma=GAMMA, adapt_steps=3)
    state, squares = sampler.init(CENTRE), []
    for key in random.split(random.key(0), 6):
        state, _ = sampler.step(key, state)
        squares.append(np.asarray(state.memory.square))
    assert (squares[2] != squares[1]).all() and (squares[5] == squares[2]).all()
    assert state.memory.steps == 3


@pytest.mark.parametrize("sampler", [langevin.mala, functools.partial(langevin.hmc, num_leapfrog=5)])
def test_what_is_accepted_or_refused_is_exact_at_any_step(sampler):
    a = NBETA * CURVATURES + GAMMA
    found, info = positions(sampler(quadratic, epsilon=0.06, nbeta=NBETA, gamma=GAMMA), 300)
    away, error = relative_error(found, 1 / a)
    assert away < 3 and error < 0.05
    assert 0.3 < info.acceptance.mean() < 0.99


def test_short_steps_of_mala_are_those_of_sgld():
    """With ε → 0 every move is accepted, and mala makes the moves of sgld from the same normal numbers."""
    key, at = random.key(5), CENTRE + 0.3
    options = dict(epsilon=1e-6, nbeta=NBETA, gamma=GAMMA)
    first, second = langevin.sgld(quadratic, **options), langevin.mala(quadratic, **options)
    begin = second.init(CENTRE)
    begin = begin._replace(params=at, memory=second.init(at).memory)
    moved, info = second.step(key, begin)
    same, _ = first.step(random.split(key)[0], first.init(CENTRE)._replace(params=at))
    np.testing.assert_allclose(moved.params - at, same.params - at, rtol=1e-3, atol=1e-7)
    assert info.acceptance > 0.999 and (moved.params != at).all()


@pytest.mark.parametrize("sampler", [langevin.sgld, langevin.rmsprop, langevin.mala])
def test_what_is_masked_never_moves_and_the_rest_is_sampled_as_if_alone(sampler):
    mask = jnp.array([True, False, True])
    found, _ = positions(
        sampler(quadratic, epsilon=0.005, nbeta=NBETA, gamma=GAMMA, mask=mask), 100, chains=50, burn_in=10
    )
    assert (found[..., 1] == CENTRE[1]).all()
    assert (found[..., [0, 2]] != np.asarray(CENTRE)[[0, 2]]).all()
    if sampler is langevin.mala:
        found, _ = positions(sampler(quadratic, epsilon=0.06, nbeta=NBETA, gamma=GAMMA, mask=mask), 300)
        variance = 1 / (NBETA * CURVATURES + GAMMA)
        away, _ = relative_error(found[..., [0]] - CENTRE[0] + np.asarray(CENTRE), variance[[0, 0, 0]])
        assert away < 3


def test_any_tree_and_any_batch():
    """Parameters may be nested, the loss may take a batch and return more; the drift follows the formula."""
    params = {"a": jnp.ones((2, 3)), "b": [jnp.zeros(4), jnp.array(2.0)]}

    def loss(params, batch):
        return (params["a"] * batch).sum() + params["b"][1] ** 2, batch + 1

    sampler = langevin.sgld(loss, epsilon=0.1, nbeta=3.0, gamma=0.5, has_aux=True)
    state = sampler.init(params)._replace(anchor=jax.tree.map(lambda x: x - 1, params))
    key = random.key(2)
    new, info = sampler.step(key, state, 2.0)
    noise = langevin.normals(key, params)
    np.testing.assert_allclose(
        new.params["a"], 1 - 0.05 * (3 * 2 + 0.5) + np.sqrt(0.1) * noise["a"], rtol=1e-6
    )
    np.testing.assert_allclose(
        new.params["b"][1], 2 - 0.05 * (3 * 4 + 0.5) + np.sqrt(0.1) * noise["b"][1], rtol=1e-6
    )
    assert info.loss == 2 * 6 + 4 and info.aux == 3 and info.acceptance == 1


def test_masks_name_tensors_slices_and_whole_layers():
    params = jax.eval_shape(
        lambda: gj.model.init(
            gj.ModelConfig(d_model=6, num_heads=3, num_layers=2, d_mlp=5), random.key(0), gj.Hyper()
        )
    )
    sizes = {name: leaf.size for name, leaf in gj.trees.named_leaves(params).items()}
    mask = masks.of(params, {"blocks.0.W_O": 1, "W_E": np.s_[:, 2], "blocks.1": ...})
    layer = sum(size for name, size in sizes.items() if name.startswith("blocks.1."))
    assert masks.size(mask) == 2 * 6 + 12 + layer
    assert mask["blocks"][0]["W_O"][1].all() and not mask["blocks"][0]["W_O"][0].any()
    with pytest.raises(ValueError, match=r"no 'W_q'; they have .*W_E.*blocks\.0\.W_Q"):
        masks.of(params, {"W_q": ...})
    parts = masks.components(params)
    assert list(parts) == [
        *("W_E", "W_pos"),
        *[f"blocks.{i}.{part}" for i in (0, 1) for part in ("head.0", "head.1", "head.2", "mlp")],
        "W_U",
    ]
    head = parts["blocks.1.head.2"]["blocks"][1]
    for name in ("W_Q", "W_K", "W_V"):
        assert head[name][:, 2].all() and not head[name][:, :2].any()
    total = jax.tree.map(lambda *leaves: sum(leaf.astype(int) for leaf in leaves), *parts.values())
    assert all((leaf == 1).all() for leaf in jax.tree.leaves(total)), "every entry is in one part"
