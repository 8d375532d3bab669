import numpy as np
import pytest

from grokjax.curves import statistics


def test_aligned_curves_meet_at_their_exits():
    fall = lambda at: np.where(np.arange(300) < at, 2.0, 1.0)
    curves = np.stack([fall(100), fall(170), fall(290), fall(999)])
    found = statistics.aligned(curves, [100, 170, 290, None], (-20, 20))
    np.testing.assert_array_equal(found.median, np.where(found.offset < 0, 2.0, 1.0))
    assert found.runs[0] == 3 and found.runs[-1] == 2
    turned = statistics.aligned(curves[::-1], [None, 290, 170, 100], (-20, 20))
    np.testing.assert_array_equal(found.upper, turned.upper)
    assert np.isnan(statistics.aligned(curves, [None] * 4, (0, 3)).median).all()
    with pytest.raises(ValueError, match=r"window=\(3, 0\)"):
        statistics.aligned(curves, [1, 2, 3, 4], (3, 0))
