"""Additive logits: the proposition, its limits, and every number of the notes about them."""

import numpy as np
import pytest
from scipy.special import log_softmax

from grokjax.theory import certificates, counts, experts


def law(x, y, outcome, num_outcomes):
    """P(x, y, z) for independent tokens and outcome(x, y) -> {z: chance}."""
    joint = np.zeros((len(x), len(y), num_outcomes))
    for i, j in np.ndindex(len(x), len(y)):
        for z, chance in outcome(i, j).items():
            joint[i, j, z] += x[i] * y[j] * chance
    return joint


def flat(size):
    return np.full(size, 1 / size)


CARRY = law(flat(10), flat(10), lambda x, y: {int(x + y >= 10): 1.0}, 2)
UNEVEN = law([0.5, 0.3, 0.2], [0.5, 0.3, 0.2], lambda x, y: {(x + y) % 3: 1.0}, 3)


@pytest.mark.parametrize("noise", [0, 0.3, 0.45, 0.9])
@pytest.mark.parametrize("base", [2, 3, 10])
def test_additive_logits_know_nothing_of_a_sum_however_noisy(base, noise):
    joint = law(
        flat(base), flat(base), lambda x, y: {(x + y) % base: 1 - noise, (x + y + 1) % base: noise}, base
    )
    bound = experts.additive(joint)
    assert bound.loss == pytest.approx(np.log(base), abs=1e-13) and abs(bound.gap) < 1e-13
    assert bound.law == pytest.approx(1 / base, abs=1e-12)


def test_a_token_that_is_blind_alone_adds_nothing_to_an_independent_one():
    """x uniform, y not: Z is uniform given y but not given x, and P(z | x) keeps both margins, so it is the
    optimum.
    """
    joint = law(
        flat(4),
        [0.6, 0.2, 0.15, 0.05],
        lambda x, y: {(x + y) % 4: 0.7, (x + y + 1) % 4: 0.2, (x + y + 3) % 4: 0.1},
        4,
    )
    of_x, of_y = experts.single(joint)
    assert experts.additive(joint).loss == pytest.approx(of_x, abs=1e-13) and of_x < of_y == pytest.approx(
        np.log(4)
    )


def test_dependent_tokens_and_more_than_two_of_them():
    """The units digit, the operands' digits and a copy of one of them: three tokens, dependent, each of them
    blind alone.
    """
    joint = np.zeros((3, 3, 3, 3))
    for x, y in np.ndindex(3, 3):
        joint[x, y, x, (x + y) % 3] += 1 / 9
    bound = experts.additive(joint)
    assert bound.loss == pytest.approx(np.log(3), abs=1e-13) and abs(bound.gap) < 1e-13


def test_uneven_inputs_beat_both_singles():
    bound = experts.additive(UNEVEN)
    assert round(bound.loss, 6) == 0.960743 and abs(bound.gap) < 1e-13
    assert round(min(experts.single(UNEVEN)), 6) == 1.029653


def test_log_odds_of_the_right_answer_differ_when_inputs_are_uneven():
    """The third step of seed note 004 needs symmetry: with flat inputs they are equal in every cell, with
    uneven ones they are not.
    """
    right = lambda bound: np.array([bound.law[x, y, (x + y) % 3] for x, y in np.ndindex(3, 3)])
    even = law(flat(3), flat(3), lambda x, y: {(x + y) % 3: 1.0}, 3)
    assert np.ptp(right(experts.additive(even))) < 1e-12
    assert np.ptp(right(experts.additive(UNEVEN))) > 0.1


def test_the_product_of_single_odds_is_not_the_best():
    bound = experts.additive(CARRY)
    assert round(experts.product(CARRY), 6) == 0.229586
    assert bound.loss == bound.dual == 0 and round(experts.single(CARRY)[0], 6) == 0.491187


def test_powers_of_single_odds_lie_between_the_product_and_the_optimum():
    """On the plain carry the pairs that sum to 10 keep odds of 1 whatever the power: .09 ln 2 remains."""
    assert experts.additive(UNEVEN).loss < experts.powers(UNEVEN).loss < experts.product(UNEVEN) + 1e-12
    assert experts.powers(CARRY).loss == pytest.approx(0.09 * np.log(2), abs=1e-3)
    assert experts.powers(law(flat(5), flat(5), lambda x, y: {(x + y) % 5: 1.0}, 5)).loss == pytest.approx(
        np.log(5), abs=1e-12
    )


