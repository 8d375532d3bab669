import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp.addition import carry_free, carry_odds, evaluation_sets, loss_decomposition
from grokjax.theory.columns import carry_probability


def single(base, num_digits, digit):
    return gj.Addition(num_digits=num_digits, base=base, mode="single", digit=digit)


def planted(found, base, digit, leak, odds):
    """ln P with mass 1 − leak on the two candidates and log-odds `odds` of naive + 1 against naive; the leak
    is spread over the rest.
    """
    own = carry_free.digits(found, base, 0)[:, digit]
    column = (jnp.arange(base) - own[:, None]) % base
    with_carry = jax.nn.sigmoid(jnp.broadcast_to(odds, own.shape))[:, None]
    mass = 1 - leak
    return jnp.log(
        jnp.where(
            column == 0, mass * (1 - with_carry), jnp.where(column == 1, mass * with_carry, leak / (base - 2))
        )
    )


@pytest.mark.parametrize("base, num_digits, digit", [(3, 2, 1), (4, 2, 2), (10, 2, 1), (5, 3, 3)])
def test_the_parts_add_up_to_the_excess_and_the_level_is_exact(base, num_digits, digit):
    found = evaluation_sets.every(single(base, num_digits, digit))
    log_probs = jax.nn.log_softmax(2 * random.normal(random.key(base), (len(found.a), base)))
    parts = loss_decomposition.split(log_probs, found, digit)
    share = float(carry_probability(base, digit))
    level = -share * np.log(share) - (1 - share) * np.log(1 - share)
    np.testing.assert_allclose(parts.level, level, rtol=2e-6)
    np.testing.assert_allclose(parts.leak + parts.miscalibration + parts.jensen_gap, parts.excess, rtol=3e-6)
    assert min(parts.leak, parts.miscalibration, parts.jensen_gap) > 0
    truth = (found.a + found.b) @ base ** np.arange(num_digits) // base**digit % base
    np.testing.assert_allclose(
        parts.loss, -np.asarray(log_probs)[np.arange(len(truth)), truth].mean(), rtol=2e-6
    )
    np.testing.assert_allclose(
        (1 - share) * parts.loss_without_carry + share * parts.loss_with_carry, parts.loss, rtol=2e-6
    )


def test_each_planted_cause_is_named():
    found = evaluation_sets.every(single(10, 2, 1))
    exact = np.log(0.45 / 0.55)
    leaking = loss_decomposition.split(planted(found, 10, 1, 0.2, exact), found, 1)
    np.testing.assert_allclose(leaking[2:5], [-np.log(0.8), 0, 0], atol=2e-6)
    biased = loss_decomposition.split(planted(found, 10, 1, 1e-9, exact + 1), found, 1)
    np.testing.assert_allclose([biased.leak, biased.jensen_gap], 0, atol=2e-6)
    assert biased.miscalibration > 0.1
    wavering = loss_decomposition.split(
        planted(found, 10, 1, 1e-9, exact + jnp.where(jnp.arange(len(found.a)) % 2, 1.5, -1.5)), found, 1
    )
    assert abs(wavering.miscalibration) < 0.01 < 0.15 < wavering.jensen_gap and wavering.leak < 1e-5
    note = loss_decomposition.split(
        planted(found, 10, 1, 1 - 0.943, np.log(0.4107 / 0.5326)), found, 1
    )  # the odds of the notes: .630 and .890
    np.testing.assert_allclose([note.loss_without_carry, note.loss_with_carry], [0.630, 0.890], atol=1e-3)


def test_a_run_that_knows_the_carry_is_below_the_level_by_its_jensen_gap():
    found = evaluation_sets.every(single(4, 2, 1))
    carry = carry_free.carries(found, 4, 1)[:, 1]
    parts = loss_decomposition.split(planted(found, 4, 1, 1e-9, jnp.where(carry == 1, 9.0, -9.0)), found, 1)
    assert parts.loss < 1e-3 and parts.jensen_gap < -0.5
    np.testing.assert_allclose(parts.leak + parts.miscalibration + parts.jensen_gap, parts.excess, atol=2e-6)


def test_strata_agree_with_the_enumeration_and_have_exact_shares():
    task = single(4, 2, 2)
    everything, sample = evaluation_sets.every(task), evaluation_sets.strata(task, 2, 3000, seed=3)
    assert (
        sample.weights.sum() == pytest.approx(1, abs=1e-5) and len(np.unique(sample.tokens, axis=0)) <= 4**4
    )
    carry = np.asarray(carry_free.carries(sample, 4, 2)[:, 2])
    np.testing.assert_array_equal(carry, np.repeat([0, 1], 3000))
    model = lambda found: planted(found, 4, 2, 0.1, 0.3 * (found.a[:, 1] - found.b[:, 0]))
    for one, other in zip(
        loss_decomposition.split(model(sample), sample, 2),
        loss_decomposition.split(model(everything), everything, 2),
        strict=True,
    ):
        assert one == pytest.approx(float(other), abs=0.02)


def test_the_odds_after_one_digit_are_exact_for_one_who_knows_it():
    for base, digit in ((10, 1), (4, 2)):
        found = evaluation_sets.every(single(base, 2, digit))
        c = float(carry_probability(base, digit - 1))
        odds = np.log((found.b[:, digit - 1] + c) / (base - found.b[:, digit - 1] - c) + 1e-30)
        seen = carry_odds.given_digit(planted(found, base, digit, 0.05, odds), found, digit, operand=1)
        np.testing.assert_allclose(seen.of_means[1:], seen.exact[1:], atol=1e-4)
        np.testing.assert_allclose(seen.mean[1:], seen.exact[1:], atol=1e-4)
        np.testing.assert_allclose(seen.deviation, 0, atol=1e-3)
        carry = carry_free.carries(found, base, digit)[:, digit]
        sure = carry_odds.given_digit(
            planted(found, base, digit, 0.05, 18.0 * carry - 9), found, digit, operand=1
        )
        np.testing.assert_allclose(sure.of_means[1:], seen.exact[1:], atol=0.01)
        assert np.abs(sure.mean - seen.exact)[1:].max() > 1 and sure.deviation[1:].min() > 1


def test_digits_without_a_carry_are_refused():
    found = evaluation_sets.every(single(3, 1, 0))
    with pytest.raises(ValueError, match="no carry goes into the units"):
        loss_decomposition.split(jnp.zeros((9, 3)), found, 0)
    with pytest.raises(ValueError, match="no carry goes into the units"):
        evaluation_sets.strata(single(3, 1, 0), 0, 4)
    with pytest.raises(ValueError, match="draw `strata`"):
        evaluation_sets.every(gj.Addition(num_digits=5))
    with pytest.raises(ValueError, match="carry=False"):
        evaluation_sets.every(gj.DigitwiseAddition(num_digits=1))
