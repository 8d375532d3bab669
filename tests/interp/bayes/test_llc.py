"""Learning coefficients: known answers at the nβ and γ used, by quadrature; diagnostics of the chains."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

from grokjax.interp.bayes import diagnostics, influence, langevin, llc
from grokjax.interp.bayes.estimates import Estimate


def by_quadrature(loss, anchor, *, nbeta, gamma, points):
    """nβ E[L] under exp(−nβ L − γ/2 |w − w*|²), over a grid that is dense near w* and reaches 7/√γ."""
    t = np.linspace(-1, 1, points)
    scale = 7 / np.sqrt(gamma)
    axis, spacing = scale * np.sinh(3 * t) / np.sinh(3), 3 * np.cosh(3 * t)
    grids = np.meshgrid(*[axis + a for a in anchor], indexing="ij", sparse=True)
    value = loss(grids)
    energy = nbeta * value + gamma / 2 * sum((w - a) ** 2 for w, a in zip(grids, anchor, strict=True))
    weight = np.exp(-energy)
    for measure in np.meshgrid(*[spacing] * len(anchor), indexing="ij", sparse=True):
        weight = weight * measure
    return nbeta * (value * weight).sum() / weight.sum()


def estimated(loss, anchor, key=0, **options):
    """An estimate by 64 chains side by side, on the host."""
    make = lambda key: llc.estimate(
        key, loss, jnp.asarray(anchor, jnp.float32), **{"num_chains": 64, "chains_at_once": 64, **options}
    )
    return jax.tree.map(np.asarray, jax.jit(make)(random.key(key)))


CURVATURES = (0.3, 0.05, 0.01, 0.0)
LOSSES = {
    "quadratic": (lambda w: sum(h * x**2 / 2 for h, x in zip(CURVATURES[:2], w, strict=True)), (0.0, 0.0)),
    "x²y²": (lambda w: w[0] ** 2 * w[1] ** 2, (0.0, 0.0)),
    "x²y⁴": (lambda w: w[0] ** 2 * w[1] ** 4, (0.0, 0.0)),
    "three linear layers": (lambda w: (w[0] * w[1] * w[2] - 1) ** 2 / 2, (1.0, 1.0, 1.0)),
}
HMC = functools.partial(langevin.hmc, num_leapfrog=8)
CASES = {
    "quadratic, sgld": ("quadratic", 10.0, dict(epsilon=4e-4, num_draws=1000, num_burn_in=400)),
    "quadratic, mala": (
        "quadratic", 10.0, dict(epsilon=4e-3, num_draws=400, num_burn_in=100, sampler=langevin.mala)
    ),
    "x²y², γ 100, sgld": ("x²y²", 100.0, dict(epsilon=4e-4, num_draws=1500, num_burn_in=200)),
    "x²y², γ 1, hmc": ("x²y²", 1.0, dict(epsilon=1.5e-3, num_draws=250, num_burn_in=400, sampler=HMC)),
    "x²y⁴, γ 10, hmc": ("x²y⁴", 10.0, dict(epsilon=4e-3, num_draws=250, num_burn_in=50, sampler=HMC)),
    "three linear layers, mala": (
        "three linear layers", 10.0,
        dict(epsilon=2e-3, num_draws=1200, num_burn_in=200, sampler=langevin.mala),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_known_answers_at_the_nbeta_and_gamma_used(case):
    """Within two standard errors of quadrature, and those below 5% of it."""
    name, gamma, options = CASES[case]
    loss, anchor = LOSSES[name]
    exact = by_quadrature(loss, anchor, nbeta=351, gamma=gamma, points=151 if len(anchor) == 3 else 1001)
    found = estimated(loss, anchor, nbeta=351.0, gamma=gamma, **options)
    assert abs(found.mean - exact) < 2 * found.standard_error
    assert found.standard_error < 0.05 * exact
    assert found.r_hat < 1.1 and found.masked == 0 and found.notes == []


def test_quadrature_gives_the_values_that_are_known():
    loss, anchor = LOSSES["x²y²"]
    for nbeta, gamma, expected in ((351, 1, 0.376), (351, 100, 0.028), (1e6, 1, 0.438), (1e6, 100, 0.354)):
        x = np.sinh(np.linspace(-20, 20, 200001)) * 8 / np.sqrt(gamma) / np.sinh(20)
        a = 2 * nbeta * x**2 + gamma  # given x, y is Gaussian of this precision
        weight = np.exp(-gamma * x**2 / 2) / np.sqrt(a)
        value = np.trapezoid(nbeta * x**2 / a * weight, x) / np.trapezoid(weight, x)
        assert value == pytest.approx(expected, abs=5e-4)
        if nbeta == 351:
            assert by_quadrature(loss, anchor, nbeta=nbeta, gamma=gamma, points=1001) == pytest.approx(
                value, rel=1e-3
            )


def noisy(params, batch):
    """A quadratic whose batches have their own centres."""
    return (jnp.asarray(CURVATURES) * (params - batch) ** 2).sum(-1).mean() / 2


DATA = random.normal(random.key(9), (512, 4))


def drawn(size):
    return lambda key: DATA[random.randint(key, (size,), 0, len(DATA))]


def test_batches_of_gradient_and_loss_are_chosen_apart():
    """Large batches for the gradient change little; single examples for the loss only add noise."""
    centre = DATA.mean(0)
    options = dict(
        data=DATA, num_examples=512, gamma=20.0, epsilon=5e-3, num_draws=500, num_burn_in=50, num_chains=16
    )
    full = estimated(noisy, centre, **options)
    both = estimated(noisy, centre, **options, gradient_batch=drawn(256), loss_batch=drawn(1))
    same = estimated(noisy, centre, **options, gradient_batch=drawn(256), loss_batch=lambda key: DATA)
    assert full.nbeta == pytest.approx(512 / np.log(512)) and full.num_examples == 512
    a = full.nbeta * np.array(CURVATURES) + 20
    exact = (full.nbeta * np.array(CURVATURES) / (a * (1 - 5e-3 * a / 4))).sum() / 2
    for found in (full, both, same):
        assert abs(found.mean - exact) < 3 * found.standard_error + 0.03 * exact
        assert found.baseline == pytest.approx(float(noisy(centre, DATA)))
    assert both.trace.std() > 5 * same.trace.std()


def test_thinned_draws_have_the_same_mean_and_are_worth_more():
    make = functools.partial(
        estimated, LOSSES["quadratic"][0], (0.0, 0.0), nbeta=50.0, gamma=4.0, epsilon=0.01, num_burn_in=100
    )
    dense, thin = make(num_draws=600), make(num_draws=600, draw_every=5)
    assert abs(dense.mean - thin.mean) < 3 * np.hypot(dense.standard_error, thin.standard_error)
    assert thin.effective_sample_size > 2 * dense.effective_sample_size
    assert thin.trace.shape == (64, 600) and thin.burn_in_trace.shape == (64, 100)


def cliff(params):
    """A quadratic that ends: beyond 1.2 there is no number."""
    return jnp.where((jnp.abs(params) < 1.2).all(), (params**2).sum() / 2, jnp.nan)


def test_diverged_chains_are_masked_counted_and_do_not_harm_the_others():
    found = estimated(cliff, [0.0, 0.0], nbeta=1.0, gamma=5.0, epsilon=0.2, num_draws=40, num_burn_in=0)
    assert 0.1 < found.masked < 0.9 and found.masked == 1 - found.ok.mean()
    assert np.isfinite(found.chains[found.ok]).all() and np.isnan(found.chains[~found.ok]).all()
    assert found.mean == pytest.approx(found.chains[found.ok].mean(), rel=1e-5)
    assert found.standard_error == pytest.approx(
        found.chains[found.ok].std(ddof=1) / np.sqrt(found.ok.sum()), rel=1e-4
    )
    assert np.isfinite(found.r_hat) and np.isfinite(found.effective_sample_size)
    assert any("chains diverged and are left out" in note for note in found.notes)
    none = estimated(cliff, [0.0, 0.0], nbeta=1.0, gamma=0.01, epsilon=9.0, num_draws=40, num_burn_in=0)
    assert none.masked == 1 and np.isnan(none.mean)
    held = estimated(
        LOSSES["quadratic"][0], (0.0, 0.0), nbeta=1.0, gamma=1.0, epsilon=0.1, num_draws=40, num_burn_in=0,
        max_rise=1e-4,
    )  # fmt: skip
    assert held.masked == 1


def test_a_negative_estimate_is_reported_and_explained():
    """On a slope g the quadratic gives −nβ² g²/a (1 − nβ h/(2a)) beside the curvature's part."""
    loss = lambda w: 0.5 * w[0] + w[0] ** 2 / 2
    found = estimated(loss, [0.0], nbeta=10.0, gamma=10.0, epsilon=0.005, num_draws=1000, num_burn_in=300)
    exact = 0.5 * 10 / 20 - 100 * 0.25 / 20 * (1 - 10 / 40)
    assert exact < 0 and abs(found.mean - exact) < 2 * found.standard_error + 0.01
    assert any("negative" in note and "w* is no minimum" in note for note in found.notes)


