"""What is said of settings that are sooner, and of best rates at an edge."""

import types

import numpy as np

from experiments.optimization.best_rate import at_edge
from experiments.optimization.decay_and_batch import DECAYS, NOTE, told

OTHERS = [(batch, decay) for batch in (64, 128, 256) for decay in DECAYS if (batch, decay) != NOTE]


def test_a_decay_that_is_sooner_at_every_batch_is_named_once():
    assert told([key for key in OTHERS if key[1] < 0.5], OTHERS).endswith("0.1 are sooner at every batch")
    assert told([(64, 1), *((batch, 0) for batch in (64, 128, 256))], OTHERS) == (
        "decay 0 is sooner at every batch; sooner with batch 64, decay 1"
    )
    assert told([(64, 0)], OTHERS) == "sooner with batch 64, decay 0"


def test_a_best_rate_at_an_edge_is_told():
    arm = lambda *pick: types.SimpleNamespace(pick=np.array(pick))
    assert at_edge([arm(1, 2), arm(1, 1)]) == []
    assert at_edge([arm(2, 2), arm(0, 2)])[0].startswith("Every best rate is an edge")
    assert at_edge([arm(2, 2), arm(1, 1)])[0].startswith("The best rate of 1 of 2 settings")
