import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp.addition import carry_free, carry_odds, evaluation_sets, loss_decomposition, predictions
from grokjax.theory import sums
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


def four(found):
    return np.array([found.leak, found.miscalibration, found.spread, -found.gain])


def by_definition(log_probs, problems, digit):
    """The parts in float64, written out as defined: every problem is paired with the carry of every other."""
    base, log_probs = log_probs.shape[-1], np.asarray(log_probs, np.float64)
    weights = np.asarray(problems.weights, np.float64) / np.sum(problems.weights, dtype=np.float64)
    below, rows = (problems.a + problems.b)[:, :digit] @ base ** np.arange(digit), np.arange(len(log_probs))
    carry, own = below >= base**digit, problems.a[:, digit] + problems.b[:, digit]
    probs = np.exp([log_probs[rows, own % base], log_probs[rows, (own + 1) % base]])
    mass, share = probs.sum(0), weights @ carry
    of_mean = np.array([1 - share, share]) @ -np.log(probs / mass @ weights)
    level = np.array([1 - share, share]) @ -np.log([1 - share, share])
    losses = -np.log(probs / mass)  # [carry, B]
    shuffled = np.einsum("b,o,bo->", weights, weights, losses[carry.astype(int)[None], rows[:, None]])
    true = weights @ losses[carry.astype(int), rows]
    return [weights @ -np.log(mass), of_mean - level, shuffled - of_mean, true - shuffled]


@pytest.mark.parametrize("base, num_digits, digit", [(3, 2, 1), (4, 2, 2), (10, 2, 1), (5, 3, 3)])
def test_the_parts_add_up_to_the_excess_and_the_level_is_exact(base, num_digits, digit):
    found = evaluation_sets.every(single(base, num_digits, digit))
    log_probs = jax.nn.log_softmax(2 * random.normal(random.key(base), (len(found.a), base)))
    parts = loss_decomposition.split(log_probs, found, digit)
    share = float(carry_probability(base, digit))
    level = -share * np.log(share) - (1 - share) * np.log(1 - share)
    np.testing.assert_allclose(parts.level, level, rtol=2e-6)
    np.testing.assert_allclose(four(parts).sum(), parts.loss - level, atol=1e-6)
    np.testing.assert_allclose(parts.excess, parts.loss - level, atol=1e-6)
    assert min(four(parts)[:3]) > 0
    truth = (found.a + found.b) @ base ** np.arange(num_digits) // base**digit % base
    np.testing.assert_allclose(
        parts.loss, -np.asarray(log_probs)[np.arange(len(truth)), truth].mean(), rtol=2e-6
    )


def test_the_parts_of_a_tiny_model_are_those_of_the_definition_however_problems_are_weighted():
    task = single(10, 2, 1)
    config, recipe, hyper = gj.presets.nanda_addition(task, d_model=8, num_heads=2)
    run = gj.Run.init(task, config, recipe, hyper)
    uniform = evaluation_sets.drawn(task, 500)
    heavier = uniform._replace(weights=np.linspace(1, 3, 500, dtype=np.float32))
    for problems in (uniform, evaluation_sets.strata(task, 1, 200), heavier):
        log_probs = predictions.log_probabilities(run, problems.tokens, 1)
        parts = loss_decomposition.split(log_probs, problems, 1)
        np.testing.assert_allclose(four(parts), by_definition(log_probs, problems, 1), atol=2e-6)
        np.testing.assert_allclose(four(parts).sum(), parts.excess, atol=1e-6)


def test_the_parts_are_those_that_the_published_excess_of_the_tens_was_split_into():
    """The golden values are from the split that `tens_excess` was published with."""
    found = evaluation_sets.every(single(10, 2, 1))
    a, b, value = found.a[:, 1:], found.b[:, 1:], np.arange(10)
    off = value - a - b
    logits = 2 * np.cos(0.7 * off) - np.sin((found.a + found.b)[:, :1] / 9 + 1.3 * off)
    parts = loss_decomposition.split(jax.nn.log_softmax(jnp.asarray(logits, jnp.float32)), found, 1)
    golden = [1.3082693, 0.0007264, 0.0340061, -0.1967898, 1.8343506, 1.1462119]
    np.testing.assert_allclose([*four(parts), parts.loss, parts.excess], golden, atol=2e-6)