def test_chains_that_still_drift_are_told_by_r_hat():
    found = estimated(
        LOSSES["quadratic"][0], (3.0, 3.0), nbeta=1.0, gamma=0.0, epsilon=1e-4, num_draws=50, num_burn_in=0
    )
    assert found.r_hat > 1.5 and any("R-hat" in note for note in found.notes)


def test_what_is_asked_for_must_be_possible():
    loss = lambda w: (w**2).sum()
    with pytest.raises(ValueError, match="give nbeta, or the n"):
        llc.estimate(random.key(0), loss, jnp.ones(2), gamma=1.0, epsilon=0.1)
    with pytest.raises(ValueError, match="needs data"):
        llc.estimate(
            random.key(0), noisy, jnp.ones(4), gamma=1.0, epsilon=0.1, nbeta=1.0, gradient_batch=drawn(2)
        )
    with pytest.raises(ValueError, match="num_examples=2"):
        llc.inverse_temperature(2)


def test_settings_are_one_object_or_their_fields_by_name():
    key, loss, anchor = random.key(0), LOSSES["x²y²"][0], jnp.ones(2)
    settings = llc.Settings(epsilon=0.01, gamma=1.0, nbeta=10.0, num_draws=8, num_burn_in=2)
    by_object = llc.estimate(key, loss, anchor, settings)
    by_name = llc.estimate(key, loss, anchor, epsilon=0.01, gamma=1.0, nbeta=10.0, num_draws=8, num_burn_in=2)
    np.testing.assert_array_equal(by_object.trace, by_name.trace)
    replaced = llc.estimate(key, loss, anchor, settings, gamma=50.0, num_draws=3)
    assert replaced.gamma == 50 and replaced.trace.shape == (4, 3) and replaced.nbeta == 10
    compiled = jax.jit(lambda settings: llc.estimate(key, loss, anchor, settings))
    each = [compiled(settings.replace(gamma=gamma)) for gamma in (1.0, 50.0)]
    assert compiled._cache_size() == 1, "a new γ compiles nothing"
    np.testing.assert_allclose(each[0].trace, by_name.trace, rtol=1e-5)
    assert (each[0].trace != each[1].trace).any()
    with pytest.raises(TypeError, match=r"gama=1\.0 is no setting; they are epsilon, gamma, nbeta"):
        llc.estimate(key, loss, anchor, gama=1.0)
    with pytest.raises(TypeError, match="epsilon must be given"):
        llc.estimate(key, loss, anchor, gamma=1.0)
    with pytest.raises(ValueError, match="num_draws=0 must be an integer of at least 1"):
        llc.Settings(epsilon=0.1, gamma=1.0, num_draws=0)


