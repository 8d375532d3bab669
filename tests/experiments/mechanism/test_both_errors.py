"""Intervals of means over runs and problems hold what all runs share, on planted values."""

import numpy as np

from experiments.mechanism import ablation_map, answer_prefix, edge_pruning, table_patching

RANDOM = np.random.default_rng(0)
RUNS, PROBLEMS = 16, 200


def width(row):
    return row.high - row.low


def losses(*levels, shared=0.0):
    """Losses [S, sets, B] about these levels; `shared` is what a problem is harder by, for every run."""
    noise = RANDOM.normal(size=(RUNS, len(levels), PROBLEMS)) * 0.01
    return np.array(levels)[:, None] + noise + shared * RANDOM.normal(size=PROBLEMS)


def test_what_all_runs_share_widens_a_loss_but_not_a_paired_difference():
    of = lambda shared: answer_prefix.after_leading(losses(2.11, 2.3, shared=shared), 2.1133)
    alike, apart = of(0.0), of(0.3)
    assert alike.verdict == apart.verdict == "confirmed"
    assert width(apart.rows["whole"]) > 5 * width(alike.rows["whole"])
    assert width(apart.rows["gap"]) < 2 * width(alike.rows["gap"])


def test_digits_out_of_the_regime_are_left_out():
    inside, outside = losses(0.6, 0.8, 0.62, 0.61, 0.7), losses(2.0, 3.0, 3.0, 3.0, 3.0)
    found = answer_prefix.slower({4: outside, 3: inside, 2: outside, 1: inside, 0: outside}, 5)
    assert found.verdict == "confirmed: own pair" and found.rows["seen"].count == RUNS
    assert abs(found.rows["own_pair"].value - 0.02) < 0.005 and found.rows["own_pair"].low is not None
    none = answer_prefix.slower(dict.fromkeys(range(5), outside), 5)
    assert none.verdict.startswith("open") and none.rows["whole"].value is None


def test_the_share_of_a_change_is_the_ratio_of_its_means_with_the_error_of_the_pairs():
    whole = 4 + RANDOM.normal(size=(RUNS, 1, PROBLEMS)) * 0.1
    part = 0.9 + RANDOM.normal(size=PROBLEMS) * 0.1
    moved = np.repeat(whole * part, 3, 1)
    values = np.stack([table_patching.by_pair(x, y[0]) for x, y in zip(moved, whole, strict=True)], 1)
    np.testing.assert_allclose(values.mean(-1), (moved.mean(-1) / whole.mean(-1)).T)
    row = ablation_map.passed({0: values})["mlp_0"]
    assert row.low < 0.9 < row.high and width(row) > 3 * 0.1 / PROBLEMS**0.5


def test_a_loss_of_no_run_is_not_measured():
    assert edge_pruning.over_both("x", np.zeros((0, 5))).value is None
    assert edge_pruning.over_both("x", RANDOM.random((RUNS, 5))).low is not None
