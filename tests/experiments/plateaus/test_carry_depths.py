"""Sets on which one column alone decides the carry, half of them with one."""

import numpy as np
import pytest

from experiments.plateaus import carry_depths
from grokjax.tasks import Addition


@pytest.mark.parametrize("base", (3, 10))
@pytest.mark.parametrize("depth", (1, 2))
def test_half_have_a_carry_and_the_column_at_that_depth_decides_it(base, depth):
    made = carry_depths.decided(Addition(num_digits=3, base=base, mode="single", digit=2), 2, depth, 50)
    total = np.asarray(made.a) + np.asarray(made.b)
    below = total[:, :2] @ base ** np.arange(2)
    assert ((below >= base**2) == (np.arange(100) >= 50)).all()
    assert (total[:, 2 - depth] != base - 1).all()
    if depth == 2:
        assert (total[:, 1] == base - 1).all()