def test_chains_differ_and_one_at_a_time_is_the_same_as_side_by_side():
    options = dict(nbeta=10.0, gamma=1.0, epsilon=0.01, num_draws=20, num_burn_in=5, num_chains=6)
    found = [estimated(LOSSES["x²y²"][0], (1.0, 1.0), chains_at_once=k, **options) for k in (1, 3)]
    assert len(np.unique(found[0].trace[:, -1])) == 6
    np.testing.assert_allclose(found[1].trace, found[0].trace, rtol=1e-5)


def test_estimates_are_lifted_over_settings_in_one_program():
    make = lambda epsilon, gamma: llc.estimate(
        random.key(0), LOSSES["x²y²"][0], jnp.zeros(2), nbeta=10.0, gamma=gamma, epsilon=epsilon,
        num_draws=30, num_burn_in=5,
    )  # fmt: skip
    together = jax.jit(jax.vmap(make))(jnp.array([0.01, 0.1]), jnp.array([1.0, 10.0]))
    assert isinstance(together, Estimate) and together.mean.shape == (2,)
    alone = jax.jit(make)(0.1, 10.0)
    np.testing.assert_allclose(together.mean[1], alone.mean, rtol=1e-4)
    with pytest.raises(TypeError, match="pick one"):
        together.notes  # noqa: B018


