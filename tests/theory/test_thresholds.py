"""Additive logits that are right on every answer digit of every input in sequence mode, most significant
first.
"""

import itertools

import numpy as np
import pytest
from scipy.special import log_softmax

from grokjax.theory import thresholds


@pytest.mark.parametrize(("base", "num_digits"), [(2, 4), (3, 3), (10, 2)])
def test_every_digit_of_every_input_is_right(base, num_digits):
    operands = np.array(list(itertools.product(range(base), repeat=2 * num_digits))).reshape(
        -1, 2, num_digits
    )
    total = (operands.sum(1) * base ** np.arange(num_digits)).sum(1)
    answers = total[:, None] // base ** np.arange(num_digits + 1) % base
    for digit in range(num_digits + 1):
        scale = 40.0 * base**digit
        logits = thresholds.logits(thresholds.tables(base, num_digits, digit, scale), operands, answers)
        assert (logits.argmax(1) == answers[:, digit]).all()
        losses = -log_softmax(logits, axis=1)[np.arange(len(logits)), answers[:, digit]]
        assert losses.max() <= (base - 1) * np.exp(-20) * (1 + 1e-6)


def test_lower_answer_digits_add_nothing():
    weights = thresholds.tables(10, 3, 2, 1.0)
    assert not weights.answer[:3].any() and weights.answer[3].any()


def test_a_digit_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="digit=4"):
        thresholds.tables(10, 3, 4, 1.0)
