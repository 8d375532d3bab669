"""What is said of γ and of estimates: known answers, plateaus at every nβ, ratios to a quadratic's value."""

import numpy as np
import pytest

from experiments.bayes import estimating, known_answers, llc_localisation, over_gamma
from experiments.frame.measured import Measured
from grokjax.curves.statistics import Interval

GAMMAS = (1, 10, 100, 1000, 10000)


def test_quadrature_gives_what_is_known():
    quadratic, square = known_answers.CASES[0], known_answers.CASES[1]
    h = np.array([0.3, 0.05]) * known_answers.NBETA
    found = known_answers.by_quadrature(quadratic.loss, nbeta=known_answers.NBETA, gamma=10.0)
    assert found == pytest.approx((h / (h + 10)).sum() / 2, rel=1e-4)
    found = known_answers.by_quadrature(square.loss, nbeta=known_answers.NBETA, gamma=100.0)
    assert found == pytest.approx(0.028, abs=5e-4)


def test_an_estimate_is_right_within_three_small_errors():
    found = known_answers.Found("some", 1.0, 1.02, 0.01, 1.0)
    assert found.right and not found._replace(mean=1.04).right and not found._replace(error=0.06).right
    rows = known_answers.rows([found])
    assert rows["chains_0"] == Measured("some: by chains", 1.02, 1.0, 1.04, "", 64, "chains")


def along(medians, gammas=GAMMAS):
    """20 runs whose order is the same at every γ."""
    spread = np.linspace(0.9, 1.1, 20)[:, None]
    values = (spread * np.array(medians, float))[None]
    found = {"mean": values, "standard_error": 0.001 * values, "r_hat": np.ones_like(values)}
    return over_gamma.along_gamma(found, gammas)


def test_gamma_must_stand_on_a_plateau_at_every_nbeta():
    flat, falling = along([12, 10, 10, 10, 3]), along([100, 60, 30, 4, 1])
    assert over_gamma.stands(GAMMAS, flat) and not over_gamma.stands(GAMMAS, falling)
    near, away = (along(x, (10, 100, 1000)) for x in ([10, 10, 10], [10, 5, 1]))
    verdict = llc_localisation.gamma_verdict
    assert verdict(GAMMAS, flat, [near, near], 10.2) == "confirmed"
    assert verdict(GAMMAS, flat, [near, away], 10.2) == "refuted"
    assert verdict(GAMMAS, falling, [near, near], 30.0) == "refuted"
    assert verdict(GAMMAS, flat, [near, near], 8.0) == "refuted"


@pytest.mark.parametrize(
    ("right", "ratio", "begins"),
    [
        (True, (1.0, 0.9, 1.1), "confirmed"),
        (True, (3.0, 2.0, 4.0), "mixed: confirmed of losses with known answers; refuted of trained runs"),
        (False, (3.0, 2.0, 4.0), "refuted"),
        (True, (1.2, 1.0, 1.4), "open: the interval"),
        (True, (1.2, None, None), "open: too few"),
    ],
)
def test_the_verdict_on_estimates_follows_its_rule(right, ratio, begins):
    assert llc_localisation.estimation_verdict(right, Interval(*ratio)).startswith(begins)


def test_steps_are_shorter_where_it_is_colder():
    assert estimating.epsilon(1000.0) == pytest.approx(1e-4) and estimating.epsilon(1e4) == pytest.approx(
        1e-5
    )
    assert estimating.epsilon(10.0, 10.0) == pytest.approx(1e-5)
    assert estimating.epsilon(10.0, 0.1) == pytest.approx(1e-3)


def test_mixing_counts_what_is_trusted():
    found = {"masked": np.array([0, 0, 0.25]), "r_hat": np.array([1.0, 1.3, 1.05])}
    rows = estimating.mixing(found)
    assert (rows["trusted"].count, rows["trusted"].n) == (1, 3) and rows["r_hat"].value == 1.05


def test_runs_of_one_seed_do_not_make_a_median_surer():
    random = np.random.default_rng(0)
    own = random.normal(size=12)
    values, seeds = np.tile(own, 5) + 1e-3 * random.normal(size=60), np.tile(np.arange(12), 5)
    apart, together = over_gamma.median("x", values), over_gamma.median("x", values, seeds=seeds)
    once = over_gamma.median("x", own)
    assert apart.value == together.value and together.n == 60
    width = lambda row: row.high - row.low
    assert width(together) > 1.5 * width(apart) and width(together) > 0.5 * width(once)
