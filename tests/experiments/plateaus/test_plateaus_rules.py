"""The rules of the experiments on plateaus come out either way, on planted measurements."""

import math

import numpy as np
import pytest

from experiments.frame import result
from experiments.plateaus import (
    carry_depths,
    cascade_answers,
    joint_answers,
    leading_digit_answers,
    naive_phases,
    shelf_atlas_answers,
    stops,
    tolerance,
)
from experiments.plateaus.cascade_cells import Cell
from experiments.plateaus.digits_and_counts import Length
from grokjax.curves.shelves import Shelf
from grokjax.curves.statistics import Times
from grokjax.runner import exact
from grokjax.theory import columns, sums

RANDOM = np.random.default_rng(0)
LN_10 = math.log(10)


def verdict(found):
    return result.check(found).verdict


def cell(shelves=(), loss=None, digit=1, width=16):
    curves = np.ones((16, 100)) if loss is None else loss
    return Cell("single", 10, 2, digit, width, LN_10, {0: 0.688, 1: 0.069}, curves, list(shelves))


def shelf(level, first, last, left=True):
    return Shelf(level, 0.001, first, last, left)


@pytest.mark.parametrize("n", (2, 3))
def test_a_tenth_of_the_top_pairs_leaves_the_leading_digit_open(n):
    total = np.add.outer(np.arange(10**n), np.arange(10**n))
    top = np.add.outer(np.arange(10**n), np.arange(10**n) * 0) // 10 ** (n - 1)
    pair = 10 * top + top.T
    share = np.array([(total[pair == k] >= 10**n).mean() for k in range(100)])
    part, cost = leading_digit_answers.undecided(n)
    assert part == ((share > 0) & (share < 1)).mean() == 0.1
    assert cost == pytest.approx(sums.binary_entropy(share[9]))
    assert share[9] == pytest.approx(float(columns.carry_probability(10, n - 1)))


def of_strata(*losses):
    strata = np.array(losses) + RANDOM.normal(size=(1, 8, 3)) * 1e-4
    last = Length(
        5, {}, [], *[np.zeros(8)] * 2, Times(np.ones(8), np.ones(8, bool)), np.zeros((8, 4)), strata, 0
    )
    return leading_digit_answers.thin_ice(last)


def test_the_problems_and_each_part_of_the_runs_have_their_own_verdict():
    found = of_strata(0.02, 0.014, 0.49)
    assert verdict(found) == (
        "mixed: confirmed that the problems are so, runs at that loss are sure of the ninety; refuted that "
        "they know nothing of the ten"
    )
    assert "are sure of the ninety" in found.sentence and found.rows["sure"].value == pytest.approx(
        0.02, abs=1e-3
    )
    assert verdict(of_strata(0.001, 0.001, 0.69)) == "confirmed"
    assert "sure" not in of_strata(0.2, 0.014, 0.49).sentence.replace("{sure}", "")


def hit(j, at_level, p, by_chance=0.0):
    at = np.array(at_level, float)
    return cascade_answers.Hit(
        cell([[]] * len(at)), j, tolerance.Hits(0.1, at, np.full(len(at), by_chance), 8), p
    )


def test_a_level_is_refuted_only_where_the_runs_leave_no_room_for_it():
    none, few, half, three = [0] * 8, [1] + [0] * 167, [1, 0] * 8, [1] * 3 + [0] * 53
    of = lambda *hits: verdict(cascade_answers.cascade(hits, []))
    many = [hit(0, half, 0.001), hit(1, few, 1.0), hit(2, three, 0.2), hit(3, none, 1.0)]
    assert of(*many) == (
        "mixed: confirmed of j = 0, in a minority of the runs; refuted of j = 1; open of j = 2, 3"
    )
    assert of(hit(0, [1] * 16, 0.001)) == "confirmed" and of(hit(1, few, 1.0)) == "refuted"
    assert of(hit(2, three, 0.2)).startswith("open")