def test_optimum_at_infinity_in_some_cells_only():
    """A carry that comes in on 9s: logits shut off the wrong answer elsewhere and leave .1·h(.45), the exact
    level of one lower pair.
    """
    joint = law(
        flat(10), flat(10), lambda x, y: {0: 0.55, 1: 0.45} if x + y == 9 else {int(x + y >= 10): 1.0}, 2
    )
    bound = experts.additive(joint)
    assert round(bound.loss, 4) == 0.0688 and abs(bound.gap) < 1e-13


def test_beyond_the_programme_the_gap_tells_the_error(monkeypatch):
    monkeypatch.setattr(experts, "MOST_CELLS", 0)
    bound = experts.additive(CARRY, iterations=200)
    assert 0 < bound.loss < 0.05 and bound.dual == 0 and bound.iterations == 200


@pytest.mark.parametrize("seed", range(6))
def test_any_joint_is_certified_and_no_additive_logits_do_better(seed):
    rng = np.random.default_rng(seed)
    joint = rng.random((4, 3, 2, 5)) * (rng.random((4, 3, 2, 5)) < (0.4, 1)[seed % 2])
    joint /= joint.sum()
    bound = experts.additive(joint)
    assert abs(bound.gap) < 1e-12
    features = certificates.one_hot((4, 3, 2))
    assert experts.linear(features, joint.reshape(24, 5)).loss == pytest.approx(bound.loss, abs=1e-12)
    for scale in (0.1, 1, 10):
        logits = (features @ rng.normal(size=(9, 5), scale=scale)).reshape(joint.shape)
        assert -(joint * log_softmax(logits, axis=-1)).sum() >= bound.dual - 1e-12
    pair = joint.sum((1, 2))
    assert (np.einsum("xyw,xywz->xz", joint.sum(-1), bound.law)) == pytest.approx(pair, abs=1e-12)


@pytest.mark.parametrize(
    ("digit", "visible", "least"),
    [
        (0, (), np.log(3)),
        (1, (), np.log(3)),
        (2, (), 0),  # single mode
        (1, (0,), np.log(3)),
        (2, (0, 1), 0),  # least significant first
        (1, (2,), 0),
        (0, (2, 1), 0),
    ],
)  # most significant first
def test_where_the_bound_bites_in_addition(digit, visible, least):
    """Two digits in base 3, a token per operand digit and per visible answer digit."""
    joint = np.zeros((3,) * (4 + len(visible) + 1))
    for x1, x0, y1, y0 in np.ndindex(3, 3, 3, 3):
        answer = [(3 * (x1 + y1) + x0 + y0) // 3**k % 3 for k in range(3)]
        joint[(x1, x0, y1, y0, *(answer[k] for k in visible), answer[digit])] = 3.0**-4
    bound = experts.additive(joint)
    assert bound.loss == pytest.approx(least, abs=1e-13) and abs(bound.gap) < 1e-13


def test_a_poor_guess_gives_a_true_lower_bound():
    """Far from the optimum the certificate falls back to H(Z | tokens), which no predictor beats."""
    joint = UNEVEN.reshape(9, 3)
    assert 0 <= certificates.dual(certificates.one_hot((3, 3)), joint, np.full((9, 3), 1 / 3)) <= 0.960743


def test_logits_additive_in_the_counts():
    """Uniform frozen attention on the leading digit; it knows less than the sum at n = 2, though the sum is a
    function of the counts.
    """
    bound = counts.leading_digit(10, 5)
    assert round(bound.loss, 6) == 0.604428 and abs(bound.gap) < 1e-12
    assert counts.leading_digit(10, 2).loss > 0.434602
    with pytest.raises(ValueError, match="num_digits=20"):
        counts.leading_digit(10, 20)


@pytest.mark.parametrize(
    "joint", [np.full((2, 2, 2), 1.0), np.full(4, 0.25), np.array([[1.5, -0.5]]), np.array([[np.nan, 1.0]])]
)
def test_what_is_no_law_is_refused(joint):
    with pytest.raises(ValueError, match=r"joint of shape \("):
        experts.additive(joint)


def test_equal_odds_are_best_in_the_two_by_two_case():
    """s + 1/s is least at s = 1, and the one free parameter t is 1: XOR keeps its cross-ratio, which flat
    odds have.
    """
    t, s = 3.0, np.linspace(0.2, 5, 97)
    shunted = np.log(t / s + 1) + np.log(t * s + 1)
    assert s[shunted.argmin()] == pytest.approx(1, abs=0.03)
    xor = law(flat(2), flat(2), lambda x, y: {x ^ y: 1.0}, 2)
    odds = lambda chances: chances[..., 1] / chances[..., 0]
    optimum = odds(experts.additive(xor).law)
    assert optimum[0, 0] * optimum[1, 1] / (optimum[0, 1] * optimum[1, 0]) == pytest.approx(1, abs=1e-12)
