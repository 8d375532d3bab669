import numpy as np
import pytest
from scipy import stats

from grokjax.curves import statistics


def test_paired_tests_agree_with_scipy_and_with_each_other_in_sign():
    generator = np.random.default_rng(0)
    first = generator.normal(size=20)
    second = first + 0.3 + 0.2 * generator.normal(size=20)
    found = statistics.paired(first, second)
    assert found == pytest.approx(stats.ttest_rel(first, second))
    assert (
        found.statistic < 0
        and found.p < 1e-3
        and statistics.paired(second, first).p == pytest.approx(found.p)
    )
    ranks = statistics.paired_ranks(first, second)
    assert ranks == pytest.approx(tuple(stats.wilcoxon(first, second))) and ranks.p < 1e-3


def test_five_pairs_are_never_significant_by_ranks():
    assert statistics.paired_ranks(np.arange(5) + 1.0, np.zeros(5)).p == pytest.approx(2**-4)


def test_what_the_pairs_do_not_determine_is_none():
    assert statistics.paired([1.0], [2.0]) == (None, None) == statistics.paired([1.0, 2.0], [2.0, 3.0])
    assert statistics.paired_ranks([1.0, 2.0], [1.0, 2.0]) == (None, None)
    with pytest.raises(ValueError, match=r"first has shape \(2,\) and second \(3,\)"):
        statistics.paired([1.0, 2.0], [1.0, 2.0, 3.0])


def test_holm_is_the_textbook_example():
    """.005 x 4, .01 x 3, then .03 x 2 and .04 x 1, which may not fall below it."""
    np.testing.assert_allclose(statistics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.7, 0.8]).tolist() == [1.0, 1.0] and statistics.holm([]).tolist() == []
    with pytest.raises(ValueError, match="from 0 to 1"):
        statistics.holm([0.5, 1.5])


def test_holm_keeps_the_chance_of_any_false_one():
    p = np.random.default_rng(1).uniform(size=(2000, 5))
    assert np.mean([statistics.holm(row).min() < 0.05 for row in p]) == pytest.approx(0.05, abs=0.015)
