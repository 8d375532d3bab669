"""Joint laws of whole answers."""

import numpy as np
import pytest

from grokjax.theory import answers, levels


def entropy(law):
    return -(law * np.log(np.where(law > 0, law, 1))).sum(-1)


def test_nothing_known_gives_the_entropy_that_the_levels_add_up_to():
    """The chain rule: the levels given the answer so far, most significant first, sum to the entropy of the
    answer.
    """
    sums = sum(row.nats for row in levels.named(4, 2, "msb") if row.known == "answer_so_far")
    assert entropy(answers.laws(4, 2, ()))[0] == pytest.approx(sums, abs=1e-12)


def test_all_pairs_known_leave_nothing_and_rows_name_the_operands():
    x, y = np.array([[3, 1], [2, 3]]), np.array([[2, 0], [1, 3]])
    law = answers.laws(4, 2, (0, 1))
    assert entropy(law).max() == 0
    assert law[answers.rows(4, x, y, (0, 1))].argmax(1).tolist() == [3 + 4 + 2, 14 + 13]


def test_the_digit_pair_leaves_the_carry():
    law = answers.laws(10, 2, (1,))
    x, y = np.array([[0, 4]]), np.array([[0, 3]])
    tens = law[answers.rows(10, x, y, (1,))[0]].reshape(10, 10, 10).sum((0, 2))
    assert tens[7] == pytest.approx(0.55) and tens[8] == pytest.approx(0.45)
    with pytest.raises(ValueError, match="cells"):
        answers.laws(10, 4, (0, 1))