def test_r_hat_and_effective_sample_size_of_series_that_are_known():
    r_hat, size = jax.jit(diagnostics.split_r_hat), jax.jit(diagnostics.effective_sample_size)
    rng = np.random.default_rng(0)
    ok = jnp.ones(8, bool)
    noise = rng.standard_normal((8, 2000))
    assert r_hat(noise, ok) == pytest.approx(1, abs=5e-3)
    assert size(jnp.asarray(noise), ok) == pytest.approx(16000, rel=0.15)
    for rho in (0.5, 0.9):
        series = noise.copy()
        for t in range(1, 2000):
            series[:, t] += rho * series[:, t - 1]
        found = size(jnp.asarray(series[:, 100:]), ok)
        assert found == pytest.approx(8 * 1900 * (1 - rho) / (1 + rho), rel=0.2)
    apart = noise + np.arange(8)[:, None]
    assert r_hat(apart, ok) == pytest.approx(
        np.sqrt(1 + np.var(np.repeat(np.arange(8), 2), ddof=1)), rel=0.02
    )
    broken = np.where(np.arange(8)[:, None] == 3, np.nan, noise)
    kept = ok.at[3].set(False)
    for measure in (r_hat, size):
        assert measure(jnp.asarray(broken), kept) == pytest.approx(
            float(measure(jnp.asarray(np.delete(noise, 3, 0)), jnp.ones(7, bool))), rel=1e-3
        )


def test_influence_and_susceptibility_of_a_gaussian():
    """Losses (w − x_i)²/2 of one w: Cov(ℓ_i, ℓ_j) = s² d_i d_j + s⁴/2, d_i = mean − x_i, s² the variance."""
    x = jnp.array([-1.0, 0.0, 2.0])

    def loss(params, batch):
        losses = (params[0] - batch) ** 2 / 2
        return losses.mean(), losses

    found = estimated(
        loss, [float(x.mean())], data=x, nbeta=20.0, gamma=5.0, epsilon=0.02, num_draws=2000, num_burn_in=200,
        has_aux=True,
    )  # fmt: skip
    variance = 1 / (25 * (1 - 0.02 * 25 / 4))
    away = np.asarray(x.mean() - x)
    expected = variance * np.outer(away, away) + variance**2 / 2
    np.testing.assert_allclose(influence.bayesian_influence(found), -expected, atol=0.05 * expected.max())
    weights = jnp.array([[1.0, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    shift = -(expected.mean(0) @ (np.asarray(weights).T - 1 / 3))
    np.testing.assert_allclose(influence.susceptibility(found, weights), shift, atol=2e-5)
    with pytest.raises(ValueError, match="per_example=True"):
        influence.bayesian_influence(found._replace(aux=None))
