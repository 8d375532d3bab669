"""The rules of the experiments on orders, positions and formats come out either way, on planted runs."""

import types

import numpy as np
import pytest

from experiments.formats import answer_order, decoding_answers, digitwise, position_answers
from experiments.formats import induction_and_skip_trigram as induction
from experiments.frame import measured, result
from grokjax.curves.statistics import Times

RANDOM = np.random.default_rng(0)
NEVER, SOON, LATE = (None, 300.0, 1500.0)


def times(at, runs=16, last=2500.0):
    """Times of runs about a step; None: they never get there."""
    steps = np.full(runs, last) if at is None else at + np.arange(runs)
    return Times(steps, np.full(runs, at is not None))


def verdict(found):
    return result.check(found).verdict


def arms(lsb, msb, lengths=(2, 5)):
    sweep = types.SimpleNamespace(metrics={"test_step": np.array([50, 2500])})
    return {
        (n, order): answer_order.Arm(sweep, RANDOM.random((16, 2)), times(at), 0)
        for n in lengths
        for order, at in (("lsb", lsb), ("msb", msb))
    }


def test_orders_differ_where_times_do_and_are_alike_within_the_margin():
    of = lambda lsb, msb: verdict(answer_order.answer(arms(lsb, msb), [2, 5]))
    assert of(SOON, NEVER) == of(SOON, LATE) == "confirmed" and of(SOON, SOON) == "refuted"
    assert of(NEVER, NEVER).startswith("open:")
    one = arms(SOON, LATE, (2,)) | arms(SOON, SOON, (5,))
    assert verdict(answer_order.answer(one, [2, 5])).startswith("mixed: confirmed at 2 digits")


def test_digits_fall_to_zero_without_a_stop_or_not():
    of = lambda at, stops: verdict(digitwise.falls([times(at), times(at)], [stops] * 16, 2500))
    assert of(SOON, False) == "confirmed" and of(NEVER, True) == "refuted"
    assert of(SOON, True) == "mixed: confirmed that it falls to 0, not that it does not stop on the way"


def heads(one, two):
    scores = {induction.ONE: one, induction.TWO: two}
    noise = lambda at: at + RANDOM.normal(size=16) * 0.01
    return {name: (np.stack([noise(0.06), noise(at)]), np.zeros((2, 16))) for name, at in scores.items()}


@pytest.mark.parametrize(
    ("one", "two", "learned", "expected"),
    [
        (0.06, 0.8, SOON, "confirmed"),
        (0.06, 0.06, SOON, "refuted"),
        (0.06, 0.22, SOON, "mixed"),
        (0.06, 0.06, NEVER, "open"),
    ],
)
def test_induction_heads_need_a_score_and_a_learned_task(one, two, learned, expected):
    changes = {name: {"test_loss": times(learned)} for name in (induction.ONE, induction.TWO)}
    assert verdict(induction.formed(changes, heads(one, two))).partition(":")[0].startswith(expected)


def test_the_published_loss_is_the_mean_of_six_tokens_and_sum_and_mean_are_told_apart():
    curve = 2 + RANDOM.normal(size=(8, 200)) * 0.01
    alike, other = curve + RANDOM.normal(size=(8, 1)) * 1e-4, curve + 0.1
    how, same = decoding_answers.scoring(curve, alike, np.zeros(8))
    assert how.rows["six"].value < 1e-6 < 1e-3 < how.rows["five"].value
    assert (
        verdict(same)
        == "mixed: refuted that they are five, confirmed that sum and mean train alike under Adam"
    )
    assert verdict(decoding_answers.scoring(curve, other, np.zeros(8))[1]) == "refuted"


def right(*shares):
    """Whether answers are right after right and own prefixes, always, and after random ones, by digit."""
    always = np.ones((8, 400, len(shares)), bool)
    return np.stack([always, always, RANDOM.random((8, 400, len(shares))) < shares], 1)


def test_digits_depend_on_those_before_them_or_not():
    of = lambda *shares: verdict(decoding_answers.sequentially(right(1.0, *shares), np.zeros(8)))
    assert of(0.5, 0.5) == "confirmed" and of(1.0, 1.0) == "refuted"
    assert of(0.5, 1.0) == "mixed: confirmed of digit 1, refuted of digit 0"


def descent(falls, learned, first):
    steps = np.arange(31) * 10
    mass = np.outer(0.2 * np.exp(-steps / falls), np.ones(8))
    among = np.outer(np.where(steps < learned, 2.5, 1.0), np.ones(8))
    loss = first + RANDOM.normal(size=(8, 300)) * 0.01
    return verdict(decoding_answers.zeroth(decoding_answers.Zeroth(mass, among, loss, steps)))


def test_the_zeroth_descent_comes_before_the_digits_and_begins_at_ln_12_or_not():
    assert descent(10, 1000, np.log(12)) == "confirmed" and descent(1e9, 1000, 2.8) == "refuted"
    assert descent(10, 10, 2.8) == "refuted"
    assert descent(10, 1000, 2.8) == "mixed: confirmed that + and = go first, refuted that it begins at ln 12"


def grids(**beyond):
    """Exact match of 8 runs by lengths, 1 up to 5 digits; beyond, of each cell by its rows' name, else 0."""
    labels = ("lsb, learned", "lsb, none", "lsb, abacus", "msb, learned", "lsb with hints, none")
    found = {}
    for label in labels:
        grid = np.ones((8, 8, 8)) * beyond.get(position_answers.key(label), 0.0)
        grid[:, :5, :5] = 1
        found[label] = grid
    return found


def test_length_generalisation_is_open_where_no_encoding_shows_it():
    of = lambda **beyond: [
        verdict(one).partition(":")[0]
        for one in position_answers.answers(
            grids(**beyond), {label: times(SOON, 8) for label in grids()}, 5, 2500
        )
    ]
    assert of() == ["built", "open", "open", "open"]
    assert of(lsb_abacus=1.0, lsb_with_hints_none=1.0) == ["built", "confirmed", "refuted", "confirmed"]
    assert of(msb_learned=1.0, lsb_none=1.0) == ["built", "refuted", "confirmed", "mixed"]


def test_what_is_not_learned_at_the_trained_length_is_not_refuted_beyond_it():
    found = grids(lsb_abacus=1.0)
    found["lsb, none"][0, :5, :5] = 0.1
    beyond = position_answers.Beyond(found, 5)
    assert beyond.rows["lsb_none_learned"].count == 7 and not beyond.does_not["lsb, none"]
    assert verdict(position_answers.without(beyond, 2000)).startswith("open: the trained length is not")


def test_abacus_is_told_from_learned_positions_by_their_counts():
    of = lambda runs: position_answers.abacus(
        position_answers.Beyond({label: grid[:runs] for label, grid in grids(lsb_abacus=1.0).items()}, 5)
    )
    assert verdict(of(4)) == "confirmed" and of(4).rows["p"].value == pytest.approx(2 / 70)
    assert verdict(of(3)).startswith("open") and "from 0.40 up" in of(4).caveats[1]


def test_fewer_than_eight_runs_have_their_ends_and_no_interval():
    row = measured.mean_share("x", np.array([0.1, 0.9, 1.0, 1.0]))
    assert (row.low, row.high, row.of) == (0.1, 1.0, "runs, lowest to highest")
    assert measured.mean_share("x", np.full(8, 0.5)).of == "runs"
