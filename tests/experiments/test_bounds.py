"""Parts of rules: on which side of a limit an interval lies, and intervals of several sources of error."""

import numpy as np
import pytest

from experiments.frame import bounds
from experiments.frame.measured import Measured, mean, share

DRAWS = 400


def test_a_limit_inside_of_the_interval_or_an_unknown_end_decides_nothing():
    row, unknown = Measured("x", 0.5, 0.4, 0.6), Measured("x", 0.5)
    assert bounds.above(row, 0.39) and not bounds.above(row, 0.4)
    assert bounds.below(row, 0.61) and not bounds.below(row, 0.6)
    assert not bounds.above(unknown, -9) and not bounds.below(unknown, 9)
    assert [bounds.sided(row, x, "over", "under", "between") for x in (0.1, 0.9, 0.5)] == [
        "over",
        "under",
        "between",
    ]
    assert bounds.within(Measured("x", 0, -0.1, 0.1), 0.2) and not bounds.within(row, 0.5)
    assert not bounds.all_above([], 0) and bounds.all_above([row], 0.3)


def covers(row):
    return row.low <= 0 <= row.high


def test_an_interval_over_runs_alone_misses_what_all_share_and_a_crossed_one_holds_it():
    random, crossed, alone = np.random.default_rng(0), 0, 0
    for _ in range(DRAWS):
        values = random.normal(size=(8, 1)) * 0.2 + random.normal(size=(1, 20)) + random.normal(size=(8, 20))
        crossed += covers(bounds.crossed("x", values, ""))
        alone += covers(mean("x", values.mean(1), ""))
    assert crossed / DRAWS > 0.93 and alone / DRAWS < 0.85


def test_a_crossed_interval_of_one_run_or_one_problem_is_unknown():
    assert bounds.crossed("x", np.ones((1, 5)), "").low is None
    assert bounds.crossed("x", np.ones((5, 1)), "").low is None
    assert bounds.crossed("x", np.ones((5, 4)), "")[1:4] == (1, 1, 1)


def test_the_mean_over_pairs_of_runs_is_held_although_pairs_share_runs():
    random, held = np.random.default_rng(1), 0
    for _ in range(DRAWS):
        own = random.normal(size=12)
        held += covers(bounds.of_pairs("x", own[:, None] + own[None] + np.eye(12)))
    assert 0.92 < held / DRAWS < 0.99


def test_an_error_that_all_runs_share_widens_by_the_root_of_the_squares():
    row = bounds.widened(Measured("x", 0.5, 0.47, 0.53), (0.04 / 1.96) ** 2)
    assert (row.low, row.high) == pytest.approx((0.45, 0.55))
    assert bounds.widened(Measured("x", 0.5), 1.0).low is None
    shares = np.array([0.4, 0.5, 0.6])
    few, many = (bounds.scored("x", shares, problems) for problems in (10, 10**9))
    assert few.high > many.high == pytest.approx(mean("x", shares, "").high, rel=1e-3)


def test_values_of_one_run_are_not_counted_as_independent():
    random, together, apart = np.random.default_rng(2), 0, 0
    runs = np.repeat(np.arange(12), 4)
    for _ in range(DRAWS):
        values = random.normal(size=12)[runs] + 0.3 * random.normal(size=48)
        together += covers(bounds.clustered("x", values, runs.tolist(), ""))
        apart += covers(mean("x", values, ""))
    assert 0.92 < together / DRAWS < 0.98 and apart / DRAWS < 0.8
    assert bounds.clustered("x", np.arange(4.0), ["a"] * 4, "").low is None
    assert bounds.clustered("x", np.zeros(16), list(range(16)), "").low is None


def test_a_share_over_runs_that_hit_together_is_as_sure_as_the_runs():
    alike = np.repeat([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], 4)
    row = bounds.clustered_share("x", alike, np.repeat(np.arange(8), 4).tolist())
    own = bounds.clustered_share("x", alike[::4], list(range(8)))
    wilson = share("x", 3, 8)
    assert (row.count, row.n) == (12, 32)
    assert row.high - row.low == pytest.approx(wilson.high - wilson.low, abs=0.04)
    assert (own.low, own.high) == pytest.approx((wilson.low, wilson.high), abs=0.03)
    none = bounds.clustered_share("x", np.zeros(32), list(range(32)))
    assert (none.low, none.high) == pytest.approx((0.0, share("x", 0, 32).high), abs=1e-3)


def test_a_seed_is_drawn_with_all_of_its_runs():
    seeds = np.array([3, 5, 3, 5, 5, 7])
    drawn = list(bounds.whole_seeds(seeds, 50))
    assert len(drawn) == 50 and {len(of) for of in drawn} > {6}
    for of in drawn:
        own, counts = np.unique(of, return_counts=True)
        for seed in set(seeds[own].tolist()):
            assert set(np.flatnonzero(seeds == seed)) <= set(own.tolist())
            assert len(set(counts[seeds[own] == seed].tolist())) == 1