def test_each_planted_cause_is_its_own_part_alone():
    found = evaluation_sets.every(single(10, 2, 1))
    exact, noise = np.log(0.45 / 0.55), np.where(np.arange(len(found.a)) % 3, 0.5, -1.0)
    parts = lambda leak, odds: loss_decomposition.split(planted(found, 10, 1, leak, odds), found, 1)
    calibrated = parts(1e-9, exact)
    np.testing.assert_allclose([calibrated.excess, *four(calibrated)], 0, atol=2e-6)
    leaking = parts(0.2, exact)
    np.testing.assert_allclose([leaking.excess, *four(leaking)], [*[-np.log(0.8)] * 2, 0, 0, 0], atol=3e-6)
    even = parts(1e-9, 0.0)
    np.testing.assert_allclose(four(even), [0, np.log(2) - even.level, 0, 0], atol=2e-6)
    wavering = parts(1e-9, exact + random.permutation(random.key(1), noise))
    assert wavering.leak < 2e-6 and abs(wavering.gain) < 0.02 and wavering.miscalibration < 0.005
    assert wavering.spread > 0.05
    note = planted(found, 10, 1, 1 - 0.943, np.log(0.4107 / 0.5326))  # the odds of the notes: .630 and .890
    without, with_carry = loss_decomposition.candidates(note, found, 1)
    np.testing.assert_allclose(-without, 0.630, atol=1e-3)
    np.testing.assert_allclose(-with_carry, 0.890, atol=1e-3)


def test_what_goes_with_the_carry_gains_and_what_goes_against_it_loses():
    found = evaluation_sets.every(single(10, 2, 1))
    carry = carry_free.carries(found, 10, 1)[:, 1]
    knows = loss_decomposition.split(planted(found, 10, 1, 1e-9, 12.0 * carry - 6), found, 1)
    np.testing.assert_allclose(knows.gain, 0.45 * 0.55 * 12, rtol=1e-4)
    np.testing.assert_allclose(four(knows).sum(), knows.excess, atol=2e-6)
    assert knows.excess < -0.68
    against = loss_decomposition.split(planted(found, 10, 1, 1e-9, 6 - 12.0 * carry), found, 1)
    np.testing.assert_allclose(against.gain, -knows.gain, rtol=1e-4)


def test_one_who_knows_a_digit_below_gains_its_information_on_the_carry_and_the_spread():
    found = evaluation_sets.every(single(10, 2, 1))
    chance = np.clip(found.a[:, 0] / 10, 1e-6, None)
    parts = loss_decomposition.split(planted(found, 10, 1, 1e-9, np.log(chance / (1 - chance))), found, 1)
    left = sums.carry_entropy(10, carry_probability(10, 0)).nats
    np.testing.assert_allclose(parts.gain - parts.spread, parts.level - left, atol=1e-5)
    np.testing.assert_allclose([parts.leak, parts.miscalibration], 0, atol=3e-6)


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
    with pytest.raises(ValueError, match="digit=2 must be from 1 to 1"):
        loss_decomposition.split(jnp.zeros((9, 3)), found, 2)
    with pytest.raises(ValueError, match="no carry goes into the units"):
        evaluation_sets.strata(single(3, 1, 0), 0, 4)
    with pytest.raises(ValueError, match="draw `strata`"):
        evaluation_sets.every(gj.Addition(num_digits=5))
    with pytest.raises(ValueError, match="carry=False"):
        evaluation_sets.every(gj.DigitwiseAddition(num_digits=1))
