import numpy as np

from grokjax.curves import statistics


def test_common_shares():
    assert statistics.common_share({1, 2, 3}, {2, 3, 4}) == 0.5 and statistics.common_share(set(), set()) == 0
    random = np.random.default_rng(0)
    draws = [(set(random.choice(512, 100, False)), set(random.choice(512, 150, False))) for _ in range(300)]
    assert (
        abs(
            np.mean([statistics.common_share(*pair) for pair in draws])
            - statistics.common_share_by_chance(100, 150, 512)
        )
        < 0.005
    )