def test_two_shelves_in_a_minority_are_refuted_of_most_runs_only():
    both = [shelf(LN_10, 0, 50), shelf(0.7, 60, 90)]
    of = lambda k, sure: verdict(
        stops.two_shelves("001-67", [cell([both] * k + [[]] * (16 - k))], 100, {16} if sure else ())
    )
    assert of(3, True) == "mixed: confirmed in a minority of the runs, refuted of most"
    assert of(3, False) == "refuted" and of(16, True) == "mixed: both shelves, 0 not reached"


def test_half_of_the_runs_do_not_refute_a_stop():
    slow = np.concatenate([np.full(20, 1.0), np.full(160, 0.6), np.full(20, 0.2)])
    quick = np.concatenate([np.full(160, 0.8), np.full(20, 0.6), np.full(20, 0.2)])
    of = lambda *counts: verdict(
        stops.stop(
            "001-68",
            [
                cell([[]] * 16, np.stack([slow] * k + [quick] * (16 - k)), digit)
                for digit, k in enumerate(counts, 1)
            ],
        )
    )
    assert of(16) == "confirmed" and of(0) == "refuted" and of(8).startswith("open")
    assert of(16, 8, 0) == "mixed: confirmed of digit 1; refuted of digit 3; open of digit 2"


def test_units_that_stay_at_their_start_are_no_descent():
    falls = np.concatenate([np.full(200, LN_10), np.full(300, 0.01)])
    noise = lambda curve: (curve + RANDOM.normal(size=(32, 500)) * 1e-3)[..., None]
    assert verdict(shelf_atlas_answers.units(noise(falls))) == "confirmed"
    assert verdict(shelf_atlas_answers.units(noise(np.full(500, LN_10)))) == "refuted"


def test_a_shelf_at_the_end_is_not_one_that_runs_leave():
    of = lambda level: shelf_atlas_answers.others({exact.Shown(3, "none", None): level}, {}, 32, 8)
    assert verdict(of({k: shelf(0.02, 10, 99) for k in range(27)})) == "confirmed"
    cut = of({k: shelf(0.02, 10, 99, left=k < 2) for k in range(27)})
    assert verdict(cut).startswith("mixed: confirmed that runs rest") and "25 of these 27" in cut.caveats[0]
    assert cut.rows["decay_cut_3"].count == 25


def test_a_law_without_a_shelf_gets_no_verdict():
    near, far = (at + RANDOM.normal(size=16) * 1e-3 for at in (0.05, 0.2))
    found = {
        "leading at ln 2": {"leading": far},
        "units at ln 10": {"units": near},
        "tens at ln 2": {"tens": far},
    }
    rests = {name: np.full(16, name.startswith("units")) for name in found}
    answer = joint_answers.even_odds(found, rests, far, np.ones(16, bool))
    assert verdict(answer) == "mixed: confirmed of 0 to 9; refuted of sum or sum + 1; no shelf of 0 or 1"


def phases(alone, first, base=10, runs=16):
    of = lambda k: np.arange(runs) < k
    known = dict.fromkeys(("pair", "auc_1", "auc_2"), Times(np.full(runs, 100.0), np.ones(runs, bool)))
    return carry_depths.Phases(np.arange(4) * carry_depths.every(base), {}, known, of(alone), of(first))


def test_half_of_the_runs_leave_a_phase_open():
    _, in_ten, everywhere = naive_phases.on_phases(
        {3: phases(0, 0, 3), 5: phases(0, 0, 5), 10: phases(15, 8)}
    )
    assert verdict(in_ten) == "mixed: confirmed of the pair alone, open of depth 1 alone"
    assert verdict(everywhere) == (
        "mixed: in bases 3 and 5 refuted; in base 10 confirmed of the pair alone, open of depth 1 alone"
    )
    all_open = naive_phases.on_phases({10: phases(8, 8)})
    assert all(verdict(one).startswith("open: ") for one in all_open[1:])
