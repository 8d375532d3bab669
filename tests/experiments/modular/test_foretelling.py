"""Whether an early number tells when a run groks: concordance on planted times; the choice on other runs."""

import numpy as np
import pytest

from experiments.frame.measured import share
from experiments.modular import foretelling, late_grokking
from grokjax.curves.statistics import Times

TIMES = Times(np.array([100.0, 200.0, 300.0, 400.0]), np.array([True, True, False, True]))


def test_only_pairs_of_known_order_count():
    """The third run was not there at 300: whether it comes before the fourth nobody knows."""
    assert int(foretelling.known(TIMES).sum()) == 5
    assert foretelling.concordance(TIMES, np.array([1.0, 2, 3, 4]))[0] == 1
    assert foretelling.concordance(TIMES, np.array([4.0, 3, 2, 1]))[0] == 0
    assert foretelling.concordance(TIMES, np.zeros(4))[0] == 0.5
    assert foretelling.concordance(TIMES, np.array([1.0, 2, 4, 3]))[0] == 1
    assert np.isnan(foretelling.concordance(Times(TIMES.time, np.zeros(4, bool)), np.zeros(4)))[0]


def test_runs_drawn_again_count_as_often_as_drawn():
    score = np.array([1.0, 3, 2, 4])
    drawn = np.array([[2, 0, 1, 1]])
    again = Times(TIMES.time[[0, 0, 2, 3]], TIMES.ended[[0, 0, 2, 3]])
    assert foretelling.concordance(TIMES, score, drawn) == pytest.approx(
        foretelling.concordance(again, score[[0, 0, 2, 3]])
    )


def test_the_best_measure_is_scored_on_runs_that_did_not_choose_it():
    random = np.random.default_rng(0)
    hidden = random.normal(size=80)
    times = Times(1000 + 100 * hidden, np.ones(80, bool))
    measures = {f"noise {i}": random.normal(size=80) for i in range(20)}
    chance = foretelling.best(times, measures).concordance
    assert chance.low < 0.5 < chance.high, "twenty tries, and none of them tells"
    found = foretelling.best(times, measures | {"told": -hidden + 0.2 * random.normal(size=80)})
    assert (found.name, found.falls) == ("told", False) and found.concordance.low > 0.8


def test_runs_that_say_nothing_have_no_interval():
    never = Times(np.full(4, 500.0), np.zeros(4, bool))
    assert foretelling.best(never, {"x": np.arange(4.0)}).concordance == (None, None, None)


@pytest.mark.parametrize(
    ("grokked", "verdict"), [(32, "confirmed"), (64, "refuted"), (0, "refuted"), (5, "open"), (60, "open")]
)
def test_some_grok_and_others_not(grokked, verdict):
    assert late_grokking.of_some(share("", grokked, 64)).partition(":")[0] == verdict


def test_that_some_grok_and_that_it_is_foretold_are_two_claims():
    both = late_grokking.both
    assert both("confirmed", "confirmed") == "confirmed" and both("refuted", "refuted") == "refuted"
    assert both("open: why", "confirmed").startswith("mixed: confirmed that it is foretold; open whether")
    assert both("open: why", "open") == "open: why"
    assert both("refuted", "open") == "open: foretelling is undecided; more --seeds would settle it"
