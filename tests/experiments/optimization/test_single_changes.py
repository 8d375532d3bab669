"""The order of the digits, and the rule about changes, on planted runs."""

import numpy as np

from experiments.optimization import single_changes
from experiments.optimization.single_changes import NONE, compared, order_of


def test_an_order_is_known_while_at_most_one_digit_is_not_learned():
    assert order_of(np.array([30.0, 10, 20]), (2, 1, 0)) == (1, 0, 2)
    assert order_of(np.array([np.inf, 10, 20]), (2, 1, 0)) == (1, 0, 2)
    assert order_of(np.array([np.inf, np.inf, 20]), (2, 1, 0)) is None
    assert order_of(np.array([5.0, 5, 20]), (2, 1, 0)) is None


def test_a_change_alters_the_order_where_fewer_runs_have_the_usual_one():
    usual, other = (1, 0, 2), (2, 0, 1)
    told = compared({NONE: [usual] * 12, "same": [usual] * 11 + [None], "altered": [other] * 12}, usual)
    verdict = lambda told: single_changes.answer(told, usual).verdict
    assert told["same"].p == 1 and told["same"].known == 11 and told["altered"].p < 1e-5
    assert verdict(told) == "confirmed: altered"
    del told["altered"]
    assert verdict(told) == "refuted"
    mixed = compared({NONE: [usual] * 6 + [other] * 6, "same": [usual] * 6 + [other] * 6}, usual)
    assert verdict(mixed).startswith("open")
    nothing = compared({NONE: [usual] * 12, "stuck": [None] * 12}, usual)
    assert verdict(nothing).startswith("open")
