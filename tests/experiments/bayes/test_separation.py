"""How far two kinds of runs are apart: the area under the ROC curve, and with what differs held equal."""

import numpy as np
import pytest

from experiments.bayes import curve, llc_clock_pizza, llc_grokking, llc_shelves, separation
from grokjax.curves.statistics import Interval


def test_the_area_counts_pairs_and_its_interval_does_not_collapse():
    found = separation.auc(np.array([3.0, 2.0, np.nan]), np.array([1.0, 2.0, 2.5]))
    assert found.value == pytest.approx((1 + 1 + 1 + 1 + 0.5 + 0) / 6)
    assert found.low < found.value < found.high
    apart = separation.auc(np.arange(10) + 10.0, np.arange(10.0))
    assert apart.value == apart.high == 1 and 0.7 < apart.low < 1
    turned = separation.auc(np.arange(10.0), np.arange(10) + 10.0)
    assert turned.value == turned.low == 0 and turned.high == pytest.approx(1 - apart.low)
    assert separation.auc(np.array([]), np.ones(3)) == (None, None, None)


def test_the_interval_holds_the_true_area_as_often_as_it_says():
    """Normal values one standard deviation apart have the area Φ(1/√2) = .760."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        low, high = separation.auc(rng.normal(1, 1, 15), rng.normal(0, 1, 15))[1:]
        held += low <= 0.7602 <= high
    assert 0.9 <= held / 200 <= 0.995


def test_what_the_others_explain_is_taken_away():
    """Values made of loss and norm alone separate kinds that differ in them, and no longer when adjusted."""
    rng = np.random.default_rng(1)
    kind = np.repeat([0, 1], 20)
    others = rng.normal(size=(2, 40)) + 2 * kind
    values = 3 * others[0] - others[1] + 0.1 * rng.normal(size=40)
    rest, difference = separation.adjusted(values, kind, others)
    assert separation.auc(values[kind == 1], values[kind == 0]).low > 0.5
    area = separation.auc(rest[kind == 1], rest[kind == 0])
    assert area.low < 0.5 < area.high and difference.low < 0 < difference.high
    _, planted = separation.adjusted(values + 0.5 * kind, kind, others)
    assert planted.value - difference.value == pytest.approx(0.5) and planted.low > 0
    assert separation.adjusted(values[:4], np.array([0, 1, 0, 1]), others[:, :4])[1].low is None


def test_half_way_is_interpolated_and_its_word_follows_the_rule():
    steps = np.array([0.0, 100, 200, 300])
    assert curve.half_way(steps, np.array([10.0, 10, 2, 0])) == pytest.approx(162.5)
    assert np.isnan(curve.half_way(steps, np.array([1.0, 2, 3, 1])))
    said = lambda *ends: llc_grokking.word(llc_grokking.statistics.Interval(0.0, *ends))
    assert said(-300, -60) == "before grokking" and said(60, 90) == "after grokking"
    assert said(-40, 30) == "at grokking" and said(-60, 30) == said(None, None) == "undetermined"


def test_the_part_whose_jump_is_half_through_first_is_the_first():
    quick, slow, none = (llc_shelves.Jump(3.0, 0.1, 0.5, half) for half in (10.0, 60.0, np.nan))
    jumps = {"W_E": [slow, none], "mlp": [quick, none], "whole model": [quick, quick]}
    assert llc_shelves.firsts(jumps) == {"mlp": 1}
    ends = [llc_shelves.Exit(0, 100, (0, 1, 2)), llc_shelves.Exit(0, 300, (1, 2, 3))]
    assert llc_shelves.by_run(ends, [quick, slow]) == pytest.approx([2.9])
    assert llc_shelves.from_the_start(ends)[0].startswith("At 1 of 2 exits")
    assert llc_shelves.from_the_start(ends[1:]) == []


@pytest.mark.parametrize(
    ("raw", "adjusted", "verdict"),
    [
        ((0.1, 0.05, 0.3), (0.1, 0.05, 0.3), "confirmed"),
        ((0.4, 0.3, 0.6), (0.1, 0.05, 0.3), "mixed: confirmed with loss and norm held equal, not of the"),
        ((0.1, 0.05, 0.3), (0.4, 0.3, 0.6), "mixed: confirmed of the coefficient as it is, not with"),
        ((0.9, 0.7, 0.95), (0.1, 0.05, 0.3), "mixed: confirmed of both, but"),
        ((0.4, 0.3, 0.6), (0.6, 0.4, 0.7), "refuted"),
        ((0.4, 0.3, 0.6), (0.3, 0.2, 0.4), "open: apart"),
    ],
)
def test_kinds_are_told_as_they_are_and_held_equal(raw, adjusted, verdict):
    assert llc_clock_pizza.both_verdict(Interval(*raw), Interval(*adjusted)).startswith(verdict)


def test_an_interval_is_stretched_to_what_other_seeds_give():
    drawn = np.linspace(0.2, 0.6, 401).tolist()
    found = llc_clock_pizza.wider(Interval(0.4, 0.3, 0.7), drawn)
    assert found.low == pytest.approx(0.21) and found.high == 0.7
    assert llc_clock_pizza.wider(Interval(None, None, None), drawn).low is None
